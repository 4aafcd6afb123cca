#include "kernels/levels.h"
CDK_EXACT

#include <math.h>
#include <stddef.h>

#include "kernels/pointwise.h"

#define CDK_TEMPLATE "kernels/pointwise_unary_template.h"
#include "kernels/each_level.h"
#include "kernels/vec_double.h"

#include "kernels/pointwise_unary_template.h"

#define DEFINE_UNARY(name, type, expression)                                    \
    static void name(void *y, const void *x, int64_t sy, int64_t sx, int64_t n) \
    {                                                                           \
        type *dst = y;                                                          \
        const type *src = x;                                                    \
        if (sy == 1 && sx == 1) {                                               \
            for (int64_t i = 0; i < n; i++) {                                   \
                const type v = src[i];                                          \
                dst[i] = (type)(expression);                                    \
            }                                                                   \
            return;                                                             \
        }                                                                       \
        for (int64_t i = 0; i < n; i++) {                                       \
            const type v = src[i * sx];                                         \
            dst[i * sy] = (type)(expression);                                   \
        }                                                                       \
    }

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

static const cdk_unary_run runs[CD_DTYPES][CDK_UNARIES] = {
    [CD_UINT8] = {INTEGER_RUNS(u8)},  [CD_INT32] = {INTEGER_RUNS(i32)}, [CD_INT64] = {INTEGER_RUNS(i64)},
    [CD_FLOAT32] = {FLOAT_RUNS(f32)}, [CD_FLOAT64] = {FLOAT_RUNS(f64)},
};

cdk_unary_run cdk_unary_for(cdk_unary op, cd_dtype type)
{
    const cdk_unary_run *vectorised = type == CD_FLOAT32   ? CDK_FOR_CPU(vectorised)
                                      : type == CD_FLOAT64 ? vectorised_f64
                                                           : NULL;
    return vectorised != NULL && vectorised[op] != NULL ? vectorised[op] : runs[type][op];
}
