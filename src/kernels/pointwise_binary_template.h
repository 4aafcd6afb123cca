/* The vectorised functions of two float arguments for one level: included by pointwise_binary.c after the
 * vectors. */
#include "kernels/vector_math.h"

#include "kernels/elementwise.h"

/* y = f(x, g), for cdk_run_formula() */
#define DEFINE_OF_TWO(name, function)                                                     \
    static VEC_TARGET void CDK_AT(name)(const cdk_run *r, int64_t n)                      \
    {                                                                                     \
        for (int64_t i = 0; i < n; i += VEC_WIDTH) {                                      \
            const VEC a = CDK_AT(load_run)(r->x, i, n), b = CDK_AT(load_run)(r->g, i, n); \
            CDK_AT(store_run)(r->y, i, n, function(a, b));                                \
        }                                                                                 \
    }

DEFINE_OF_TWO(pow_f32, VEC_POW)
DEFINE_OF_TWO(atan2_f32, VEC_ATAN2)

#undef DEFINE_OF_TWO
