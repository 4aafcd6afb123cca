/* Functions of one tensor, element by element: y = f(x). Integers become float32 where f has no integer
 * values. */
#include <math.h>

#include "autograd/compute.h"
#include "autograd/expression.h"
#include "autograd/pointwise.h"
#include "autograd/shapes.h"
#include "tensor/copy.h"

#define PI 3.14159265358979323846
#define LN2 0.69314718055994530942
#define LN10 2.30258509299404568402

static cd_status same_shape(cd_call *call, cd_error *err)
{
    return cd_out_broadcast(call, cd_promote(1, call->in), err);
}

static cd_status float_shape(cd_call *call, cd_error *err)
{
    return cd_out_broadcast(call, cd_dtype_float(cd_promote(1, call->in)), err);
}

/* The gradient dx of an operator as a formula of x, y and dy. */
#define DX(id, formula)                                            \
    static cd_status id##_backward(cd_gradient *g, cd_error *err)  \
    {                                                              \
        cd_expr expression = cd_expr_begin(err), *e = &expression; \
        cd_tensor *x = g->in[0], *y = g->out[0], *dy = g->dy[0];   \
        (void)x;                                                   \
        (void)y;                                                   \
        cd_expr_give(e, g, 0, formula);                            \
        return cd_expr_end(e);                                     \
    }
#define MUL(a, b) cd_expr_mul(e, a, b)
#define DIV(a, b) cd_expr_div(e, a, b)
#define TIMES(a, number) cd_expr_times(e, a, number)
#define PLUS(a, number) cd_expr_plus(e, a, number)
#define FUN(name, a) cd_expr1(e, CD_OP_##name, a)
#define ONE_MINUS(a) PLUS(FUN(neg, a), 1)

DX(neg, FUN(neg, dy))
DX(abs, MUL(dy, FUN(sign, x)))
DX(square, MUL(dy, TIMES(x, 2)))
DX(exp, MUL(dy, y))
DX(expm1, MUL(dy, PLUS(y, 1)))
DX(log, DIV(dy, x))
DX(log2, DIV(dy, TIMES(x, LN2)))
DX(log10, DIV(dy, TIMES(x, LN10)))
DX(log1p, DIV(dy, PLUS(x, 1)))
DX(sqrt, DIV(dy, TIMES(y, 2)))
DX(rsqrt, MUL(dy, TIMES(MUL(y, MUL(y, y)), -0.5)))
DX(reciprocal, FUN(neg, MUL(dy, MUL(y, y))))
DX(sin, MUL(dy, FUN(cos, x)))
DX(cos, FUN(neg, MUL(dy, FUN(sin, x))))
DX(tan, MUL(dy, PLUS(MUL(y, y), 1)))
DX(asin, MUL(dy, FUN(rsqrt, ONE_MINUS(MUL(x, x)))))
DX(acos, FUN(neg, MUL(dy, FUN(rsqrt, ONE_MINUS(MUL(x, x))))))
DX(atan, DIV(dy, PLUS(MUL(x, x), 1)))
DX(sinh, MUL(dy, FUN(cosh, x)))
DX(cosh, MUL(dy, FUN(sinh, x)))
DX(tanh, MUL(dy, ONE_MINUS(MUL(y, y))))
DX(sigmoid, MUL(dy, MUL(y, ONE_MINUS(y))))
DX(erf, MUL(dy, TIMES(FUN(exp, FUN(neg, MUL(x, x))), 2 / sqrt(PI))))
DX(zero, TIMES(dy, 0))

/* Rounding leaves integers as they are. */
static bool rounds(cdk_unary op)
{
    return op == CDK_FLOOR || op == CDK_CEIL || op == CDK_ROUND || op == CDK_TRUNC;
}

static cd_status run_unary(cd_call *call, cdk_unary op, cd_error *err)
{
    if (rounds(op) && !cd_dtype_is_float(call->out[0]->dtype)) {
        return call->out[0]->storage == call->in[0]->storage ? CD_OK
                                                             : cd_tensor_copy(call->out[0], call->in[0], err);
    }
    return cd_unary_into(call->out[0], op, call->in[0], call->op->name, err);
}

#define UNARY(id, kernel, printed, kept, shape_rule, gradient)  \
    static cd_status id##_forward(cd_call *call, cd_error *err) \
    {                                                           \
        return run_unary(call, kernel, err);                    \
    }                                                           \
    const cd_op cd_op_##id = {.name = #id,                      \
                              .backward_name = printed,         \
                              .min_in = 1,                      \
                              .max_in = 1,                      \
                              .n_out = 1,                       \
                              .keeps = kept,                    \
                              .traits = CD_POINTWISE,           \
                              .shape = shape_rule,              \
                              .forward = id##_forward,          \
                              .backward = gradient##_backward}
#define X CD_KEEP_IN(0)
#define Y CD_KEEP_OUT(0)

UNARY(neg, CDK_NEG, "NegBackward0", 0, same_shape, neg);
UNARY(abs, CDK_ABS, "AbsBackward0", X, same_shape, abs);
UNARY(sign, CDK_SIGN, "SignBackward0", 0, same_shape, zero);
UNARY(square, CDK_SQUARE, "PowBackward0", X, same_shape, square);
UNARY(exp, CDK_EXP, "ExpBackward0", Y, float_shape, exp);
UNARY(expm1, CDK_EXPM1, "Expm1Backward0", Y, float_shape, expm1);
UNARY(log, CDK_LOG, "LogBackward0", X, float_shape, log);
UNARY(log2, CDK_LOG2, "Log2Backward0", X, float_shape, log2);
UNARY(log10, CDK_LOG10, "Log10Backward0", X, float_shape, log10);
UNARY(log1p, CDK_LOG1P, "Log1PBackward0", X, float_shape, log1p);
UNARY(sqrt, CDK_SQRT, "SqrtBackward0", Y, float_shape, sqrt);
UNARY(rsqrt, CDK_RSQRT, "RsqrtBackward0", Y, float_shape, rsqrt);
UNARY(reciprocal, CDK_RECIPROCAL, "ReciprocalBackward0", Y, float_shape, reciprocal);
UNARY(sin, CDK_SIN, "SinBackward0", X, float_shape, sin);
UNARY(cos, CDK_COS, "CosBackward0", X, float_shape, cos);
UNARY(tan, CDK_TAN, "TanBackward0", Y, float_shape, tan);
UNARY(asin, CDK_ASIN, "AsinBackward0", X, float_shape, asin);
UNARY(acos, CDK_ACOS, "AcosBackward0", X, float_shape, acos);
UNARY(atan, CDK_ATAN, "AtanBackward0", X, float_shape, atan);
UNARY(sinh, CDK_SINH, "SinhBackward0", X, float_shape, sinh);
UNARY(cosh, CDK_COSH, "CoshBackward0", X, float_shape, cosh);
UNARY(tanh, CDK_TANH, "TanhBackward0", Y, float_shape, tanh);
UNARY(sigmoid, CDK_SIGMOID, "SigmoidBackward0", Y, float_shape, sigmoid);
UNARY(erf, CDK_ERF, "ErfBackward0", X, float_shape, erf);
UNARY(floor, CDK_FLOOR, "FloorBackward0", 0, same_shape, zero);
UNARY(ceil, CDK_CEIL, "CeilBackward0", 0, same_shape, zero);
UNARY(round, CDK_ROUND, "RoundBackward0", 0, same_shape, zero);
UNARY(trunc, CDK_TRUNC, "TruncBackward0", 0, same_shape, zero);

/* ---- clamp: attr lower and upper bound, infinite where there is none ---- */

enum { LOWER, UPPER };

static cd_status clamp_shape(cd_call *call, cd_error *err)
{
    return cd_out_broadcast(call, cd_promote(1, call->in), err);
}

static cd_status clamp_bound(cd_tensor *out, cdk_binary op, cd_tensor *x, double bound, cd_error *err)
{
    cd_tensor *number;
    CD_TRY(cd_tensor_number(&number, CD_FLOAT64, bound, err));
    cd_status status = cd_binary_into(out, op, x, number, out->dtype, "clamp", err);
    cd_tensor_release(number);
    return status;
}

static cd_status clamp_forward(cd_call *call, cd_error *err)
{
    cd_tensor *out = call->out[0], *x = call->in[0];
    if (call->attr[LOWER] > -INFINITY) {
        CD_TRY(clamp_bound(out, CDK_MAXIMUM, x, call->attr[LOWER], err));
        x = out;
    }
    if (call->attr[UPPER] < INFINITY || x != out) {
        double upper =
            call->attr[UPPER] < 9.2e18 || cd_dtype_is_float(out->dtype) ? call->attr[UPPER] : 9.2e18;
        CD_TRY(clamp_bound(out, CDK_MINIMUM, x, upper, err));
    }
    return CD_OK;
}

/* dx = dy where lower <= x <= upper */
static cd_status clamp_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    cd_tensor *above = cd_expr2n(&e, CD_OP_ge, g->in[0], g->attr[LOWER]);
    cd_tensor *below = cd_expr2n(&e, CD_OP_le, g->in[0], g->attr[UPPER]);
    cd_expr_give(&e, g, 0, cd_expr_mul(&e, g->dy[0], cd_expr2(&e, CD_OP_logical_and, above, below)));
    return cd_expr_end(&e);
}

const cd_op cd_op_clamp = {.name = "clamp",
                           .backward_name = "ClampBackward1",
                           .min_in = 1,
                           .max_in = 1,
                           .min_attr = 2,
                           .max_attr = 2,
                           .n_out = 1,
                           .keeps = CD_KEEP_IN(0),
                           .traits = CD_POINTWISE,
                           .shape = clamp_shape,
                           .forward = clamp_forward,
                           .backward = clamp_backward};
