/* The loops of the formulas in CDK_FORMULAS and the table of them, CDK_AT(formulas), for one level: included
 * after the vectors. */
#include "kernels/vector_math.h"

#include "kernels/elementwise.h"

#define NUMBER VEC_NUMBER
#define FMA VEC_FMA
#define GREATER VEC_GREATER
#define EQUAL VEC_EQUAL
#define SELECT VEC_SELECT
#define ABS VEC_ABS
#define EXP VEC_EXP
#define EXPM1 VEC_EXPM1
#define LOG VEC_LOG
#define LOG2 VEC_LOG2
#define LOG10 VEC_LOG10
#define LOG1P VEC_LOG1P
#define SQRT VEC_SQRT
#define SIN VEC_SIN
#define COS VEC_COS
#define TAN VEC_TAN
#define ASIN VEC_ASIN
#define ACOS VEC_ACOS
#define ATAN VEC_ATAN
#define SINH VEC_SINH
#define COSH VEC_COSH
#define TANH VEC_TANH
#define SIGMOID VEC_SIGMOID
#define SOFTPLUS VEC_SOFTPLUS
#define ERF VEC_ERF
#define BELL VEC_BELL
#define BELL_DENSITY VEC_BELL_DENSITY
#define FLOOR VEC_FLOOR
#define CEIL VEC_CEIL
#define TRUNC VEC_TRUNC
#define NEAREST VEC_NEAREST

/* y[i] = the formula of x[i] */
#define VALUE(name, formula)                                                 \
    static VEC_TARGET void CDK_AT(name##_value)(const cdk_run *r, int64_t n) \
    {                                                                        \
        const VEC a = VEC_NUMBER(r->a), b = VEC_NUMBER(r->b);                \
        (void)a;                                                             \
        (void)b;                                                             \
        for (int64_t i = 0; i < n; i += VEC_WIDTH) {                         \
            const VEC x = CDK_AT(load_run)(r->x, i, n);                      \
            CDK_AT(store_run)(r->y, i, n, formula);                          \
        }                                                                    \
    }

/* dx[i] = the formula of g[i] and of x[i] or y[i], whichever the operator keeps */
#define GRADIENT(name, formula)                                                           \
    static VEC_TARGET void CDK_AT(name##_gradient)(const cdk_run *r, int64_t n)           \
    {                                                                                     \
        const VEC a = VEC_NUMBER(r->a), b = VEC_NUMBER(r->b);                             \
        (void)a;                                                                          \
        (void)b;                                                                          \
        for (int64_t i = 0; i < n; i += VEC_WIDTH) {                                      \
            const VEC x = CDK_AT(load_run)(r->x, i, n), g = CDK_AT(load_run)(r->g, i, n); \
            const VEC y = x;                                                              \
            (void)y;                                                                      \
            CDK_AT(store_run)(r->y, i, n, formula);                                       \
        }                                                                                 \
    }

#define RECTIFIER(name, node, y) VALUE(name, y)
#define ACTIVATION(name, node, y, dx) VALUE(name, y) GRADIENT(name, dx)
#define UNARY(name, kernel, node, keeps, type, y, dx) VALUE(name, y) GRADIENT(name, dx)
#include CDK_FORMULAS
#undef RECTIFIER
#undef ACTIVATION
#undef UNARY

#define RECTIFIER(name, ...) [CDK_FUNCTION_##name] = {CDK_AT(name##_value), NULL},
#define ACTIVATION(name, ...) [CDK_FUNCTION_##name] = {CDK_AT(name##_value), CDK_AT(name##_gradient)},
#define UNARY(name, kernel, ...) [CDK_##kernel] = {CDK_AT(name##_value), CDK_AT(name##_gradient)},
static const cdk_formula_pair CDK_AT(formulas)[] = {
#include CDK_FORMULAS
};
#undef RECTIFIER
#undef ACTIVATION
#undef UNARY

#undef VALUE
#undef GRADIENT
#undef NUMBER
#undef FMA
#undef GREATER
#undef EQUAL
#undef SELECT
#undef ABS
#undef EXP
#undef EXPM1
#undef LOG
#undef LOG2
#undef LOG10
#undef LOG1P
#undef SQRT
#undef SIN
#undef COS
#undef TAN
#undef ASIN
#undef ACOS
#undef ATAN
#undef SINH
#undef COSH
#undef TANH
#undef SIGMOID
#undef SOFTPLUS
#undef ERF
#undef BELL
#undef BELL_DENSITY
#undef FLOOR
#undef CEIL
#undef TRUNC
#undef NEAREST
