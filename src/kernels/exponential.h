/* exp and log for float without branches or calls, so that loops over them become vector code.
 *
 * cdk_expf: x = n log 2 + r, exp(r) by a polynomial of degree 6, the power of two by shifting n into the
 * exponent; relative error below 2e-7; 0 below -87.3, infinite above 88.7. cdk_logf: for positive normal
 * numbers; relative error below 2e-7 away from 1, absolute below 1e-7 near it.
 */
#ifndef CANDELA_KERNELS_EXPONENTIAL_H
#define CANDELA_KERNELS_EXPONENTIAL_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels/levels.h"

CDK_INLINE float float_of_bits(int32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

CDK_INLINE int32_t bits_of_float(float f)
{
    int32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

CDK_INLINE float cdk_expf(float x)
{
    /* Clamped so that the exponent stays in range; a not-a-number passes through both comparisons. */
    float low = -87.33654f > x ? -87.33654f : x;
    float t = 88.72283f < low ? 88.72283f : low;
    /* Adding and taking away 1.5 * 2^23 rounds to the nearest integer. */
    float n = t * 1.44269504f + 12582912.0f - 12582912.0f;
    float r = t - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    /* 2^n in two halves: n may be 128. */
    int32_t whole = (int32_t)(n == n ? n : 0.0f), half = whole >> 1;
    float y = p * float_of_bits((half + 127) << 23) * float_of_bits((whole - half + 127) << 23);
    y = x < -87.33654f ? 0.0f : y;
    return x > 88.72283f ? INFINITY : y;
}

CDK_INLINE float cdk_logf(float x)
{
    int32_t bits = bits_of_float(x);
    /* Mantissa in [sqrt(1/2), sqrt(2)). */
    int32_t shifted = bits - 0x3f3504f3;
    float n = (float)(shifted >> 23);
    float m = float_of_bits((shifted & 0x007fffff) + 0x3f3504f3) - 1.0f;
    float z = m * m;
    float p = 7.0376836292e-2f;
    p = p * m - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    float y = m * z * p + n * -2.12194440e-4f - 0.5f * z;
    return m + y + n * 0.693359375f;
}

#endif
