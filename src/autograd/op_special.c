/* Functions of mathematics, element by element, computed in double precision: y = f(x). Integers become
 * float32. polygamma has one attribute, the order of the derivative. */
#include <math.h>

#include "autograd/compute.h"
#include "autograd/expression.h"
#include "autograd/shapes.h"
#include "kernels/special.h"
#include "tensor/copy.h"

static cd_status special_shape(cd_call *call, cd_error *err)
{
    return cd_out_broadcast(call, cd_dtype_float(call->in[0]->dtype), err);
}

static cd_status special_forward(cd_call *call, cdk_special *f, cd_error *err)
{
    cd_tensor *x = NULL, *y = NULL;
    const double parameter = call->n_attr > 0 ? call->attr[0] : 0;
    cd_status status = cd_tensor_as(&x, call->in[0], CD_FLOAT64, CD_CONTIGUOUS, err);
    if (status == CD_OK) {
        status = cd_tensor_new(&y, CD_FLOAT64, x->ndim, x->shape, CD_CONTIGUOUS, err);
    }
    if (status == CD_OK) {
        cdk_special_run(cd_tensor_data(y), f, parameter, cd_tensor_data(x), cd_tensor_numel(x));
        status = cd_tensor_copy(call->out[0], y, err);
    }
    cd_tensor_release(x);
    cd_tensor_release(y);
    return status;
}

/* I1'(x) = I0(x) - I1(x) / x, 1/2 at 0. */
static cd_tensor *slope_of_i1(cd_expr *e, cd_tensor *x)
{
    cd_tensor *zero = cd_expr2n(e, CD_OP_eq, x, 0);
    cd_tensor *safe = cd_expr_where(e, zero, cd_expr_number(e, 1), x);
    cd_tensor *quotient = cd_expr_div(e, cd_expr1(e, CD_OP_i1, safe), safe);
    cd_tensor *slope = cd_expr_sub(e, cd_expr1(e, CD_OP_i0, safe), quotient);
    return cd_expr_where(e, zero, cd_expr_number(e, 0.5), slope);
}

static cd_tensor *polygamma_of(cd_expr *e, cd_tensor *x, double order)
{
    return cd_expr_op(e, CD_OP_polygamma, 1, &x, 1, &order);
}

#define MUL(a, b) cd_expr_mul(&e, a, b)
#define DIV(a, b) cd_expr_div(&e, a, b)
#define TIMES(a, number) cd_expr_times(&e, a, number)
#define PLUS(a, number) cd_expr_plus(&e, a, number)
#define NEGATIVE(a) cd_expr_neg(&e, a)
#define SQUARE(a) cd_expr1(&e, CD_OP_square, a)
#define ROOT(a) cd_expr1(&e, CD_OP_sqrt, a)
#define EXP(a) cd_expr1(&e, CD_OP_exp, a)
#define POLYGAMMA(a, order) polygamma_of(&e, a, order)
#define SLOPE_OF_I1(a) slope_of_i1(&e, a)

#define SPECIAL(id, node, kept, value, gradient)                  \
    static double id##_value(double x, double n)                  \
    {                                                             \
        (void)n;                                                  \
        return value;                                             \
    }                                                             \
    static cd_status id##_forward(cd_call *call, cd_error *err)   \
    {                                                             \
        return special_forward(call, id##_value, err);            \
    }                                                             \
    static cd_status id##_backward(cd_gradient *g, cd_error *err) \
    {                                                             \
        cd_expr e = cd_expr_begin(err);                           \
        cd_tensor *dy = g->dy[0], *x = g->in[0], *y = g->out[0];  \
        (void)x;                                                  \
        (void)y;                                                  \
        cd_expr_give(&e, g, 0, gradient);                         \
        return cd_expr_end(&e);                                   \
    }                                                             \
    const cd_op cd_op_##id = {.name = #id,                        \
                              .backward_name = node,              \
                              .min_in = 1,                        \
                              .max_in = 1,                        \
                              .max_attr = 1,                      \
                              .n_out = 1,                         \
                              .keeps = kept,                      \
                              .traits = CD_COMPOSED,              \
                              .shape = special_shape,             \
                              .forward = id##_forward,            \
                              .backward = id##_backward};
#include "kernels/special.def"
