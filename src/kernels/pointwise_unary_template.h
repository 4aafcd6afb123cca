/* The vectorised functions of one float argument for one level: included by pointwise_unary.c after the vectors. */
#include "kernels/vector_math.h"

#include "kernels/elementwise.h"

/* n elements that lie s apart, at most as many as a vector has. */
VEC_INLINE VEC CDK_AT(gather)(const VEC_T *p, int64_t s, int64_t n)
{
    VEC_T element[VEC_WIDTH] = {0};
    for (int64_t i = 0; i < VEC_WIDTH && i < n; i++) {
        element[i] = p[i * s];
    }
    return VEC_LOAD(element);
}

VEC_INLINE void CDK_AT(scatter)(VEC_T *p, int64_t s, int64_t n, VEC v)
{
    VEC_T element[VEC_WIDTH];
    VEC_STORE(element, v);
    for (int64_t i = 0; i < VEC_WIDTH && i < n; i++) {
        p[i * s] = element[i];
    }
}

#define DEFINE_VECTORISED(name, function)                                                                \
    static VEC_TARGET void CDK_AT(name)(void *y, const void *x, int64_t sy, int64_t sx, int64_t n)       \
    {                                                                                                    \
        VEC_T *out = y;                                                                                  \
        const VEC_T *in = x;                                                                             \
        for (int64_t i = 0; i < n; i += VEC_WIDTH) {                                                     \
            const VEC v =                                                                                \
                function(sx == 1 ? CDK_AT(load_run)(in, i, n) : CDK_AT(gather)(in + i * sx, sx, n - i)); \
            if (sy == 1) {                                                                               \
                CDK_AT(store_run)(out, i, n, v);                                                         \
            } else {                                                                                     \
                CDK_AT(scatter)(out + i * sy, sy, n - i, v);                                             \
            }                                                                                            \
        }                                                                                                \
    }

DEFINE_VECTORISED(vectorised_exp, VEC_EXP)
DEFINE_VECTORISED(vectorised_log, VEC_LOG)
DEFINE_VECTORISED(vectorised_tanh, VEC_TANH)
DEFINE_VECTORISED(vectorised_sigmoid, VEC_SIGMOID)

static const cdk_unary_run CDK_AT(vectorised)[CDK_UNARIES] = {
    [CDK_EXP] = CDK_AT(vectorised_exp),
    [CDK_LOG] = CDK_AT(vectorised_log),
    [CDK_TANH] = CDK_AT(vectorised_tanh),
    [CDK_SIGMOID] = CDK_AT(vectorised_sigmoid),
};

#undef DEFINE_VECTORISED
