/* Functions of one tensor, element by element: y = f(x). Integers become float32 where f has no integer
 * values. */
#include <math.h>

#include "autograd/compute.h"
#include "autograd/expression.h"
#include "autograd/pointwise.h"
#include "autograd/second.h"
#include "autograd/shapes.h"
#include "tensor/copy.h"

static cd_status same_shape(cd_call *call, cd_error *err)
{
    return cd_out_broadcast(call, cd_promote(1, call->in), err);
}

static cd_status float_shape(cd_call *call, cd_error *err)
{
    return cd_out_broadcast(call, cd_dtype_float(cd_promote(1, call->in)), err);
}

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

static cd_status unary_backward(cd_gradient *g, cdk_unary op, cd_error *err)
{
    bool of_x = (g->op->keeps & CD_KEEP_IN(0)) != 0, of_y = (g->op->keeps & CD_KEEP_OUT(0)) != 0;
    cd_tensor *kept = of_x ? g->in[0] : of_y ? g->out[0] : NULL;
    return cd_formula_gradient(g, cdk_unary_gradient(op, g->out[0]->dtype), kept, 0, 0, err);
}

#define X CD_KEEP_IN(0)
#define Y CD_KEEP_OUT(0)
#define UNARY(id, kernel, node, kept, type, y, dx)                \
    static cd_status id##_forward(cd_call *call, cd_error *err)   \
    {                                                             \
        return run_unary(call, CDK_##kernel, err);                \
    }                                                             \
    static cd_status id##_backward(cd_gradient *g, cd_error *err) \
    {                                                             \
        return unary_backward(g, CDK_##kernel, err);              \
    }                                                             \
    const cd_op cd_op_##id = {.name = #id,                        \
                              .backward_name = node,              \
                              .min_in = 1,                        \
                              .max_in = 1,                        \
                              .n_out = 1,                         \
                              .keeps = kept,                      \
                              .traits = CD_POINTWISE,             \
                              .shape = type,                      \
                              .forward = id##_forward,            \
                              .backward = id##_backward,          \
                              .second = cd_second_by_slope};
#include "kernels/unary.def"

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
                           .traits = CD_POINTWISE | CD_COMPOSED,
                           .shape = clamp_shape,
                           .forward = clamp_forward,
                           .backward = clamp_backward};
