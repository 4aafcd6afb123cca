/* Activations: y = f(x), element by element, in the memory order of x. */
#include <math.h>

#include "autograd/dense.h"
#include "autograd/positions.h"
#include "kernels/activation.h"
#include "kernels/mask.h"

/* Parameters of a function: 0 where it has fewer. */
enum { FIRST, SECOND };

static double parameter(int n_attr, const double *attr, int i)
{
    return i < n_attr ? attr[i] : 0;
}

static cd_status activation_shape(cd_call *call, cd_error *err)
{
    CD_TRY(cd_check_float(call->in[0], call->op->name, err));
    return cd_out_like(call, 0, call->in[0], err);
}

/* In place, or where strides agree, memory order is that of the output whatever it is. */
static cd_status source(cd_tensor **x, const cd_call *call, cd_error *err)
{
    if (cd_tensor_is_dense(call->in[0]) && cd_tensor_same_strides(call->in[0], call->out[0])) {
        *x = cd_tensor_retain(call->in[0]);
        return CD_OK;
    }
    return cd_dense_like(x, call->in[0], call->out[0], err);
}

static cd_status activation_forward(cd_call *call, cdk_activation_function f, cd_error *err)
{
    cd_tensor *x;
    double a = parameter(call->n_attr, call->attr, FIRST), b = parameter(call->n_attr, call->attr, SECOND);
    void *y = cd_tensor_data(call->out[0]);
    CD_TRY(source(&x, call, err));
    if (x->dtype == CD_FLOAT32) {
        cdk_activation_f32(y, cd_tensor_data(x), cd_tensor_numel(x), f, a, b);
    } else {
        cdk_activation_f64(y, cd_tensor_data(x), cd_tensor_numel(x), f, a, b);
    }
    cd_tensor_release(x);
    return CD_OK;
}

static void gradient_of(cd_gradient *g, const cd_tensor *dy, const cd_tensor *x, cdk_activation_function f)
{
    double a = parameter(g->n_attr, g->attr, FIRST), b = parameter(g->n_attr, g->attr, SECOND);
    int64_t n = cd_tensor_numel(x);
    void *dx = cd_tensor_data(g->dx[0]);
    if (x->dtype == CD_FLOAT32) {
        cdk_activation_gradient_f32(dx, cd_tensor_data(dy), cd_tensor_data(x), n, f, a, b);
    } else {
        cdk_activation_gradient_f64(dx, cd_tensor_data(dy), cd_tensor_data(x), n, f, a, b);
    }
}

/* A gradient nobody else will look at becomes dx itself: one large buffer less. own counts the references we
 * hold. */
static bool may_overwrite(const cd_tensor *dy, int64_t own)
{
    return dy->storage->refs == 1 && dy->refs == own && !dy->storage->borrowed;
}

static cd_status gradient_target(cd_gradient *g, cd_tensor *dy, const cd_tensor *like, cd_error *err)
{
    if (may_overwrite(dy, dy == g->dy[0] ? 2 : 1)) {
        g->dx[0] = cd_tensor_retain(dy);
        return CD_OK;
    }
    return cd_new_like(&g->dx[0], like, err);
}

static cd_status activation_backward(cd_gradient *g, cdk_activation_function f, cd_error *err)
{
    cd_tensor *x = g->in[0], *dense = NULL, *dy = NULL;
    cd_status status = cd_tensor_as(&dense, x, x->dtype, cd_tensor_preferred_layout(x), err);
    if (status == CD_OK) {
        status = cd_dense_like(&dy, g->dy[0], dense, err);
    }
    if (status == CD_OK) {
        status = gradient_target(g, dy, dense, err);
    }
    if (status == CD_OK) {
        gradient_of(g, dy, dense, f);
    }
    cd_tensor_release(dense);
    cd_tensor_release(dy);
    return status;
}

/* Rectifiers keep one bit per element: whether the gradient passes. */

static cd_status save_mask(cd_call *call, double high, cd_error *err)
{
    int64_t bytes = cdk_mask_bytes(cd_tensor_numel(call->out[0]));
    cd_tensor **mask = &call->saved[CD_RECTIFIER_MASK];
    CD_TRY(cd_tensor_new(mask, CD_UINT8, 1, &bytes, CD_CONTIGUOUS, err));
    cd_dense_mask(cd_tensor_data(*mask), call->out[0], high);
    return CD_OK;
}

static cd_status rectifier_forward(cd_call *call, cdk_activation_function f, double high, cd_error *err)
{
    CD_TRY(activation_forward(call, f, err));
    return call->differentiable ? save_mask(call, high, err) : CD_OK;
}

static cd_status rectifier_backward(cd_gradient *g, cd_error *err)
{
    cd_tensor *dy;
    const uint8_t *mask = cd_tensor_data(g->saved[CD_RECTIFIER_MASK]);
    CD_TRY(cd_dense_like(&dy, g->dy[0], g->out[0], err));
    cd_status status = gradient_target(g, dy, g->out[0], err);
    if (status == CD_OK) {
        cdk_mask_gradient[dy->dtype](cd_tensor_data(g->dx[0]), cd_tensor_data(dy), mask, cd_tensor_numel(dy));
    }
    cd_tensor_release(dy);
    return status;
}

#define RECTIFY(id, function, high, backward_text)              \
    static cd_status id##_forward(cd_call *call, cd_error *err) \
    {                                                           \
        return rectifier_forward(call, function, high, err);    \
    }                                                           \
    const cd_op cd_op_##id = {.name = #id,                      \
                              .backward_name = backward_text,   \
                              .min_in = 1,                      \
                              .max_in = 1,                      \
                              .n_out = 1,                       \
                              .traits = CD_POINTWISE,           \
                              .shape = activation_shape,        \
                              .forward = id##_forward,          \
                              .backward = rectifier_backward};

RECTIFY(relu, CDK_FUNCTION_relu, INFINITY, "ReluBackward0")
RECTIFY(relu6, CDK_FUNCTION_relu6, 6, "HardtanhBackward0")

/* The others, from their lines in kernels/activation.def. */
#define RECTIFIER(id, node, y)
#define ACTIVATION(id, node, y, dx)                               \
    static cd_status id##_forward(cd_call *call, cd_error *err)   \
    {                                                             \
        return activation_forward(call, CDK_FUNCTION_##id, err);  \
    }                                                             \
    static cd_status id##_backward(cd_gradient *g, cd_error *err) \
    {                                                             \
        return activation_backward(g, CDK_FUNCTION_##id, err);    \
    }                                                             \
    const cd_op cd_op_##id = {.name = #id,                        \
                              .backward_name = node,              \
                              .min_in = 1,                        \
                              .max_in = 1,                        \
                              .max_attr = SECOND + 1,             \
                              .n_out = 1,                         \
                              .keeps = CD_KEEP_IN(0),             \
                              .traits = CD_POINTWISE,             \
                              .shape = activation_shape,          \
                              .forward = id##_forward,            \
                              .backward = id##_backward};
#include "kernels/activation.def"
