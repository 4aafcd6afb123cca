/* The loops of the losses of single elements (kernels/loss.def) and the table of them, CDK_AT(losses), for
 * one level: included by loss_elements.c after the vectors. */
#include "kernels/vector_math.h"

#include "kernels/elementwise.h"

#define NUMBER VEC_NUMBER
#define FMA VEC_FMA
#define GREATER VEC_GREATER
#define SELECT VEC_SELECT
#define ABS VEC_ABS
#define EXP VEC_EXP
#define LOG VEC_LOG
#define LOG1P VEC_LOG1P
#define SIGMOID VEC_SIGMOID
#define SOFTPLUS VEC_SOFTPLUS

/* y[i] = b times the formula of x[i] and g[i] */
#define LOSS_LOOP(name, formula)                                                          \
    static VEC_TARGET void CDK_AT(name)(const cdk_run *r, int64_t n)                      \
    {                                                                                     \
        const VEC a = VEC_NUMBER(r->a), b = VEC_NUMBER(r->b);                             \
        (void)a;                                                                          \
        for (int64_t i = 0; i < n; i += VEC_WIDTH) {                                      \
            const VEC x = CDK_AT(load_run)(r->x, i, n), g = CDK_AT(load_run)(r->g, i, n); \
            (void)x;                                                                      \
            (void)g;                                                                      \
            CDK_AT(store_run)(r->y, i, n, b * (formula));                                 \
        }                                                                                 \
    }

#define LOSS(name, node, y, dx, dt)   \
    LOSS_LOOP(name##_value, y)        \
    LOSS_LOOP(name##_input_slope, dx) \
    LOSS_LOOP(name##_target_slope, dt)
#include "kernels/loss.def"

#define LOSS(name, ...) \
    [CDK_LOSS_##name] = {CDK_AT(name##_value), CDK_AT(name##_input_slope), CDK_AT(name##_target_slope)},
static const cdk_loss CDK_AT(losses)[CDK_LOSSES] = {
#include "kernels/loss.def"
};

#undef LOSS_LOOP
#undef NUMBER
#undef FMA
#undef GREATER
#undef SELECT
#undef ABS
#undef EXP
#undef LOG
#undef LOG1P
#undef SIGMOID
#undef SOFTPLUS
