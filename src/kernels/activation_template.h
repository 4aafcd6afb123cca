/* The loops of the activations (kernels/activation.def) and the table of them, CDK_AT(activations), for one level:
 * included by activation.c after the vectors. */
#include "kernels/vector_math.h"

#include "kernels/elementwise.h"

#define NUMBER VEC_NUMBER
#define FMA VEC_FMA
#define GREATER VEC_GREATER
#define SELECT VEC_SELECT
#define EXP VEC_EXP
#define EXPM1 VEC_EXPM1
#define LOG1P VEC_LOG1P
#define ERF VEC_ERF
#define SIGMOID VEC_SIGMOID

/* y[i] = the formula of x[i] */
#define RECTIFIER(name, node, y)                                                                    \
    static VEC_TARGET void CDK_AT(name##_forward)(void *out, const activation_input *in, int64_t n) \
    {                                                                                               \
        const VEC a = VEC_NUMBER(in->a), b = VEC_NUMBER(in->b);                                     \
        (void)a;                                                                                    \
        (void)b;                                                                                    \
        for (int64_t i = 0; i < n; i += VEC_WIDTH) {                                                \
            const VEC x = CDK_AT(load_run)(in->x, i, n);                                            \
            CDK_AT(store_run)(out, i, n, y);                                                        \
        }                                                                                           \
    }

/* and dx[i] = the formula of x[i] and dy[i] */
#define ACTIVATION(name, node, y, dx)                                                                \
    RECTIFIER(name, node, y)                                                                         \
    static VEC_TARGET void CDK_AT(name##_backward)(void *out, const activation_input *in, int64_t n) \
    {                                                                                                \
        const VEC a = VEC_NUMBER(in->a), b = VEC_NUMBER(in->b);                                      \
        (void)a;                                                                                     \
        (void)b;                                                                                     \
        for (int64_t i = 0; i < n; i += VEC_WIDTH) {                                                 \
            const VEC x = CDK_AT(load_run)(in->x, i, n), g = CDK_AT(load_run)(in->dy, i, n);         \
            CDK_AT(store_run)(out, i, n, dx);                                                        \
        }                                                                                            \
    }
#include "kernels/activation.def"

#define RECTIFIER(name, node, y) [CDK_FUNCTION_##name] = {CDK_AT(name##_forward), NULL},
#define ACTIVATION(name, node, y, dx) \
    [CDK_FUNCTION_##name] = {CDK_AT(name##_forward), CDK_AT(name##_backward)},
static const activation_kernels CDK_AT(activations)[CDK_FUNCTIONS] = {
#include "kernels/activation.def"
};

#undef NUMBER
#undef FMA
#undef GREATER
#undef SELECT
#undef EXP
#undef EXPM1
#undef LOG1P
#undef ERF
#undef SIGMOID
