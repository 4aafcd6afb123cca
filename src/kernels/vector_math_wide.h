/* The functions of kernels/vector_math.h that are computed in double and rounded to float once, by formulas
 * that are good to about 2^-32. Included by it. */

#ifndef CANDELA_KERNELS_VECTOR_MATH_WIDE_H
#define CANDELA_KERNELS_VECTOR_MATH_WIDE_H

/* 1.5 * 2^52: adding it leaves the nearest integer in the low bits of the mantissa. */
#define WIDE_ROUNDER 6755399441055744.0

/* Parts of log(2) and pi / 2: integers up to 2^20 and 2^27 times the first are exact. */
#define WIDE_LOG2_HIGH 0.69314718036912381649
#define WIDE_LOG2_LOW 1.9082149292705877e-10
#define WIDE_QUARTER_HIGH 1.57079631090164184570
#define WIDE_QUARTER_LOW 1.58932547735281966916e-8

#define WIDE_PI 3.14159265358979323846

/* From here on sin, cos and tan of floats are the C library's. */
#define WIDE_MOST_ANGLE 1e8f

#endif

/* The polynomial p[0] + p[1] x + ... */
VEC_INLINE WIDE CDK_AT(wide_polynomial)(WIDE x, const double *p, int degree)
{
    WIDE y = WIDE_SET1(p[degree]);
    for (int i = degree - 1; i >= 0; i--) {
        y = y * x + WIDE_SET1(p[i]);
    }
    return y;
}

VEC_INLINE WIDE CDK_AT(wide_sign)(WIDE x)
{
    return WIDE_OF_BITS(WIDE_BITS(x) & WIDE_BITS(WIDE_SET1(-0.0)));
}

VEC_INLINE WIDE CDK_AT(wide_abs)(WIDE x)
{
    return WIDE_OF_BITS(WIDE_BITS(x) ^ WIDE_BITS(CDK_AT(wide_sign)(x)));
}

/* y with its sign changed where x is negative */
VEC_INLINE WIDE CDK_AT(wide_flip)(WIDE y, WIDE x)
{
    return WIDE_OF_BITS(WIDE_BITS(y) ^ WIDE_BITS(CDK_AT(wide_sign)(x)));
}

/* exp(x); beyond 700 what floats have no number for. */
VEC_INLINE WIDE CDK_AT(wide_exp)(WIDE x)
{
    static const double p[] = {0.99999999996157785,   1.0000000002437828,    0.50000001047657228,
                               0.16666665122836224,   0.041666224771867946,  0.0083335614070261816,
                               0.0013948227365988741, 0.00019775133156495087};
    const WIDE most = WIDE_SET1(700.0);
    x = WIDE_SELECT(x > most, most, x);
    x = WIDE_SELECT(x < -most, -most, x);
    WIDE shifted = x * WIDE_SET1(1.44269504088896338700) + WIDE_SET1(WIDE_ROUNDER);
    WIDE n = shifted - WIDE_SET1(WIDE_ROUNDER);
    WIDE r = x - n * WIDE_SET1(WIDE_LOG2_HIGH) - n * WIDE_SET1(WIDE_LOG2_LOW);
    WIDE_INT scale = (WIDE_INT)((WIDE_UINT)(WIDE_BITS(shifted) + 1023) << 52);
    return CDK_AT(wide_polynomial)(r, p, 7) * WIDE_OF_BITS(scale);
}

/* log(x), x > 0 finite; where x = 2^n m it is n log(2) + 2 atanh((m - 1) / (m + 1)). */
VEC_INLINE WIDE CDK_AT(wide_log)(WIDE x)
{
    static const double p[] = {0.66666666675804021, 0.39999995620920215, 0.28572109243683985,
                               0.22176185537333445, 0.1958419208376509};
    const int64_t root_half = 0x3fe6a09e667f3bcd;
    const uint64_t offset = UINT64_C(1024) << 52;
    WIDE_INT bits = WIDE_BITS(x) - root_half;
    WIDE_INT n = (WIDE_INT)(((WIDE_UINT)bits + offset) >> 52);
    WIDE m = WIDE_OF_BITS(WIDE_BITS(x) - (WIDE_INT)((WIDE_UINT)(n - 1024) << 52));
    WIDE whole = WIDE_OF_BITS(n | INT64_C(0x4330000000000000)) - WIDE_SET1(4503599627370496.0 + 1024);
    WIDE s = (m - WIDE_SET1(1.0)) / (m + WIDE_SET1(1.0)), z = s * s;
    WIDE y = s + s + s * z * CDK_AT(wide_polynomial)(z, p, 4);
    return whole * WIDE_SET1(WIDE_LOG2_HIGH) + (y + whole * WIDE_SET1(WIDE_LOG2_LOW));
}

/* log(|x|) where x is any float; NaN for NaN. */
VEC_INLINE WIDE CDK_AT(wide_log_size)(WIDE x)
{
    const WIDE zero = WIDE_SET1(0.0), infinite = WIDE_SET1(INFINITY);
    WIDE size = CDK_AT(wide_abs)(x), y = CDK_AT(wide_log)(size);
    y = WIDE_SELECT(size > zero, y, -infinite);
    return WIDE_SELECT(size < infinite, y, size);
}

/* x = n pi / 2 + r; the low bits of *quadrant are n. */
VEC_INLINE WIDE CDK_AT(wide_quadrant)(WIDE x, WIDE_INT *quadrant)
{
    WIDE shifted = x * WIDE_SET1(2 / WIDE_PI) + WIDE_SET1(WIDE_ROUNDER);
    WIDE n = shifted - WIDE_SET1(WIDE_ROUNDER);
    *quadrant = WIDE_BITS(shifted);
    return x - n * WIDE_SET1(WIDE_QUARTER_HIGH) - n * WIDE_SET1(WIDE_QUARTER_LOW);
}

VEC_INLINE WIDE CDK_AT(wide_sin_part)(WIDE r)
{
    static const double p[] = {-0.16666666641616287, 0.0083333293846722025, -0.0001983933443949361,
                               2.7183076837813929e-06};
    WIDE z = r * r;
    return r * (WIDE_SET1(1.0) + z * CDK_AT(wide_polynomial)(z, p, 3));
}

VEC_INLINE WIDE CDK_AT(wide_cos_part)(WIDE r)
{
    static const double p[] = {-0.49999999724990807, 0.041666623310371166, -0.0013886763338861689,
                               2.4390406925232766e-05};
    WIDE z = r * r;
    return WIDE_SET1(1.0) + z * CDK_AT(wide_polynomial)(z, p, 3);
}

/* sin(x + turns pi / 2) */
VEC_INLINE WIDE CDK_AT(wide_sin_turned)(WIDE x, int turns)
{
    WIDE_INT quadrant;
    WIDE r = CDK_AT(wide_quadrant)(x, &quadrant);
    quadrant = quadrant + turns;
    WIDE y = WIDE_SELECT((quadrant & 1) != 0, CDK_AT(wide_cos_part)(r), CDK_AT(wide_sin_part)(r));
    return WIDE_OF_BITS(WIDE_BITS(y) ^ (WIDE_INT)((WIDE_UINT)(quadrant & 2) << 62));
}

VEC_INLINE WIDE CDK_AT(wide_sin)(WIDE x)
{
    return CDK_AT(wide_sin_turned)(x, 0);
}

VEC_INLINE WIDE CDK_AT(wide_cos)(WIDE x)
{
    return CDK_AT(wide_sin_turned)(x, 1);
}

VEC_INLINE WIDE CDK_AT(wide_tan)(WIDE x)
{
    WIDE_INT quadrant;
    WIDE r = CDK_AT(wide_quadrant)(x, &quadrant);
    WIDE s = CDK_AT(wide_sin_part)(r), c = CDK_AT(wide_cos_part)(r);
    return WIDE_SELECT((quadrant & 1) != 0, -c, s) / WIDE_SELECT((quadrant & 1) != 0, s, c);
}

/* asin(|x|), and its distance from pi / 2 where that is asked for: beyond 1/2 by the half of its
 * complement. */
VEC_INLINE WIDE CDK_AT(wide_asin_size)(WIDE x, int complement)
{
    static const double p[] = {0.16666667189808174,  0.074999481582826377, 0.044660162900308678,
                               0.030110261531725913, 0.024618302940671237, 0.0074693226258376183,
                               0.034692720149868538};
    const WIDE half = WIDE_SET1(0.5), quarter = WIDE_SET1(WIDE_PI / 2);
    WIDE size = CDK_AT(wide_abs)(x), rest = half * (WIDE_SET1(1.0) - size);
    WIDE z = WIDE_SELECT(size > half, rest, size * size), s = WIDE_SELECT(size > half, WIDE_SQRT(z), size);
    WIDE y = s + s * z * CDK_AT(wide_polynomial)(z, p, 6);
    return complement ? WIDE_SELECT(size > half, y + y, quarter - y)
                      : WIDE_SELECT(size > half, quarter - (y + y), y);
}

VEC_INLINE WIDE CDK_AT(wide_asin)(WIDE x)
{
    return CDK_AT(wide_flip)(CDK_AT(wide_asin_size)(x, 0), x);
}

VEC_INLINE WIDE CDK_AT(wide_acos)(WIDE x)
{
    WIDE y = CDK_AT(wide_asin_size)(x, 1);
    return WIDE_SELECT(x < WIDE_SET1(0.0), WIDE_SET1(WIDE_PI) - y, y);
}

/* atan(t), 0 <= t <= 1: from tan(pi / 8) on that of its distance from pi / 4. */
VEC_INLINE WIDE CDK_AT(wide_atan_part)(WIDE t)
{
    static const double p[] = {-0.33333332514420938, 0.19999905168965806,   -0.1428204153039988,
                               0.1104508642152305,   -0.084783644030469396, 0.047481848389462532};
    const WIDE one = WIDE_SET1(1.0), eighth = WIDE_SET1(0.41421356237309503);
    WIDE u = WIDE_SELECT(t > eighth, (t - one) / (t + one), t), z = u * u;
    WIDE base = WIDE_SELECT(t > eighth, WIDE_SET1(WIDE_PI / 4), WIDE_SET1(0.0));
    return base + (u + u * z * CDK_AT(wide_polynomial)(z, p, 5));
}

VEC_INLINE WIDE CDK_AT(wide_atan)(WIDE x)
{
    const WIDE one = WIDE_SET1(1.0);
    WIDE size = CDK_AT(wide_abs)(x), t = WIDE_SELECT(size > one, one / size, size);
    WIDE y = CDK_AT(wide_atan_part)(t);
    return CDK_AT(wide_flip)(WIDE_SELECT(size > one, WIDE_SET1(WIDE_PI / 2) - y, y), x);
}

/* The quotient of two zeros is 0, that of two infinities 1. */
VEC_INLINE WIDE CDK_AT(wide_atan2)(WIDE y, WIDE x)
{
    const WIDE zero = WIDE_SET1(0.0), one = WIDE_SET1(1.0);
    WIDE a = CDK_AT(wide_abs)(x), b = CDK_AT(wide_abs)(y);
    WIDE least = WIDE_SELECT(b > a, a, b), most = WIDE_SELECT(b > a, b, a), t = least / most;
    t = WIDE_SELECT(most > zero, t, most);
    t = WIDE_SELECT(least < WIDE_SET1(INFINITY), t, WIDE_SELECT(a == b, one, a + b));
    WIDE angle = CDK_AT(wide_atan_part)(t);
    angle = WIDE_SELECT(b > a, WIDE_SET1(WIDE_PI / 2) - angle, angle);
    angle = WIDE_SELECT(CDK_AT(wide_flip)(one, x) < zero, WIDE_SET1(WIDE_PI) - angle, angle);
    return WIDE_SELECT(a + b == a + b, CDK_AT(wide_flip)(angle, y), a + b);
}

/* The series of sinh below 1, where the exponentials cancel. */
VEC_INLINE WIDE CDK_AT(wide_sinh)(WIDE x)
{
    static const double p[] = {1.0 / 6, 1.0 / 120, 1.0 / 5040, 1.0 / 362880, 1.0 / 39916800};
    WIDE size = CDK_AT(wide_abs)(x), e = CDK_AT(wide_exp)(size), z = x * x;
    WIDE large = WIDE_SET1(0.5) * (e - WIDE_SET1(1.0) / e);
    WIDE small = size + size * z * CDK_AT(wide_polynomial)(z, p, 4);
    return CDK_AT(wide_flip)(WIDE_SELECT(size > WIDE_SET1(1.0), large, small), x);
}

VEC_INLINE WIDE CDK_AT(wide_cosh)(WIDE x)
{
    WIDE e = CDK_AT(wide_exp)(CDK_AT(wide_abs)(x));
    return WIDE_SET1(0.5) * (e + WIDE_SET1(1.0) / e);
}

VEC_INLINE WIDE CDK_AT(wide_log_times)(WIDE x, double factor)
{
    WIDE y = CDK_AT(wide_log_size)(x) * WIDE_SET1(factor);
    return WIDE_SELECT(x < WIDE_SET1(0.0), WIDE_SET1(NAN), y);
}

VEC_INLINE WIDE CDK_AT(wide_log2)(WIDE x)
{
    return CDK_AT(wide_log_times)(x, 1.44269504088896338700);
}

VEC_INLINE WIDE CDK_AT(wide_log10)(WIDE x)
{
    return CDK_AT(wide_log_times)(x, 0.43429448190325182765);
}

VEC_INLINE WIDE CDK_AT(wide_whole)(WIDE x)
{
    return x + WIDE_SET1(WIDE_ROUNDER) - WIDE_SET1(WIDE_ROUNDER);
}

/* exp(y log|x|), 1 where the product is 0 times something infinite; where x < 0 its sign is that of odd y,
 * and there is none for a y which is not whole. */
VEC_INLINE WIDE CDK_AT(wide_pow)(WIDE x, WIDE y)
{
    const WIDE zero = WIDE_SET1(0.0), one = WIDE_SET1(1.0), half = WIDE_SET1(0.5) * y;
    WIDE size = CDK_AT(wide_abs)(x), product = y * CDK_AT(wide_log_size)(x);
    product = WIDE_SELECT(size == one, zero, product);
    product = WIDE_SELECT(y == zero, zero, product);
    WIDE power = CDK_AT(wide_exp)(product), signed_power = CDK_AT(wide_flip)(power, x);
    WIDE odd = WIDE_SELECT(CDK_AT(wide_whole)(half) == half, power, signed_power);
    WIDE whole = WIDE_SELECT(CDK_AT(wide_whole)(y) == y, odd, power);
    WIDE lacking = WIDE_SELECT(size < WIDE_SET1(INFINITY), WIDE_SET1(NAN), power);
    WIDE negative = WIDE_SELECT(CDK_AT(wide_whole)(y) == y, odd, lacking);
    WIDE result = WIDE_SELECT(x < zero, negative, whole);
    result = WIDE_SELECT(y == y, result, y);
    result = WIDE_SELECT(y == zero, one, result);
    return WIDE_SELECT(x == one, one, result);
}

/* A function of doubles for the two halves of a vector of floats. */
#define VEC_BY_HALVES(name, wide)                                                \
    VEC_INLINE VEC CDK_AT(name)(VEC x)                                           \
    {                                                                            \
        return WIDE_JOIN(CDK_AT(wide)(WIDE_LOW(x)), CDK_AT(wide)(WIDE_HIGH(x))); \
    }

#define VEC_BY_HALVES2(name, wide)                                                                          \
    VEC_INLINE VEC CDK_AT(name)(VEC x, VEC y)                                                               \
    {                                                                                                       \
        return WIDE_JOIN(CDK_AT(wide)(WIDE_LOW(x), WIDE_LOW(y)), CDK_AT(wide)(WIDE_HIGH(x), WIDE_HIGH(y))); \
    }

/* The same for angles, where large ones are the C library's. */
#define VEC_OF_ANGLE(name, wide, function)                                         \
    VEC_BY_HALVES(name##_near, wide)                                               \
    VEC_ELEMENTWISE(name##_far, function)                                          \
    VEC_INLINE VEC CDK_AT(name)(VEC x)                                             \
    {                                                                              \
        const VEC size = CDK_AT(vec_abs)(x), most = VEC_SET1(WIDE_MOST_ANGLE);     \
        const VEC y = CDK_AT(name##_near)(x);                                      \
        return VEC_ANY(VEC_GREATER(size, most))                                    \
                   ? VEC_SELECT(VEC_GREATER(size, most), CDK_AT(name##_far)(x), y) \
                   : y;                                                            \
    }

VEC_BY_HALVES(vec_log2, wide_log2)
VEC_BY_HALVES(vec_log10, wide_log10)
VEC_BY_HALVES(vec_sinh, wide_sinh)
VEC_BY_HALVES(vec_cosh, wide_cosh)
VEC_BY_HALVES(vec_asin, wide_asin)
VEC_BY_HALVES(vec_acos, wide_acos)
VEC_BY_HALVES(vec_atan, wide_atan)
VEC_BY_HALVES2(vec_atan2, wide_atan2)
VEC_BY_HALVES2(vec_pow, wide_pow)
VEC_OF_ANGLE(vec_sin, wide_sin, sinf)
VEC_OF_ANGLE(vec_cos, wide_cos, cosf)
VEC_OF_ANGLE(vec_tan, wide_tan, tanf)

#undef VEC_BY_HALVES
#undef VEC_BY_HALVES2
#undef VEC_OF_ANGLE
