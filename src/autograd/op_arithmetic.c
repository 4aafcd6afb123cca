/* Arithmetic of two tensors: y = a op b, broadcast, in the promoted dtype. Operators come in pairs where
 * printing tells tensor from number operands apart: add and add_number do the same. */
#include "autograd/compute.h"
#include "autograd/expression.h"
#include "autograd/pointwise.h"
#include "autograd/shapes.h"
#include "tensor/copy.h"
#include "tensor/elements.h"

/* add, sub: the factor of b, 1 if absent. */
static double alpha_of(int n_attr, const double *attr)
{
    return n_attr > 0 ? attr[0] : 1;
}

static cd_status same_dtype_shape(cd_call *call, cd_error *err)
{
    return cd_out_broadcast(call, cd_promote(call->n_in, call->in), err);
}

static cd_status float_shape(cd_call *call, cd_error *err)
{
    return cd_out_broadcast(call, cd_dtype_float(cd_promote(call->n_in, call->in)), err);
}

static cd_status run_binary(cd_call *call, cdk_binary op, cd_error *err)
{
    return cd_binary_into(call->out[0], op, call->in[0], call->in[1], call->out[0]->dtype, call->op->name,
                          err);
}

/* ---- add, sub ---- */

static cd_status add_scaled(cd_call *call, cdk_binary op, cd_error *err)
{
    double alpha = alpha_of(call->n_attr, call->attr);
    if (alpha == 1) {
        return run_binary(call, op, err);
    }
    cd_expr e = cd_expr_begin(err);
    cd_tensor *scaled = cd_expr_times(&e, call->in[1], alpha);
    if (scaled != NULL) {
        e.status =
            cd_binary_into(call->out[0], op, call->in[0], scaled, call->out[0]->dtype, call->op->name, err);
    }
    return cd_expr_end(&e);
}

static cd_status add_forward(cd_call *call, cd_error *err)
{
    return add_scaled(call, CDK_ADD, err);
}

static cd_status sub_forward(cd_call *call, cd_error *err)
{
    if (call->in[0]->dtype == CD_BOOL && call->in[1]->dtype == CD_BOOL) {
        return cd_fail(err, CD_EDTYPE,
                       "Subtraction, the `-` operator, with two bool tensors is not supported. Use "
                       "torch_logical_xor() or $to(dtype = torch_int()).");
    }
    return add_scaled(call, CDK_SUB, err);
}

static cd_status add_sub_backward(cd_gradient *g, double factor, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    if (g->wants[0]) {
        cd_expr_give(&e, g, 0, g->dy[0]);
    }
    if (g->wants[1]) {
        cd_expr_give(&e, g, 1, factor == 1 ? g->dy[0] : cd_expr_times(&e, g->dy[0], factor));
    }
    return cd_expr_end(&e);
}

static cd_status add_backward(cd_gradient *g, cd_error *err)
{
    return add_sub_backward(g, alpha_of(g->n_attr, g->attr), err);
}

static cd_status sub_backward(cd_gradient *g, cd_error *err)
{
    return add_sub_backward(g, -alpha_of(g->n_attr, g->attr), err);
}

/* ---- mul, div ---- */

static cd_status mul_forward(cd_call *call, cd_error *err)
{
    return run_binary(call, CDK_MUL, err);
}

static cd_status mul_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    for (int i = 0; i < 2; i++) {
        if (g->wants[i]) {
            cd_expr_give(&e, g, i, cd_expr_mul(&e, g->dy[0], g->in[1 - i]));
        }
    }
    return cd_expr_end(&e);
}

static cd_status div_forward(cd_call *call, cd_error *err)
{
    return run_binary(call, CDK_DIV, err);
}

/* da = dy / b, db = -dy a / b^2 */
static cd_status div_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    cd_tensor *da = cd_expr_div(&e, g->dy[0], g->in[1]);
    if (g->wants[0]) {
        cd_expr_give(&e, g, 0, da);
    }
    if (g->wants[1]) {
        cd_tensor *quotient = cd_expr_div(&e, g->in[0], g->in[1]);
        cd_expr_give(&e, g, 1, cd_expr_neg(&e, cd_expr_mul(&e, da, quotient)));
    }
    return cd_expr_end(&e);
}

/* ---- rounded quotients and their remainders ---- */

static cd_status check_divisor(const cd_call *call, cd_error *err)
{
    cd_tensor *b;
    int64_t n = cd_tensor_numel(call->in[1]);
    if (cd_dtype_is_float(call->out[0]->dtype)) {
        return CD_OK;
    }
    CD_TRY(cd_tensor_as(&b, call->in[1], call->in[1]->dtype, CD_CONTIGUOUS, err));
    int64_t zero = cdk_first_zero[b->dtype](cd_tensor_data(b), n);
    cd_tensor_release(b);
    return zero == n
               ? CD_OK
               : cd_fail(err, CD_EVALUE, "%s: division of integers by zero (element %lld of the divisor).",
                         call->op->name, (long long)zero + 1);
}

#define DEFINE_DIVISION(name, kernel)                   \
    static cd_status name(cd_call *call, cd_error *err) \
    {                                                   \
        CD_TRY(check_divisor(call, err));               \
        return run_binary(call, kernel, err);           \
    }

DEFINE_DIVISION(div_trunc_forward, CDK_DIV_TRUNC)
DEFINE_DIVISION(div_floor_forward, CDK_DIV_FLOOR)
DEFINE_DIVISION(fmod_forward, CDK_FMOD)
DEFINE_DIVISION(remainder_forward, CDK_REMAINDER)

/* The quotient is constant but for jumps. */
static cd_status rounded_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    for (int i = 0; i < 2; i++) {
        if (g->wants[i]) {
            cd_expr_give(&e, g, i, cd_expr_times(&e, g->dy[0], 0));
        }
    }
    return cd_expr_end(&e);
}

/* y = a - b q with the quotient q: da = dy, db = -dy q */
static cd_status modulo_backward(cd_gradient *g, cd_op_id quotient, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    if (g->wants[0]) {
        cd_expr_give(&e, g, 0, g->dy[0]);
    }
    if (g->wants[1]) {
        cd_tensor *q = cd_expr2(&e, quotient, g->in[0], g->in[1]);
        cd_expr_give(&e, g, 1, cd_expr_neg(&e, cd_expr_mul(&e, g->dy[0], q)));
    }
    return cd_expr_end(&e);
}

static cd_status fmod_backward(cd_gradient *g, cd_error *err)
{
    return modulo_backward(g, CD_OP_div_trunc, err);
}

static cd_status remainder_backward(cd_gradient *g, cd_error *err)
{
    return modulo_backward(g, CD_OP_div_floor, err);
}

/* ---- pow ---- */

static cd_status pow_forward(cd_call *call, cd_error *err)
{
    const cd_tensor *b = call->in[1];
    bool number = cd_tensor_numel(b) == 1;
    double exponent = number ? cd_tensor_get(b, 0) : 0;
    cd_dtype dtype = call->out[0]->dtype;
    if (number && b->ndim == 0 && exponent == 2 && dtype != CD_BOOL) {
        return cd_unary_into(call->out[0], CDK_SQUARE, call->in[0], "pow", err);
    }
    if (number && b->ndim == 0 && exponent == 0.5 && cd_dtype_is_float(dtype)) {
        return cd_unary_into(call->out[0], CDK_SQRT, call->in[0], "pow", err);
    }
    if (number && exponent < 0 && !cd_dtype_is_float(dtype)) {
        return cd_fail(err, CD_EVALUE,
                       "pow: Integers to negative integer powers are not allowed. Convert to float first.");
    }
    return run_binary(call, CDK_POW, err);
}

/* da = dy b a^(b - 1), 0 where b is 0 */
static cd_tensor *pow_gradient_of_base(cd_expr *e, cd_gradient *g)
{
    cd_tensor *b = g->in[1];
    if (b->is_number && cd_tensor_get(b, 0) == 2) {
        return cd_expr_mul(e, g->dy[0], cd_expr_times(e, g->in[0], 2));
    }
    if (b->is_number && cd_tensor_get(b, 0) == 0) {
        return cd_expr_times(e, g->dy[0], 0);
    }
    /* Plain numbers alone would be subtracted in float32. */
    cd_tensor *less =
        b->is_number ? cd_expr_number(e, cd_tensor_get(b, 0) - 1) : cd_expr2n(e, CD_OP_sub, b, 1);
    cd_tensor *slope = cd_expr_mul(e, cd_expr2(e, CD_OP_pow, g->in[0], less), b);
    cd_tensor *not_zero = cd_expr2n(e, CD_OP_ne, b, 0);
    slope = b->is_number ? slope : cd_expr_where(e, not_zero, slope, cd_expr_number(e, 0));
    return cd_expr_mul(e, g->dy[0], slope);
}

/* db = dy a^b log(a), 0 where a is 0 and b >= 0 */
static cd_tensor *pow_gradient_of_exponent(cd_expr *e, cd_gradient *g)
{
    cd_tensor *slope = cd_expr_mul(e, g->out[0], cd_expr1(e, CD_OP_log, g->in[0]));
    cd_tensor *zero_base = cd_expr2(e, CD_OP_logical_and, cd_expr2n(e, CD_OP_eq, g->in[0], 0),
                                    cd_expr2n(e, CD_OP_ge, g->in[1], 0));
    return cd_expr_mul(e, g->dy[0], cd_expr_where(e, zero_base, cd_expr_number(e, 0), slope));
}

static cd_status pow_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    if (g->wants[0]) {
        cd_expr_give(&e, g, 0, pow_gradient_of_base(&e, g));
    }
    if (g->wants[1]) {
        cd_expr_give(&e, g, 1, pow_gradient_of_exponent(&e, g));
    }
    return cd_expr_end(&e);
}

/* ---- maximum, minimum ---- */

static cd_status maximum_forward(cd_call *call, cd_error *err)
{
    return run_binary(call, CDK_MAXIMUM, err);
}

static cd_status minimum_forward(cd_call *call, cd_error *err)
{
    return run_binary(call, CDK_MINIMUM, err);
}

/* dy where the input won, half of it where both are equal. */
static cd_status winner_backward(cd_gradient *g, cd_op_id wins, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    cd_tensor *tie = cd_expr_times(&e, cd_expr2(&e, CD_OP_eq, g->in[0], g->in[1]), 0.5);
    for (int i = 0; i < 2; i++) {
        if (g->wants[i]) {
            cd_tensor *share = cd_expr_add(&e, cd_expr2(&e, wins, g->in[i], g->in[1 - i]), tie);
            cd_expr_give(&e, g, i, cd_expr_mul(&e, g->dy[0], share));
        }
    }
    return cd_expr_end(&e);
}

static cd_status maximum_backward(cd_gradient *g, cd_error *err)
{
    return winner_backward(g, CD_OP_gt, err);
}

static cd_status minimum_backward(cd_gradient *g, cd_error *err)
{
    return winner_backward(g, CD_OP_lt, err);
}

/* ---- atan2 ---- */

static cd_status atan2_forward(cd_call *call, cd_error *err)
{
    return run_binary(call, CDK_ATAN2, err);
}

/* da = dy b / (a^2 + b^2), db = -dy a / (a^2 + b^2) */
static cd_status atan2_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    cd_tensor *squares =
        cd_expr_add(&e, cd_expr1(&e, CD_OP_square, g->in[0]), cd_expr1(&e, CD_OP_square, g->in[1]));
    cd_tensor *scaled = cd_expr_div(&e, g->dy[0], squares);
    if (g->wants[0]) {
        cd_expr_give(&e, g, 0, cd_expr_mul(&e, scaled, g->in[1]));
    }
    if (g->wants[1]) {
        cd_expr_give(&e, g, 1, cd_expr_neg(&e, cd_expr_mul(&e, scaled, g->in[0])));
    }
    return cd_expr_end(&e);
}

/* ---- nextafter ---- */

static cd_status nextafter_shape(cd_call *call, cd_error *err)
{
    CD_TRY(cd_check_float(call->in[0], "nextafter", err));
    return same_dtype_shape(call, err);
}

static cd_status nextafter_forward(cd_call *call, cd_error *err)
{
    return run_binary(call, CDK_NEXTAFTER, err);
}

const cd_op cd_op_nextafter = {.name = "nextafter",
                               .min_in = 2,
                               .max_in = 2,
                               .max_attr = 1,
                               .n_out = 1,
                               .traits = CD_POINTWISE | CD_NUMBERS,
                               .shape = nextafter_shape,
                               .forward = nextafter_forward};

#define KEEPS_BOTH (CD_KEEP_IN(0) | CD_KEEP_IN(1))

#define BINARY(id, printed, kept, shape_rule, family)                            \
    const cd_op cd_op_##id = {.name = #id,                                       \
                              .backward_name = printed,                          \
                              .min_in = 2,                                       \
                              .max_in = 2,                                       \
                              .max_attr = 1,                                     \
                              .n_out = 1,                                        \
                              .keeps = kept,                                     \
                              .traits = CD_POINTWISE | CD_NUMBERS | CD_COMPOSED, \
                              .shape = shape_rule,                               \
                              .forward = family##_forward,                       \
                              .backward = family##_backward}

#define div_trunc_backward rounded_backward
#define div_floor_backward rounded_backward

BINARY(add, "AddBackward0", 0, same_dtype_shape, add);
BINARY(add_number, "AddBackward1", 0, same_dtype_shape, add);
BINARY(sub, "SubBackward0", 0, same_dtype_shape, sub);
BINARY(sub_number, "SubBackward1", 0, same_dtype_shape, sub);
BINARY(mul, "MulBackward0", KEEPS_BOTH, same_dtype_shape, mul);
BINARY(mul_number, "MulBackward1", CD_KEEP_IN(1), same_dtype_shape, mul);
BINARY(div, "DivBackward0", KEEPS_BOTH, float_shape, div);
BINARY(div_number, "DivBackward1", CD_KEEP_IN(1), float_shape, div);
BINARY(div_trunc, "DivBackward2", 0, same_dtype_shape, div_trunc);
BINARY(div_floor, "DivBackward2", 0, same_dtype_shape, div_floor);
BINARY(fmod, "FmodBackward1", KEEPS_BOTH, same_dtype_shape, fmod);
BINARY(remainder, "RemainderBackward1", KEEPS_BOTH, same_dtype_shape, remainder);
BINARY(pow, "PowBackward1", KEEPS_BOTH | CD_KEEP_OUT(0), same_dtype_shape, pow);
BINARY(pow_number, "PowBackward0", KEEPS_BOTH, same_dtype_shape, pow);
BINARY(maximum, "MaximumBackward0", KEEPS_BOTH, same_dtype_shape, maximum);
BINARY(minimum, "MinimumBackward0", KEEPS_BOTH, same_dtype_shape, minimum);
BINARY(atan2, "Atan2Backward0", KEEPS_BOTH, float_shape, atan2);
