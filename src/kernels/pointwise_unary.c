#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/cpu.h"
#include "kernels/pointwise.h"

/* Loops are to become vector code. Floating point exceptions, which nobody reads, would forbid it. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3", "no-trapping-math")
#endif

#if defined(__GNUC__) || defined(__clang__)
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#else
#define ALWAYS_INLINE static inline
#endif

ALWAYS_INLINE float float_of_bits(int32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

ALWAYS_INLINE int32_t bits_of_float(float value)
{
    int32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* 1.5 * 2^23: adding it leaves the nearest integer in the low bits of the mantissa. */
#define ROUNDER 12582912.0f

/* x = n log(2) + r, |r| <= log(2) / 2: gives n, and exp(r) - 1 by its Taylor series, to 2e-8 |r|. log(2) is
 * split in two so that n times its upper part is exact. */
ALWAYS_INLINE float reduced_expm1(float x, int32_t *n)
{
    float shifted = x * 1.44269504f + ROUNDER;
    float whole = shifted - ROUNDER;
    float r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
    float q = 1.0f / 5040;
    q = q * r + 1.0f / 720;
    q = q * r + 1.0f / 120;
    q = q * r + 1.0f / 24;
    q = q * r + 1.0f / 6;
    q = q * r + 0.5f;
    *n = bits_of_float(shifted) - bits_of_float(ROUNDER);
    return r + r * r * q;
}

ALWAYS_INLINE float power_of_two(int32_t n)
{
    return float_of_bits((int32_t)((uint32_t)(n + 127) << 23));
}

/* Beyond the limits the result is 0 or Inf already; a NaN passes through. 2^n is applied in two factors so
 * that the ends of the range are reached. */
ALWAYS_INLINE float exp_f32(float x)
{
    int32_t n;
    float clamped = x > 89.0f ? 89.0f : x;
    clamped = clamped < -104.0f ? -104.0f : clamped;
    float p = 1.0f + reduced_expm1(clamped, &n);
    int32_t half = n >> 1;
    return p * power_of_two(half) * power_of_two(n - half);
}

ALWAYS_INLINE float tanh_f32(float x)
{
    int32_t n;
    float size = fabsf(x) > 10.0f ? 10.0f : fabsf(x);
    float p = reduced_expm1(2 * size, &n);
    float scale = power_of_two(n);
    float expm1_of_2x = scale * p + (scale - 1.0f);
    return copysignf(expm1_of_2x / (expm1_of_2x + 2.0f), x);
}

ALWAYS_INLINE float sigmoid_f32(float x)
{
    return 1.0f / (1.0f + exp_f32(-x));
}

/* x = 2^n m, sqrt(1/2) <= m < sqrt(2): log(m) = 2 atanh(s), s = (m - 1) / (m + 1), by its odd series. */
ALWAYS_INLINE float log_f32(float x)
{
    int tiny = x < 1.17549435e-38f;
    float normal = tiny ? x * 8388608.0f : x;
    int32_t bits = bits_of_float(normal);
    int32_t n = (bits - 0x3f3504f3) >> 23;
    float m = float_of_bits(bits - (int32_t)((uint32_t)n << 23));
    float s = (m - 1.0f) / (m + 1.0f), s2 = s * s;
    float series = 2.0f / 9;
    series = series * s2 + 2.0f / 7;
    series = series * s2 + 2.0f / 5;
    series = series * s2 + 2.0f / 3;
    float exponent = (float)n - (tiny ? 23.0f : 0.0f);
    float y = exponent * 0.693359375f + (2.0f * s + (s * s2 * series - exponent * 2.12194440e-4f));
    y = x == 0.0f ? -INFINITY : y;
    y = x < 0.0f ? NAN : y;
    return x < INFINITY ? y : x;
}

#define DEFINE_UNARY_WITH(target, name, type, expression)                              \
    target static void name(void *y, const void *x, int64_t sy, int64_t sx, int64_t n) \
    {                                                                                  \
        type *dst = y;                                                                 \
        const type *src = x;                                                           \
        if (sy == 1 && sx == 1) {                                                      \
            for (int64_t i = 0; i < n; i++) {                                          \
                const type v = src[i];                                                 \
                dst[i] = (type)(expression);                                           \
            }                                                                          \
            return;                                                                    \
        }                                                                              \
        for (int64_t i = 0; i < n; i++) {                                              \
            const type v = src[i * sx];                                                \
            dst[i * sy] = (type)(expression);                                          \
        }                                                                              \
    }
#define PLAIN
#define DEFINE_UNARY(name, type, expression) DEFINE_UNARY_WITH(PLAIN, name, type, expression)

#define DEFINE_INTEGER(s, type)                  \
    DEFINE_UNARY(neg_##s, type, 0 - (uint64_t)v) \
    DEFINE_UNARY(square_##s, type, (uint64_t)v *(uint64_t)v)
#define DEFINE_SIGNED(s, type)                                         \
    DEFINE_INTEGER(s, type)                                            \
    DEFINE_UNARY(abs_##s, type, v < 0 ? 0 - (uint64_t)v : (uint64_t)v) \
    DEFINE_UNARY(sign_##s, type, (v > 0) - (v < 0))

/* c: suffix of the C library's functions of this type. */
#define DEFINE_FLOAT(s, type, c)                                         \
    DEFINE_UNARY(neg_##s, type, -v)                                      \
    DEFINE_UNARY(sign_##s, type, v != v ? v : (type)((v > 0) - (v < 0))) \
    DEFINE_UNARY(square_##s, type, v *v)                                 \
    DEFINE_UNARY(abs_##s, type, fabs##c(v))                              \
    DEFINE_UNARY(expm1_##s, type, expm1##c(v))                           \
    DEFINE_UNARY(log2_##s, type, log2##c(v))                             \
    DEFINE_UNARY(log10_##s, type, log10##c(v))                           \
    DEFINE_UNARY(log1p_##s, type, log1p##c(v))                           \
    DEFINE_UNARY(sqrt_##s, type, sqrt##c(v))                             \
    DEFINE_UNARY(rsqrt_##s, type, 1 / sqrt##c(v))                        \
    DEFINE_UNARY(reciprocal_##s, type, 1 / v)                            \
    DEFINE_UNARY(sin_##s, type, sin##c(v))                               \
    DEFINE_UNARY(cos_##s, type, cos##c(v))                               \
    DEFINE_UNARY(tan_##s, type, tan##c(v))                               \
    DEFINE_UNARY(asin_##s, type, asin##c(v))                             \
    DEFINE_UNARY(acos_##s, type, acos##c(v))                             \
    DEFINE_UNARY(atan_##s, type, atan##c(v))                             \
    DEFINE_UNARY(sinh_##s, type, sinh##c(v))                             \
    DEFINE_UNARY(cosh_##s, type, cosh##c(v))                             \
    DEFINE_UNARY(erf_##s, type, erf##c(v))                               \
    DEFINE_UNARY(floor_##s, type, floor##c(v))                           \
    DEFINE_UNARY(ceil_##s, type, ceil##c(v))                             \
    DEFINE_UNARY(round_##s, type, nearbyint##c(v))                       \
    DEFINE_UNARY(trunc_##s, type, trunc##c(v))

DEFINE_INTEGER(u8, uint8_t)
DEFINE_UNARY(abs_u8, uint8_t, v)
DEFINE_UNARY(sign_u8, uint8_t, v > 0)
DEFINE_SIGNED(i32, int32_t)
DEFINE_SIGNED(i64, int64_t)
DEFINE_FLOAT(f32, float, f)
DEFINE_FLOAT(f64, double, )
DEFINE_UNARY(exp_f64, double, exp(v))
DEFINE_UNARY(log_f64, double, log(v))
DEFINE_UNARY(tanh_f64, double, tanh(v))
DEFINE_UNARY(sigmoid_f64, double, 1 / (1 + exp(-v)))

#define DEFINE_VECTORISED(target, level)                            \
    DEFINE_UNARY_WITH(target, exp_f32_##level, float, exp_f32(v))   \
    DEFINE_UNARY_WITH(target, log_f32_##level, float, log_f32(v))   \
    DEFINE_UNARY_WITH(target, tanh_f32_##level, float, tanh_f32(v)) \
    DEFINE_UNARY_WITH(target, sigmoid_f32_##level, float, sigmoid_f32(v))

DEFINE_VECTORISED(PLAIN, plain)
#ifdef CD_HAVE_X86_TARGETS
DEFINE_VECTORISED(CD_TARGET_AVX2, avx2)
#endif

#define INTEGER_RUNS(s) \
    [CDK_NEG] = neg_##s, [CDK_ABS] = abs_##s, [CDK_SIGN] = sign_##s, [CDK_SQUARE] = square_##s
#define FLOAT_RUNS(s)                                                                                     \
    INTEGER_RUNS(s),                                                                                      \
        [CDK_EXPM1] = expm1_##s, [CDK_LOG2] = log2_##s, [CDK_LOG10] = log10_##s, [CDK_LOG1P] = log1p_##s, \
        [CDK_SQRT] = sqrt_##s, [CDK_RSQRT] = rsqrt_##s, [CDK_RECIPROCAL] = reciprocal_##s,                \
        [CDK_SIN] = sin_##s, [CDK_COS] = cos_##s, [CDK_TAN] = tan_##s, [CDK_ASIN] = asin_##s,             \
        [CDK_ACOS] = acos_##s, [CDK_ATAN] = atan_##s, [CDK_SINH] = sinh_##s, [CDK_COSH] = cosh_##s,       \
        [CDK_ERF] = erf_##s, [CDK_FLOOR] = floor_##s, [CDK_CEIL] = ceil_##s, [CDK_ROUND] = round_##s,     \
        [CDK_TRUNC] = trunc_##s
#define VECTORISED_RUNS(s) \
    [CDK_EXP] = exp_##s, [CDK_LOG] = log_##s, [CDK_TANH] = tanh_##s, [CDK_SIGMOID] = sigmoid_##s

static const cdk_unary_run runs[CD_DTYPES][CDK_UNARIES] = {
    [CD_UINT8] = {INTEGER_RUNS(u8)},
    [CD_INT32] = {INTEGER_RUNS(i32)},
    [CD_INT64] = {INTEGER_RUNS(i64)},
    [CD_FLOAT32] = {FLOAT_RUNS(f32), VECTORISED_RUNS(f32_plain)},
    [CD_FLOAT64] = {FLOAT_RUNS(f64), VECTORISED_RUNS(f64)},
};

#ifdef CD_HAVE_X86_TARGETS
static const cdk_unary_run avx2_runs[CDK_UNARIES] = {VECTORISED_RUNS(f32_avx2)};
#endif

cdk_unary_run cdk_unary_for(cdk_unary op, cd_dtype type)
{
#ifdef CD_HAVE_X86_TARGETS
    if (type == CD_FLOAT32 && cd_cpu_level() >= CD_CPU_AVX2 && avx2_runs[op] != NULL) {
        return avx2_runs[op];
    }
#endif
    return runs[type][op];
}
