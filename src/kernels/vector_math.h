/* exp, log and their kin on vectors: included by a template once for each level, after the vectors.
 *
 *     VEC_EXP(x)      0 below -103.98, denormal below -87.34, infinite above 88.72
 *     VEC_EXPM1(x)    exp(x) - 1
 *     VEC_LOG(x)      NaN below 0, -Inf at 0
 *     VEC_TANH(x)
 *     VEC_SIGMOID(x)  1 / (1 + exp(-x))
 *     VEC_LOG1P(x), VEC_ERF(x)
 *
 * NaN gives NaN, infinities give the limits. Float errors against float64, largest of every 37th float, in units of
 * the last place of the result, with fused multiply-add and (in brackets) without:
 *
 *     exp 0.98 (0.95)   log 1.93 (1.93)   tanh 2.39 (2.41)   sigmoid 2.34 (2.34)
 *
 * expm1, log1p and erf call the C library element by element, as does every function of double.
 *
 * Each function is made of VEC operations in an order that does not depend on where a vector starts: an element
 * has one value whatever its lane, its neighbours and the kernel it is computed in. Where x y + z is to be
 * rounded once, VEC_FMA says so; files that include this forbid the compiler to contract other products.
 */
#include <math.h>

#ifndef CANDELA_KERNELS_VECTOR_MATH_H
#define CANDELA_KERNELS_VECTOR_MATH_H

#define VEC_EXP(x) CDK_AT(vec_exp)(x)
#define VEC_EXPM1(x) CDK_AT(vec_expm1)(x)
#define VEC_LOG(x) CDK_AT(vec_log)(x)
#define VEC_TANH(x) CDK_AT(vec_tanh)(x)
#define VEC_SIGMOID(x) CDK_AT(vec_sigmoid)(x)
#define VEC_LOG1P(x) CDK_AT(vec_log1p)(x)
#define VEC_ERF(x) CDK_AT(vec_erf)(x)

/* A number as a vector. */
#define VEC_NUMBER(a) VEC_SET1((VEC_T)(a))

/* 1.5 * 2^23: adding it leaves the nearest integer in the low bits of the mantissa. */
#define VEC_ROUNDER 12582912.0f
#define VEC_ROUNDER_BITS 0x4b400000

/* log(2) in two parts: small integers times the first are exact. */
#define VEC_LOG2_HIGH 0.693359375f
#define VEC_LOG2_LOW -2.12194440e-4f

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

VEC_ELEMENTWISE(vec_exp, exp)
VEC_ELEMENTWISE(vec_expm1, expm1)
VEC_ELEMENTWISE(vec_log, log)
VEC_ELEMENTWISE(vec_tanh, tanh)
VEC_ELEMENTWISE(vec_log1p, log1p)
VEC_ELEMENTWISE(vec_erf, erf)

VEC_INLINE VEC CDK_AT(vec_sigmoid)(VEC x)
{
    return 1 / (1 + exp(-x));
}

#else

VEC_ELEMENTWISE(vec_expm1, expm1f)
VEC_ELEMENTWISE(vec_log1p, log1pf)
VEC_ELEMENTWISE(vec_erf, erff)

/* x = n log(2) + r, |r| <= log(2) / 2: gives n, r and q = (exp(r) - 1 - r) / r^2, by the polynomial whose largest
 * error in exp(r) is least, 6e-11. */
VEC_INLINE VEC CDK_AT(vec_reduced_exp)(VEC x, VEC_INT *n, VEC *r)
{
    VEC shifted = VEC_FMA(x, VEC_SET1(1.44269504f), VEC_SET1(VEC_ROUNDER));
    VEC whole = VEC_SUB(shifted, VEC_SET1(VEC_ROUNDER));
    VEC rest = VEC_FMA(whole, VEC_SET1(-VEC_LOG2_HIGH), x);
    rest = VEC_FMA(whole, VEC_SET1(-VEC_LOG2_LOW), rest);
    VEC q = VEC_SET1(1.979006190e-4f);
    q = VEC_FMA(q, rest, VEC_SET1(1.394494263e-3f));
    q = VEC_FMA(q, rest, VEC_SET1(8.333498792e-3f));
    q = VEC_FMA(q, rest, VEC_SET1(4.166629119e-2f));
    q = VEC_FMA(q, rest, VEC_SET1(1.666666586e-1f));
    *n = VEC_BITS(shifted) - VEC_ROUNDER_BITS;
    *r = rest;
    return VEC_FMA(q, rest, VEC_SET1(5.000000069e-1f));
}

/* 2^n, -126 <= n <= 127 */
VEC_INLINE VEC CDK_AT(vec_power_of_two)(VEC_INT n)
{
    return VEC_OF_BITS((n + 127) << 23);
}

/* exp(x), x <= 89. Below the limit the result is 0 already. 2^n comes in two factors, the second of which alone
 * rounds, so that the ends of the range are reached. */
VEC_INLINE VEC CDK_AT(vec_exp_to_89)(VEC x)
{
    VEC_INT n;
    VEC r, q = CDK_AT(vec_reduced_exp)(VEC_MAX(VEC_SET1(-104.0f), x), &n, &r);
    VEC p = VEC_ADD(VEC_SET1(1.0f), VEC_FMA(VEC_MUL(r, r), q, r));
    VEC_INT half = n >> 1;
    return VEC_MUL(VEC_MUL(p, CDK_AT(vec_power_of_two)(half)), CDK_AT(vec_power_of_two)(n - half));
}

/* From 89 on the result is infinite. */
VEC_INLINE VEC CDK_AT(vec_exp)(VEC x)
{
    return CDK_AT(vec_exp_to_89)(VEC_MIN(VEC_SET1(89.0f), x));
}

/* x = 2^n m, sqrt(1/2) <= m < sqrt(2): log(m) = 2 atanh(s), s = (m - 1) / (m + 1), by its odd series. */
VEC_INLINE VEC CDK_AT(vec_log)(VEC x)
{
    const VEC zero = VEC_ZERO(), one = VEC_SET1(1.0f);
    VEC scaled = VEC_MUL(x, VEC_SET1(8388608.0f)), limit = VEC_SET1(1.17549435e-38f);
    VEC_INT bits = VEC_BITS(VEC_SELECT(VEC_GREATER(limit, x), scaled, x)) & 0x7fffffff;
    VEC scale = VEC_SELECT(VEC_GREATER(limit, x), VEC_SET1(-23.0f), zero);
    VEC_INT n = (bits - 0x3f3504f3) >> 23;
    VEC m = VEC_OF_BITS(bits - (n << 23));
    VEC exponent = VEC_ADD(VEC_SUB(VEC_OF_BITS(n + VEC_ROUNDER_BITS), VEC_SET1(VEC_ROUNDER)), scale);
    VEC s = VEC_SUB(m, one) / VEC_ADD(m, one), s2 = VEC_MUL(s, s);
    VEC series = VEC_SET1(2.0f / 9);
    series = VEC_FMA(series, s2, VEC_SET1(2.0f / 7));
    series = VEC_FMA(series, s2, VEC_SET1(2.0f / 5));
    series = VEC_FMA(series, s2, VEC_SET1(2.0f / 3));
    VEC rest = VEC_FMA(VEC_MUL(s, s2), series, VEC_MUL(exponent, VEC_SET1(VEC_LOG2_LOW)));
    VEC y = VEC_FMA(exponent, VEC_SET1(VEC_LOG2_HIGH), VEC_FMA(VEC_SET1(2.0f), s, rest));
    VEC beyond = VEC_SELECT(VEC_GREATER(zero, x), VEC_SET1(NAN), VEC_SET1(-INFINITY));
    y = VEC_SELECT(VEC_GREATER(x, zero), y, beyond);
    return VEC_SELECT(VEC_GREATER(VEC_SET1(INFINITY), x), y, x);
}

/* With t = exp(2 |x|) - 1, tanh(|x|) = t / (t + 2); it is 1 from 10 on. */
VEC_INLINE VEC CDK_AT(vec_tanh)(VEC x)
{
    VEC_INT n, sign = VEC_BITS(x) & VEC_BITS(VEC_SET1(-0.0f));
    VEC size = VEC_MIN(VEC_SET1(10.0f), VEC_OF_BITS(VEC_BITS(x) ^ sign));
    VEC r, q = CDK_AT(vec_reduced_exp)(VEC_ADD(size, size), &n, &r), scale = CDK_AT(vec_power_of_two)(n);
    VEC t = VEC_FMA(scale, VEC_FMA(VEC_MUL(r, r), q, r), VEC_SUB(scale, VEC_SET1(1.0f)));
    return VEC_OF_BITS(VEC_BITS(t / VEC_ADD(t, VEC_SET1(2.0f))) | sign);
}

/* With e = exp(-|x|), 1 / (1 + e) or e / (1 + e): results may be denormal. */
VEC_INLINE VEC CDK_AT(vec_sigmoid)(VEC x)
{
    const VEC one = VEC_SET1(1.0f);
    VEC e = CDK_AT(vec_exp_to_89)(VEC_OF_BITS(VEC_BITS(x) | VEC_BITS(VEC_SET1(-0.0f))));
    return VEC_SELECT(VEC_GREATER(VEC_ZERO(), x), e, one) / VEC_ADD(one, e);
}

#endif

#undef VEC_ELEMENTWISE
