/* Mean squared error: the mean (or sum) of d^2, d = input - target. The differences are kept for backward. */
#include "autograd/dense.h"
#include "kernels/loss.h"
#include "kernels/scale.h"
#include "tensor/elements.h"

enum { REDUCTION };
enum { REDUCE_MEAN = 1, REDUCE_SUM };
enum { INPUT, TARGET };

static cd_status mse_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[INPUT], *target = call->in[TARGET];
    if (!cd_dtype_is_float(x->dtype) && !cd_dtype_is_float(target->dtype)) {
        return cd_fail(err, CD_EDTYPE, "mse_loss: expected float tensors, got %s.", cd_dtype_name(x->dtype));
    }
    if (!cd_tensor_same_shape(x, target)) {
        char have[CD_SHAPE_TEXT], want[CD_SHAPE_TEXT];
        return cd_fail(err, CD_ESHAPE, "mse_loss: the target has size %s, the input %s.",
                       cd_shape_text(have, target->ndim, target->shape),
                       cd_shape_text(want, x->ndim, x->shape));
    }
    return cd_out(call, 0, cd_dtype_float(cd_dtype_promote(x->dtype, target->dtype)), 0, NULL, CD_CONTIGUOUS,
                  err);
}

static cd_status mse_run(cd_call *call, const cd_tensor *x, cd_tensor *given, cd_error *err)
{
    double sum;
    cd_tensor *target;
    bool mean = cd_int_attr(call->attr, REDUCTION) == REDUCE_MEAN;
    if (call->differentiable) {
        CD_TRY(cd_new_like(&call->saved[0], x, err));
    }
    CD_TRY(cd_dense_like(&target, given, x, err));
    void *d = call->differentiable ? cd_tensor_data(call->saved[0]) : NULL;
    cd_status status = cdk_squared_error[x->dtype](&sum, d, cd_tensor_data(x), cd_tensor_data(target),
                                                   cd_tensor_numel(x), err);
    cd_tensor_release(target);
    CD_TRY(status);
    return cd_tensor_fill(call->out[0], mean ? sum / (double)cd_tensor_numel(x) : sum, err);
}

static cd_status mse_forward(cd_call *call, cd_error *err)
{
    cd_tensor *x;
    CD_TRY(cd_tensor_as(&x, call->in[INPUT], call->out[0]->dtype, cd_tensor_preferred_layout(call->in[INPUT]),
                        err));
    cd_status status = mse_run(call, x, call->in[TARGET], err);
    cd_tensor_release(x);
    return status;
}

static cd_status scaled(cd_tensor **dx, const cd_tensor *d, double factor, cd_dtype dtype, cd_error *err)
{
    cd_tensor *product;
    CD_TRY(cd_new_like(&product, d, err));
    cdk_scale[d->dtype](cd_tensor_data(product), cd_tensor_data(d), factor, cd_tensor_numel(d));
    cd_status status = cd_tensor_as(dx, product, dtype, cd_dense_layout(product), err);
    cd_tensor_release(product);
    return status;
}

static cd_status mse_backward(cd_gradient *g, cd_error *err)
{
    const cd_tensor *d = g->saved[0];
    double factor = 2 * cd_tensor_get(g->dy[0], 0);
    if (cd_int_attr(g->attr, REDUCTION) == REDUCE_MEAN) {
        factor /= (double)cd_tensor_numel(d);
    }
    for (int i = INPUT; i <= TARGET; i++) {
        if (g->wants[i]) {
            CD_TRY(scaled(&g->dx[i], d, i == INPUT ? factor : -factor, g->in[i]->dtype, err));
        }
    }
    return CD_OK;
}

const cd_op cd_op_mse_loss = {.name = "mse_loss",
                              .backward_name = "MseLossBackward0",
                              .min_in = 2,
                              .max_in = 2,
                              .min_attr = 1,
                              .max_attr = 1,
                              .n_out = 1,
                              .shape = mse_shape,
                              .forward = mse_forward,
                              .backward = mse_backward};
