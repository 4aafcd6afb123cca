#include "kernels/levels.h"
CDK_EXACT

#include <math.h>
#include <stddef.h>

#include "kernels/pointwise.h"

#define CDK_FORMULAS "kernels/unary.def"
#define CDK_TEMPLATE "kernels/formula_template.h"
#define CDK_WITH_AVX512
#include "kernels/each_level.h"
#include "kernels/vec_double.h"

#include "kernels/formula_template.h"

/* ---- integers ---- */

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

DEFINE_INTEGER(u8, uint8_t)
DEFINE_UNARY(abs_u8, uint8_t, v)
DEFINE_UNARY(sign_u8, uint8_t, v > 0)
DEFINE_SIGNED(i32, int32_t)
DEFINE_SIGNED(i64, int64_t)

#define INTEGER_RUNS(s) \
    [CDK_NEG] = neg_##s, [CDK_ABS] = abs_##s, [CDK_SIGN] = sign_##s, [CDK_SQUARE] = square_##s

static const cdk_unary_run integer_runs[CD_DTYPES][CDK_UNARIES] = {
    [CD_UINT8] = {INTEGER_RUNS(u8)},
    [CD_INT32] = {INTEGER_RUNS(i32)},
    [CD_INT64] = {INTEGER_RUNS(i64)},
};

cdk_unary_run cdk_unary_for(cdk_unary op, cd_dtype type)
{
    return integer_runs[type][op];
}

/* ---- floats ---- */

static cdk_formula_pair formulas_of(cdk_unary op, cd_dtype type)
{
    return cdk_formula_pair_for(type, CDK_FOR_CPU_512(formulas), formulas_f64, op);
}

cdk_formula *cdk_unary_formula(cdk_unary op, cd_dtype type)
{
    return formulas_of(op, type).value;
}

cdk_formula *cdk_unary_gradient(cdk_unary op, cd_dtype type)
{
    return formulas_of(op, type).gradient;
}
