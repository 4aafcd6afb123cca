#include "base/half.h"

#include <string.h>

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

float cd_half_to_float(uint16_t bits)
{
    const uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
    const uint32_t exponent = (bits >> 10) & 0x1f, mantissa = bits & 0x3ff;
    if (exponent == 0) {
        const float tiny = (float)mantissa / 16777216.0f;
        return sign ? -tiny : tiny;
    }
    if (exponent == 31) {
        return float_of(sign | 0x7f800000u | mantissa << 13);
    }
    return float_of(sign | (exponent + 112) << 23 | mantissa << 13);
}

/* bits / 2^shift, to the nearest, ties to even. */
static uint32_t rounded(uint32_t bits, int shift)
{
    const uint32_t kept = bits >> shift, rest = bits & ((1u << shift) - 1), middle = 1u << (shift - 1);
    return kept + (rest > middle || (rest == middle && (kept & 1) != 0));
}

uint16_t cd_float_to_half(float x)
{
    const uint32_t bits = bits_of(x), sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    uint32_t half;
    if (size > 0x7f800000) {
        half = 0x7e00;
    } else if (size >= 0x47800000) { /* 65536 and above */
        half = 0x7c00;
    } else if (size >= 0x38800000) { /* normal numbers: a carry of the mantissa moves into the exponent */
        half = rounded(size - 0x38000000, 13);
    } else if (size >= 0x33000000) { /* multiples of 2^-24 */
        half = rounded((size & 0x7fffff) | 0x800000, 126 - (int)(size >> 23));
    } else {
        half = 0;
    }
    return (uint16_t)(sign | half);
}

float cd_bfloat_to_float(uint16_t bits)
{
    return float_of((uint32_t)bits << 16);
}

uint16_t cd_float_to_bfloat(float x)
{
    const uint32_t bits = bits_of(x);
    return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : rounded(bits, 16));
}
