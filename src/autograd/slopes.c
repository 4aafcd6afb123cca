/* Derivatives of functions of single elements as formulas of operators, for gradients of gradients.
 * kernels/unary.def, activation.def and loss.def have the same ones as formulas of vectors. */
#include <stddef.h>

#include "autograd/second.h"

/* What a formula may use: the input x, the result y, and the parameters a and b, 0 where there are fewer.
 * Which of x and y there is, keeps tells. */
typedef struct {
    cd_expr *e;
    cd_tensor *x, *y;
    double a, b;
} slope_of;

#define ADD(u, v) cd_expr_add(s->e, u, v)
#define SUB(u, v) cd_expr_sub(s->e, u, v)
#define MUL(u, v) cd_expr_mul(s->e, u, v)
#define DIV(u, v) cd_expr_div(s->e, u, v)
#define TIMES(u, n) cd_expr_times(s->e, u, n)
#define PLUS(u, n) cd_expr_plus(s->e, u, n)
#define OF(op, u) cd_expr1(s->e, CD_OP_##op, u)
#define INVERSE(u) OF(reciprocal, u)
#define ONE_MINUS(u) PLUS(TIMES(u, -1), 1)
#define ABOVE(u, n) cd_expr2n(s->e, CD_OP_gt, u, n)
#define NUMBER(n) cd_expr_number(s->e, n)
#define IF(condition, u, v) cd_expr_where(s->e, condition, u, v)
#define X s->x
#define Y s->y

#define SLOPE(name, formula)                          \
    static cd_tensor *slope_##name(const slope_of *s) \
    {                                                 \
        return formula;                               \
    }

SLOPE(square, TIMES(X, 2))
SLOPE(exp, Y)
SLOPE(expm1, PLUS(Y, 1))
SLOPE(log, INVERSE(X))
SLOPE(log2, INVERSE(TIMES(X, 0.69314718055994530942)))
SLOPE(log10, INVERSE(TIMES(X, 2.30258509299404568402)))
SLOPE(log1p, INVERSE(PLUS(X, 1)))
SLOPE(sqrt, INVERSE(TIMES(Y, 2)))
SLOPE(rsqrt, TIMES(MUL(Y, MUL(Y, Y)), -0.5))
SLOPE(reciprocal, TIMES(MUL(Y, Y), -1))
SLOPE(sin, OF(cos, X))
SLOPE(cos, TIMES(OF(sin, X), -1))
SLOPE(tan, PLUS(MUL(Y, Y), 1))
SLOPE(asin, OF(rsqrt, ONE_MINUS(MUL(X, X))))
SLOPE(acos, TIMES(OF(rsqrt, ONE_MINUS(MUL(X, X))), -1))
SLOPE(atan, INVERSE(PLUS(MUL(X, X), 1)))
SLOPE(sinh, OF(cosh, X))
SLOPE(cosh, OF(sinh, X))
SLOPE(tanh, ONE_MINUS(MUL(Y, Y)))
SLOPE(sigmoid, MUL(Y, ONE_MINUS(Y)))
SLOPE(erf, TIMES(OF(exp, TIMES(MUL(X, X), -1)), 1.12837916709551257390))

/* What comes where x is not above 0 is computed of what is not above 0, so that it is finite elsewhere. */
static cd_tensor *lower(const slope_of *s)
{
    return IF(ABOVE(X, 0), NUMBER(0), X);
}

SLOPE(tanhshrink, cd_expr1(s->e, CD_OP_square, OF(tanh, X)))
SLOPE(softsign, OF(reciprocal, OF(square, PLUS(OF(abs, X), 1))))
SLOPE(elu, IF(ABOVE(X, 0), NUMBER(1), TIMES(OF(exp, lower(s)), s->a)))
SLOPE(selu, TIMES(IF(ABOVE(X, 0), NUMBER(1), TIMES(OF(exp, lower(s)), 1.6732632423543772848170429916717)),
                  1.0507009873554804934193349852946))
SLOPE(celu, IF(ABOVE(X, 0), NUMBER(1), OF(exp, TIMES(lower(s), 1 / s->a))))
SLOPE(log_sigmoid, OF(sigmoid, TIMES(X, -1)))
SLOPE(softplus, IF(ABOVE(TIMES(X, s->a), s->b), NUMBER(1), OF(sigmoid, TIMES(X, s->a))))
SLOPE(hardswish, IF(ABOVE(X, -3), IF(ABOVE(X, 3), NUMBER(1), PLUS(TIMES(X, 1.0 / 3), 0.5)), NUMBER(0)))

static cd_tensor *slope_silu(const slope_of *s)
{
    cd_tensor *gate = OF(sigmoid, X);
    return MUL(gate, PLUS(MUL(X, ONE_MINUS(gate)), 1));
}

/* Phi(x) + x phi(x) */
static cd_tensor *slope_gelu(const slope_of *s)
{
    cd_tensor *bell = TIMES(PLUS(OF(erf, TIMES(X, 0.70710678118654752440)), 1), 0.5);
    cd_tensor *density = TIMES(OF(exp, TIMES(MUL(X, X), -0.5)), 0.39894228040143267794);
    return ADD(bell, MUL(X, density));
}

/* y = x g with the gate g = (1 + tanh(u)) / 2, u = c (x + k x^3) */
static cd_tensor *slope_gelu_tanh(const slope_of *s)
{
    cd_tensor *squares = MUL(X, X);
    cd_tensor *u = TIMES(MUL(X, PLUS(TIMES(squares, 0.044715), 1)), 0.79788456080286535588);
    cd_tensor *du = TIMES(PLUS(TIMES(squares, 0.134145), 1), 0.79788456080286535588);
    cd_tensor *t = OF(tanh, u);
    cd_tensor *gate = TIMES(PLUS(t, 1), 0.5), *dgate = MUL(TIMES(ONE_MINUS(MUL(t, t)), 0.5), du);
    return ADD(gate, MUL(X, dgate));
}

/* y = x t with t = tanh(log(1 + exp(x))) */
static cd_tensor *slope_mish(const slope_of *s)
{
    cd_tensor *soft = TIMES(OF(log_sigmoid, TIMES(X, -1)), -1);
    cd_tensor *t = OF(tanh, soft);
    return ADD(t, MUL(X, MUL(ONE_MINUS(MUL(t, t)), OF(sigmoid, X))));
}

typedef cd_tensor *slope_formula(const slope_of *s);

#define HAS(name) [CD_OP_##name] = slope_##name
static slope_formula *const slopes[CD_OPS] = {
    HAS(square),   HAS(exp),         HAS(expm1),   HAS(log),        HAS(log2), HAS(log10),
    HAS(log1p),    HAS(sqrt),        HAS(rsqrt),   HAS(reciprocal), HAS(sin),  HAS(cos),
    HAS(tan),      HAS(asin),        HAS(acos),    HAS(atan),       HAS(sinh), HAS(cosh),
    HAS(tanh),     HAS(sigmoid),     HAS(erf),     HAS(elu),        HAS(selu), HAS(celu),
    HAS(softplus), HAS(log_sigmoid), HAS(silu),    HAS(hardswish),  HAS(gelu), HAS(gelu_tanh),
    HAS(mish),     HAS(tanhshrink),  HAS(softsign)};

/* Slopes that are constant but for jumps. */
static const bool constant[CD_OPS] = {
    [CD_OP_neg] = true,         [CD_OP_abs] = true,        [CD_OP_sign] = true,
    [CD_OP_floor] = true,       [CD_OP_ceil] = true,       [CD_OP_round] = true,
    [CD_OP_trunc] = true,       [CD_OP_hardtanh] = true,   [CD_OP_leaky_relu] = true,
    [CD_OP_hardsigmoid] = true, [CD_OP_hardshrink] = true, [CD_OP_softshrink] = true,
    [CD_OP_threshold] = true};

cd_status cd_second_by_slope(cd_gradient *g, cd_error *err)
{
    const cd_op_id id = cd_op_id_of(g->op);
    if (slopes[id] == NULL) {
        return constant[id] ? cd_second_scaled(g, err) : cd_second_once(g, err);
    }
    cd_expr e = cd_expr_begin(err);
    const slope_of s = {&e, g->in[0], g->out[0], g->n_attr > 0 ? g->attr[0] : 0,
                        g->n_attr > 1 ? g->attr[1] : 0};
    cd_expr_give(&e, g, 0, cd_expr_mul(&e, g->dy[0], slopes[id](&s)));
    return cd_expr_end(&e);
}

/* ---- losses: x, the target t and the parameter a ---- */

#define T s->y
#define DIFFERENCE SUB(X, T)
#define WITHIN(u, n) cd_expr_op(s->e, CD_OP_clamp, 1, (cd_tensor *[]){u}, 2, (const double[]){-(n), n})
/* x (1 - x), not below 1e-12; logarithms not below -100 */
#define SPREAD cd_expr2n(s->e, CD_OP_maximum, MUL(X, ONE_MINUS(X)), 1e-12)
#define NOT_BELOW(u) cd_expr2n(s->e, CD_OP_maximum, u, -100)
#define HAS_TARGET(u) IF(ABOVE(OF(abs, T), 0), u, NUMBER(0))

#define LOSS_SLOPE(name, by_x, by_t)                 \
    static cd_tensor *of_x_##name(const slope_of *s) \
    {                                                \
        return by_x;                                 \
    }                                                \
    static cd_tensor *of_t_##name(const slope_of *s) \
    {                                                \
        return by_t;                                 \
    }

LOSS_SLOPE(mse_loss, TIMES(DIFFERENCE, 2), TIMES(DIFFERENCE, -2))
LOSS_SLOPE(l1_loss, OF(sign, DIFFERENCE), TIMES(OF(sign, DIFFERENCE), -1))
LOSS_SLOPE(huber_loss, WITHIN(DIFFERENCE, s->a), TIMES(WITHIN(DIFFERENCE, s->a), -1))
LOSS_SLOPE(smooth_l1_loss, TIMES(WITHIN(DIFFERENCE, s->a), 1 / s->a),
           TIMES(WITHIN(DIFFERENCE, s->a), -1 / s->a))
LOSS_SLOPE(bce_with_logits, SUB(OF(sigmoid, X), T), TIMES(X, -1))
LOSS_SLOPE(bce, DIV(DIFFERENCE, SPREAD), SUB(NOT_BELOW(OF(log1p, TIMES(X, -1))), NOT_BELOW(OF(log, X))))
LOSS_SLOPE(kl_div, TIMES(T, -1), HAS_TARGET(PLUS(SUB(OF(log, T), X), 1)))
LOSS_SLOPE(poisson_nll_loss, SUB(OF(exp, X), T), TIMES(X, -1))
LOSS_SLOPE(poisson_nll_loss_plain, ONE_MINUS(DIV(T, PLUS(X, s->a))), TIMES(OF(log, PLUS(X, s->a)), -1))
LOSS_SLOPE(soft_margin_loss, TIMES(MUL(T, OF(sigmoid, TIMES(MUL(X, T), -1))), -1),
           TIMES(MUL(X, OF(sigmoid, TIMES(MUL(X, T), -1))), -1))

#define HAS_LOSS(name) [CD_OP_##name] = {of_x_##name, of_t_##name}
static slope_formula *const loss_slopes[CD_OPS][2] = {
    HAS_LOSS(mse_loss),         HAS_LOSS(l1_loss),
    HAS_LOSS(huber_loss),       HAS_LOSS(smooth_l1_loss),
    HAS_LOSS(bce_with_logits),  HAS_LOSS(bce),
    HAS_LOSS(kl_div),           HAS_LOSS(poisson_nll_loss),
    HAS_LOSS(soft_margin_loss), HAS_LOSS(poisson_nll_loss_plain)};

cd_status cd_second_of_loss(cd_gradient *g, cd_error *err)
{
    const cd_op_id id = cd_op_id_of(g->op);
    if (loss_slopes[id][0] == NULL) {
        return cd_second_once(g, err);
    }
    cd_expr e = cd_expr_begin(err);
    const slope_of s = {&e, g->in[0], g->in[1], g->n_attr > 1 ? g->attr[1] : 1, 0};
    cd_tensor *dy =
        g->attr[0] == 1 ? cd_expr_times(&e, g->dy[0], 1 / (double)cd_tensor_numel(g->in[0])) : g->dy[0];
    for (int i = 0; i < 2; i++) {
        if (g->wants[i]) {
            cd_expr_give(&e, g, i, cd_expr_mul(&e, loss_slopes[id][i](&s), dy));
        }
    }
    return cd_expr_end(&e);
}
