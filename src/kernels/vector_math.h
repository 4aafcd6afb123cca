/* exp, log and their kin on vectors: included by a template once for each level, after the vectors.
 *
 *     VEC_ABS(x)
 *     VEC_EXP(x)           0 below -103.98, denormal below -87.34, infinite above 88.72
 *     VEC_EXPM1(x)         exp(x) - 1
 *     VEC_LOG(x), VEC_LOG2(x), VEC_LOG10(x)    NaN below 0, -Inf at 0
 *     VEC_LOG1P(x)         log(1 + x)
 *     VEC_SIGMOID(x)       1 / (1 + exp(-x))
 *     VEC_SOFTPLUS(x)      log(1 + exp(x)), without overflow
 *     VEC_TANH(x), VEC_SINH(x), VEC_COSH(x)
 *     VEC_ERF(x)
 *     VEC_BELL(x)          distribution function of the standard normal, erfc(-x / sqrt(2)) / 2
 *     VEC_BELL_DENSITY(x)  its density, exp(-x^2 / 2) / sqrt(2 pi)
 *     VEC_SIN(x), VEC_COS(x), VEC_TAN(x), VEC_ASIN(x), VEC_ACOS(x), VEC_ATAN(x)
 *     VEC_ATAN2(y, x), VEC_POW(x, y)           as the C library's, also for zeros, infinities and NaN
 *
 * NaN gives NaN, infinities give the limits; results may be denormal. The largest errors against float64, in
 * units of the last place of the result (of the smallest normal number, where the result is below it), over
 * every 37th float (two arguments: over 10^7 random pairs), with fused multiply-add and in brackets without:
 *
 *     exp     0.98 (0.95)    sigmoid  2.4 (2.4)    log2, log10, asin, acos, atan,
 *     expm1   1.1 (1.1)      softplus 1.7 (1.7)    atan2, sinh, cosh, pow    0.51 (0.51)
 *     log     0.80 (0.80)    tanh     1.3 (1.3)    sin, cos                  0.56 (0.56)
 *     log1p   0.87 (0.87)    erf      1.4 (1.4)    tan                       1.4 (1.4)
 *     BELL    6.1 (67 in the lower tail)   BELL_DENSITY 2.7 (65 far out)
 *
 * The functions of the last column are computed in double and rounded once (kernels/vector_math_wide.h); sin,
 * cos and tan of arguments beyond 10^8 are the C library's, as is every function of double.
 *
 * Each function is made of VEC operations in an order that does not depend on where a vector starts: an
 * element has one value whatever its lane, its neighbours and the kernel it is computed in. Where x y + z is
 * to be rounded once, VEC_FMA says so; files that include this forbid the compiler to contract other
 * products.
 */
#include <math.h>

#ifndef CANDELA_KERNELS_VECTOR_MATH_H
#define CANDELA_KERNELS_VECTOR_MATH_H

#define VEC_ABS(x) CDK_AT(vec_abs)(x)
#define VEC_EXP(x) CDK_AT(vec_exp)(x)
#define VEC_EXPM1(x) CDK_AT(vec_expm1)(x)
#define VEC_LOG(x) CDK_AT(vec_log)(x)
#define VEC_LOG2(x) CDK_AT(vec_log2)(x)
#define VEC_LOG10(x) CDK_AT(vec_log10)(x)
#define VEC_LOG1P(x) CDK_AT(vec_log1p)(x)
#define VEC_SIGMOID(x) CDK_AT(vec_sigmoid)(x)
#define VEC_SOFTPLUS(x) CDK_AT(vec_softplus)(x)
#define VEC_TANH(x) CDK_AT(vec_tanh)(x)
#define VEC_SINH(x) CDK_AT(vec_sinh)(x)
#define VEC_COSH(x) CDK_AT(vec_cosh)(x)
#define VEC_ERF(x) CDK_AT(vec_erf)(x)
#define VEC_BELL(x) CDK_AT(vec_bell)(x)
#define VEC_BELL_DENSITY(x) CDK_AT(vec_bell_density)(x)
#define VEC_SIN(x) CDK_AT(vec_sin)(x)
#define VEC_COS(x) CDK_AT(vec_cos)(x)
#define VEC_TAN(x) CDK_AT(vec_tan)(x)
#define VEC_ASIN(x) CDK_AT(vec_asin)(x)
#define VEC_ACOS(x) CDK_AT(vec_acos)(x)
#define VEC_ATAN(x) CDK_AT(vec_atan)(x)
#define VEC_ATAN2(y, x) CDK_AT(vec_atan2)(y, x)
#define VEC_POW(x, y) CDK_AT(vec_pow)(x, y)

/* A number as a vector. */
#define VEC_NUMBER(a) VEC_SET1((VEC_T)(a))

/* 1.5 * 2^23: adding it leaves the nearest integer in the low bits of the mantissa. */
#define VEC_ROUNDER 12582912.0f
#define VEC_ROUNDER_BITS 0x4b400000

/* log(2) in two parts: small integers times the first are exact. */
#define VEC_LOG2_HIGH 0.693359375f
#define VEC_LOG2_LOW -2.12194440e-4f

#define VEC_ROOT_HALF 0.70710678118654752440
#define VEC_ROOT_2PI_INVERSE 0.39894228040143267794

#endif

/* A function of the C library, element by element. */
#define VEC_ELEMENTWISE(name, function)        \
    VEC_INLINE VEC CDK_AT(name)(VEC x)         \
    {                                          \
        VEC_T element[VEC_WIDTH];              \
        VEC_STORE(element, x);                 \
        for (int i = 0; i < VEC_WIDTH; i++) {  \
            element[i] = function(element[i]); \
        }                                      \
        return VEC_LOAD(element);              \
    }

#ifndef VEC_INT

VEC_ELEMENTWISE(vec_abs, fabs)
VEC_ELEMENTWISE(vec_exp, exp)
VEC_ELEMENTWISE(vec_expm1, expm1)
VEC_ELEMENTWISE(vec_log, log)
VEC_ELEMENTWISE(vec_log2, log2)
VEC_ELEMENTWISE(vec_log10, log10)
VEC_ELEMENTWISE(vec_log1p, log1p)
VEC_ELEMENTWISE(vec_tanh, tanh)
VEC_ELEMENTWISE(vec_sinh, sinh)
VEC_ELEMENTWISE(vec_cosh, cosh)
VEC_ELEMENTWISE(vec_erf, erf)
VEC_ELEMENTWISE(vec_sin, sin)
VEC_ELEMENTWISE(vec_cos, cos)
VEC_ELEMENTWISE(vec_tan, tan)
VEC_ELEMENTWISE(vec_asin, asin)
VEC_ELEMENTWISE(vec_acos, acos)
VEC_ELEMENTWISE(vec_atan, atan)

VEC_INLINE VEC CDK_AT(vec_atan2)(VEC y, VEC x)
{
    return atan2(y, x);
}

VEC_INLINE VEC CDK_AT(vec_pow)(VEC x, VEC y)
{
    return pow(x, y);
}

VEC_INLINE VEC CDK_AT(vec_sigmoid)(VEC x)
{
    return 1 / (1 + exp(-x));
}

VEC_INLINE VEC CDK_AT(vec_softplus)(VEC x)
{
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

VEC_INLINE VEC CDK_AT(vec_bell)(VEC x)
{
    return 0.5 * erfc(-VEC_ROOT_HALF * x);
}

VEC_INLINE VEC CDK_AT(vec_bell_density)(VEC x)
{
    return VEC_ROOT_2PI_INVERSE * exp(-0.5 * x * x);
}

#else

VEC_INLINE VEC_INT CDK_AT(vec_sign)(VEC x)
{
    return VEC_BITS(x) & VEC_BITS(VEC_SET1(-0.0f));
}

VEC_INLINE VEC CDK_AT(vec_abs)(VEC x)
{
    return VEC_OF_BITS(VEC_BITS(x) ^ CDK_AT(vec_sign)(x));
}

/* size >= 0 with the sign of x */
VEC_INLINE VEC CDK_AT(vec_with_sign)(VEC size, VEC x)
{
    return VEC_OF_BITS(VEC_BITS(size) | CDK_AT(vec_sign)(x));
}

/* x = n log(2) + r + low, |r| <= log(2) / 2: gives n (and as a float), r, low, which r's rounding has lost,
 * and q = (exp(r) - 1 - r) / r^2, by the polynomial whose largest error in exp(r) is least, 6e-11. */
VEC_INLINE VEC CDK_AT(vec_reduced_exp)(VEC x, VEC_INT *n, VEC *float_n, VEC *r, VEC *low)
{
    VEC shifted = VEC_FMA(x, VEC_SET1(1.44269504f), VEC_SET1(VEC_ROUNDER));
    VEC whole = VEC_SUB(shifted, VEC_SET1(VEC_ROUNDER));
    VEC exact = VEC_FMA(whole, VEC_SET1(-VEC_LOG2_HIGH), x);
    VEC rest = VEC_FMA(whole, VEC_SET1(-VEC_LOG2_LOW), exact);
    VEC q = VEC_SET1(1.979006190e-4f);
    q = VEC_FMA(q, rest, VEC_SET1(1.394494263e-3f));
    q = VEC_FMA(q, rest, VEC_SET1(8.333498792e-3f));
    q = VEC_FMA(q, rest, VEC_SET1(4.166629119e-2f));
    q = VEC_FMA(q, rest, VEC_SET1(1.666666586e-1f));
    *n = VEC_BITS(shifted) - VEC_ROUNDER_BITS;
    *float_n = whole;
    *r = rest;
    *low = VEC_FMA(whole, VEC_SET1(-VEC_LOG2_LOW), VEC_SUB(exact, rest));
    return VEC_FMA(q, rest, VEC_SET1(5.000000069e-1f));
}

/* 2^n, -126 <= n <= 127 */
VEC_INLINE VEC CDK_AT(vec_power_of_two)(VEC_INT n)
{
    return VEC_OF_BITS((n + 127) << 23);
}

/* exp(x), x <= 89. Below the limit the result is 0 already. 2^n comes in two factors, the second of which
 * alone rounds, so that the ends of the range are reached, unless the machine has an instruction for it. */
VEC_INLINE VEC CDK_AT(vec_exp_to_89)(VEC x)
{
    VEC_INT n;
    VEC whole, r, low, q = CDK_AT(vec_reduced_exp)(VEC_MAX(VEC_SET1(-104.0f), x), &n, &whole, &r, &low);
    VEC p = VEC_ADD(VEC_SET1(1.0f), VEC_FMA(VEC_MUL(r, r), q, r));
#ifdef VEC_SCALE
    return VEC_SCALE(p, whole);
#else
    VEC_INT half = n >> 1;
    return VEC_MUL(VEC_MUL(p, CDK_AT(vec_power_of_two)(half)), CDK_AT(vec_power_of_two)(n - half));
#endif
}

/* From 89 on the result is infinite. */
VEC_INLINE VEC CDK_AT(vec_exp)(VEC x)
{
    return CDK_AT(vec_exp_to_89)(VEC_MIN(VEC_SET1(89.0f), x));
}

/* Half of it, 2^(n - 1) - 1/2 + 2^(n - 1) (exp(r + low) - 1), is added up with what rounding loses: the first
 * two terms are exact. Below -25 the result is -1. */
VEC_INLINE VEC CDK_AT(vec_expm1)(VEC x)
{
    VEC_INT n;
    VEC bounded = VEC_MAX(VEC_SET1(-25.0f), VEC_MIN(VEC_SET1(89.0f), x));
    VEC whole, r, low, q = CDK_AT(vec_reduced_exp)(bounded, &n, &whole, &r, &low);
    VEC scale = CDK_AT(vec_power_of_two)(n - 1);
    VEC first = VEC_SUB(scale, VEC_SET1(0.5f)), second = VEC_MUL(scale, r), sum = VEC_ADD(first, second);
    VEC lost = VEC_ADD(VEC_SUB(first, sum), second);
    VEC half = VEC_ADD(sum, VEC_FMA(scale, VEC_FMA(VEC_MUL(r, r), q, low), lost));
    return VEC_SELECT(VEC_GREATER(CDK_AT(vec_abs)(x), VEC_SET1(1e-20f)), VEC_ADD(half, half), x);
}

/* log(1 + f) - f, sqrt(1/2) - 1 <= f <= sqrt(2) - 1; relative to the logarithm the error is below 7.5e-10. */
VEC_INLINE VEC CDK_AT(vec_log_rest)(VEC f)
{
    VEC f2 = VEC_MUL(f, f), p = VEC_SET1(6.746625900e-2f);
    p = VEC_FMA(p, f, VEC_SET1(-1.167563125e-1f));
    p = VEC_FMA(p, f, VEC_SET1(1.188815311e-1f));
    p = VEC_FMA(p, f, VEC_SET1(-1.240558997e-1f));
    p = VEC_FMA(p, f, VEC_SET1(1.421955377e-1f));
    p = VEC_FMA(p, f, VEC_SET1(-1.666799635e-1f));
    p = VEC_FMA(p, f, VEC_SET1(2.000211924e-1f));
    p = VEC_FMA(p, f, VEC_SET1(-2.500000894e-1f));
    p = VEC_FMA(p, f, VEC_SET1(3.333331347e-1f));
    return VEC_FMA(VEC_MUL(f2, f), p, VEC_MUL(VEC_SET1(-0.5f), f2));
}

/* The exponent n of x = 2^n m, sqrt(1/2) <= m < sqrt(2), and m - 1; x is normal. */
VEC_INLINE VEC CDK_AT(vec_split)(VEC x, VEC *fraction)
{
    VEC_INT bits = VEC_BITS(x) & 0x7fffffff, n = (bits - 0x3f3504f3) >> 23;
    *fraction = VEC_SUB(VEC_OF_BITS(bits - (n << 23)), VEC_SET1(1.0f));
    return VEC_SUB(VEC_OF_BITS(n + VEC_ROUNDER_BITS), VEC_SET1(VEC_ROUNDER));
}

/* n log(2) + log(1 + f) + rest: n times the high part of log(2) is exact, and what is lost of its sum with f
 * is added with all that is small. */
VEC_INLINE VEC CDK_AT(vec_log_sum)(VEC n, VEC f, VEC rest)
{
    VEC first = VEC_MUL(n, VEC_SET1(VEC_LOG2_HIGH)), sum = VEC_ADD(first, f);
    VEC lost = VEC_ADD(VEC_SUB(first, sum), f);
    VEC small = VEC_FMA(n, VEC_SET1(VEC_LOG2_LOW), VEC_ADD(CDK_AT(vec_log_rest)(f), rest));
    return VEC_ADD(sum, VEC_ADD(lost, small));
}

/* y where x > 0 is finite, else the logarithm's value at x. */
VEC_INLINE VEC CDK_AT(vec_log_ends)(VEC x, VEC y)
{
    VEC beyond = VEC_SELECT(VEC_GREATER(VEC_ZERO(), x), VEC_SET1(NAN), VEC_SET1(-INFINITY));
    y = VEC_SELECT(VEC_GREATER(x, VEC_ZERO()), y, beyond);
    return VEC_SELECT(VEC_GREATER(VEC_SET1(INFINITY), x), y, x);
}

/* Denormal numbers are scaled by 2^23 first. */
VEC_INLINE VEC CDK_AT(vec_log)(VEC x)
{
    VEC f, limit = VEC_SET1(1.17549435e-38f);
    VEC scaled = VEC_SELECT(VEC_GREATER(limit, x), VEC_MUL(x, VEC_SET1(8388608.0f)), x);
    VEC scale = VEC_SELECT(VEC_GREATER(limit, x), VEC_SET1(-23.0f), VEC_ZERO());
    VEC n = VEC_ADD(CDK_AT(vec_split)(scaled, &f), scale);
    return CDK_AT(vec_log_ends)(x, CDK_AT(vec_log_sum)(n, f, VEC_ZERO()));
}

/* log(u) + lost / u, where u + lost = 1 + x exactly. */
VEC_INLINE VEC CDK_AT(vec_log1p)(VEC x)
{
    const VEC one = VEC_SET1(1.0f);
    VEC f, u = VEC_ADD(one, x), part = VEC_SUB(u, one);
    VEC lost = VEC_ADD(VEC_SUB(x, part), VEC_SUB(one, VEC_SUB(u, part)));
    VEC n = CDK_AT(vec_split)(u, &f), y = CDK_AT(vec_log_sum)(n, f, lost / u);
    y = CDK_AT(vec_log_ends)(u, y);
    return VEC_SELECT(VEC_GREATER(CDK_AT(vec_abs)(x), VEC_SET1(1e-20f)), y, x);
}

/* A polynomial to 0.625, then 1 - 2 / (exp(2 |x|) + 1), which is 1 from 10 on. */
VEC_INLINE VEC CDK_AT(vec_tanh)(VEC x)
{
    const VEC one = VEC_SET1(1.0f), two = VEC_SET1(2.0f);
    VEC size = VEC_MIN(VEC_SET1(10.0f), CDK_AT(vec_abs)(x)), z = VEC_MUL(size, size);
    VEC large = VEC_SUB(one, two / VEC_ADD(one, CDK_AT(vec_exp_to_89)(VEC_ADD(size, size))));
    VEC p = VEC_SET1(2.064665314e-3f);
    p = VEC_FMA(p, z, VEC_SET1(-8.091968484e-3f));
    p = VEC_FMA(p, z, VEC_SET1(2.166634798e-2f));
    p = VEC_FMA(p, z, VEC_SET1(-5.394056439e-2f));
    p = VEC_FMA(p, z, VEC_SET1(1.333315820e-1f));
    p = VEC_FMA(p, z, VEC_SET1(-3.333332837e-1f));
    VEC small = VEC_FMA(VEC_MUL(size, z), p, size);
    return CDK_AT(vec_with_sign)(VEC_SELECT(VEC_GREATER(size, VEC_SET1(0.625f)), large, small), x);
}

/* With e = exp(-|x|), 1 / (1 + e) or e / (1 + e): results may be denormal. */
VEC_INLINE VEC CDK_AT(vec_sigmoid)(VEC x)
{
    const VEC one = VEC_SET1(1.0f);
    VEC e = CDK_AT(vec_exp_to_89)(VEC_OF_BITS(VEC_BITS(x) | VEC_BITS(VEC_SET1(-0.0f))));
    return VEC_SELECT(VEC_GREATER(VEC_ZERO(), x), e, one) / VEC_ADD(one, e);
}

VEC_INLINE VEC CDK_AT(vec_softplus)(VEC x)
{
    VEC e = CDK_AT(vec_exp_to_89)(VEC_OF_BITS(VEC_BITS(x) | VEC_BITS(VEC_SET1(-0.0f))));
    return VEC_ADD(VEC_MAX(VEC_ZERO(), x), CDK_AT(vec_log1p)(e));
}

/* exp(-x^2), where low is what the rounding of x^2 has lost. */
VEC_INLINE VEC CDK_AT(vec_exp_minus_square)(VEC square, VEC low)
{
    VEC e = CDK_AT(vec_exp_to_89)(VEC_SUB(VEC_ZERO(), square));
    return VEC_SUB(e, VEC_MUL(e, low));
}

/* exp(a^2) erfc(a), a >= 0, as a polynomial of t = 1 / (1 + 0.4 a) that is t times another: relative error
 * 6e-9. 0.4 a is given. */
VEC_INLINE VEC CDK_AT(vec_scaled_erfc)(VEC part)
{
    VEC t = VEC_SET1(1.0f) / VEC_ADD(VEC_SET1(1.0f), part), p = VEC_SET1(-2.921323664e-2f);
    p = VEC_FMA(p, t, VEC_SET1(1.404374540e-1f));
    p = VEC_FMA(p, t, VEC_SET1(-2.355077863e-1f));
    p = VEC_FMA(p, t, VEC_SET1(1.375386417e-1f));
    p = VEC_FMA(p, t, VEC_SET1(-4.687898979e-2f));
    p = VEC_FMA(p, t, VEC_SET1(8.390924335e-2f));
    p = VEC_FMA(p, t, VEC_SET1(1.190102324e-1f));
    p = VEC_FMA(p, t, VEC_SET1(1.717389822e-1f));
    p = VEC_FMA(p, t, VEC_SET1(2.076137513e-1f));
    p = VEC_FMA(p, t, VEC_SET1(2.256758660e-1f));
    p = VEC_FMA(p, t, VEC_SET1(2.256758362e-1f));
    return VEC_MUL(p, t);
}

/* erfc(|x|): 0 from 10.1 on. */
VEC_INLINE VEC CDK_AT(vec_erfc_of_size)(VEC x)
{
    VEC size = VEC_MIN(VEC_SET1(11.0f), CDK_AT(vec_abs)(x)), square = VEC_MUL(size, size);
    VEC low = VEC_FMA(size, size, VEC_SUB(VEC_ZERO(), square));
    return VEC_MUL(CDK_AT(vec_exp_minus_square)(square, low),
                   CDK_AT(vec_scaled_erfc)(VEC_MUL(VEC_SET1(0.4f), size)));
}

/* erf(x), |x| <= 1 */
VEC_INLINE VEC CDK_AT(vec_erf_small)(VEC x)
{
    VEC z = VEC_MUL(x, x), p = VEC_SET1(7.853877469e-5f);
    p = VEC_FMA(p, z, VEC_SET1(-8.010198362e-4f));
    p = VEC_FMA(p, z, VEC_SET1(5.188328214e-3f));
    p = VEC_FMA(p, z, VEC_SET1(-2.685381286e-2f));
    p = VEC_FMA(p, z, VEC_SET1(1.128358543e-1f));
    p = VEC_FMA(p, z, VEC_SET1(-3.761262596e-1f));
    p = VEC_FMA(p, z, VEC_SET1(1.283791661e-1f));
    return VEC_FMA(x, p, x);
}

VEC_INLINE VEC CDK_AT(vec_erf)(VEC x)
{
    VEC large = VEC_SUB(VEC_SET1(1.0f), CDK_AT(vec_erfc_of_size)(x));
    VEC is_large = CDK_AT(vec_with_sign)(large, x);
    return VEC_SELECT(VEC_GREATER(CDK_AT(vec_abs)(x), VEC_SET1(1.0f)), is_large, CDK_AT(vec_erf_small)(x));
}

/* exp(-x^2 / 2): 0 from 14.5 on. */
VEC_INLINE VEC CDK_AT(vec_bell_curve)(VEC size)
{
    const VEC half = VEC_SET1(0.5f);
    VEC square = VEC_MUL(size, size), low = VEC_FMA(size, size, VEC_SUB(VEC_ZERO(), square));
    return CDK_AT(vec_exp_minus_square)(VEC_MUL(half, square), VEC_MUL(half, low));
}

VEC_INLINE VEC CDK_AT(vec_bell_size)(VEC x)
{
    return VEC_MIN(VEC_SET1(15.0f), CDK_AT(vec_abs)(x));
}

VEC_INLINE VEC CDK_AT(vec_bell)(VEC x)
{
    VEC size = CDK_AT(vec_bell_size)(x), part = VEC_MUL(VEC_NUMBER(0.4 * VEC_ROOT_HALF), size);
    VEC upper = VEC_MUL(VEC_MUL(VEC_SET1(0.5f), CDK_AT(vec_scaled_erfc)(part)), CDK_AT(vec_bell_curve)(size));
    return VEC_SELECT(VEC_GREATER(x, VEC_ZERO()), VEC_SUB(VEC_SET1(1.0f), upper), upper);
}

VEC_INLINE VEC CDK_AT(vec_bell_density)(VEC x)
{
    return VEC_MUL(VEC_NUMBER(VEC_ROOT_2PI_INVERSE), CDK_AT(vec_bell_curve)(CDK_AT(vec_bell_size)(x)));
}

#include "kernels/vector_math_wide.h"

#endif

#undef VEC_ELEMENTWISE
