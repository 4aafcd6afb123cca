/* Losses of single elements (kernels/loss.def): inputs input, target of its size. With a reduction the mean
 * or sum is taken in one pass over both; backward reads both again and keeps nothing else. */
#include "autograd/dense.h"
#include "autograd/pointwise.h"
#include "autograd/second.h"
#include "kernels/loss_elements.h"
#include "tensor/elements.h"

enum { REDUCTION, PARAMETER };
enum { REDUCE_NONE, REDUCE_MEAN, REDUCE_SUM };
enum { INPUT, TARGET };

/* Channels last where one of them is. */
static cd_layout common_layout(cd_tensor *const *in)
{
    return cd_tensor_preferred_layout(in[INPUT]) == CD_CHANNELS_LAST ? CD_CHANNELS_LAST
                                                                     : cd_tensor_preferred_layout(in[TARGET]);
}

static cd_status loss_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[INPUT], *target = call->in[TARGET];
    if (!cd_dtype_is_float(x->dtype) && !cd_dtype_is_float(target->dtype)) {
        return cd_fail(err, CD_EDTYPE, "%s: expected float tensors, got %s.", call->op->name,
                       cd_dtype_name(x->dtype));
    }
    if (!cd_tensor_same_shape(x, target)) {
        char have[CD_SHAPE_TEXT], want[CD_SHAPE_TEXT];
        return cd_fail(err, CD_ESHAPE, "%s: the target has size %s, the input %s.", call->op->name,
                       cd_shape_text(have, target->ndim, target->shape),
                       cd_shape_text(want, x->ndim, x->shape));
    }
    const cd_dtype dtype = cd_dtype_float(cd_dtype_promote(x->dtype, target->dtype));
    return cd_int_attr(call->attr, REDUCTION) == REDUCE_NONE
               ? cd_out(call, 0, dtype, x->ndim, x->shape, common_layout(call->in), err)
               : cd_out(call, 0, dtype, 0, NULL, CD_CONTIGUOUS, err);
}

/* Both inputs in the dtype and one dense memory order. */
static cd_status dense_inputs(cd_tensor **dense, cd_tensor *const *in, cd_dtype dtype, cd_error *err)
{
    dense[INPUT] = dense[TARGET] = NULL;
    CD_TRY(cd_tensor_as(&dense[INPUT], in[INPUT], dtype, common_layout(in), err));
    return cd_dense_like(&dense[TARGET], in[TARGET], dense[INPUT], err);
}

static void release_inputs(cd_tensor **dense)
{
    cd_tensor_release(dense[INPUT]);
    cd_tensor_release(dense[TARGET]);
}

static cdk_run run_over(void *y, cd_tensor *const *dense, int n_attr, const double *attr, double factor)
{
    return (cdk_run){.y = y,
                     .x = cd_tensor_data(dense[INPUT]),
                     .g = cd_tensor_data(dense[TARGET]),
                     .sy = 1,
                     .sx = 1,
                     .sg = 1,
                     .a = n_attr > PARAMETER ? attr[PARAMETER] : 1,
                     .b = factor};
}

static cd_status loss_values(cd_call *call, cd_tensor *const *dense, const cdk_loss *loss, cd_error *err)
{
    const int64_t n = cd_tensor_numel(dense[INPUT]), reduction = cd_int_attr(call->attr, REDUCTION);
    cd_tensor *y = call->out[0];
    double sum;
    if (reduction == REDUCE_NONE) {
        const cdk_run run = run_over(cd_tensor_data(y), dense, call->n_attr, call->attr, 1);
        cdk_loss_fill(loss->value, &run, y->dtype, n);
        return CD_OK;
    }
    const cdk_run run = run_over(NULL, dense, call->n_attr, call->attr, 1);
    CD_TRY(cdk_loss_sum(&sum, loss->value, &run, y->dtype, n, err));
    return cd_tensor_fill(y, reduction == REDUCE_MEAN ? sum / (double)n : sum, err);
}

static cd_status loss_forward(cd_call *call, cdk_loss_function f, cd_error *err)
{
    cd_tensor *dense[2];
    cd_dtype dtype = call->out[0]->dtype;
    cd_status status = dense_inputs(dense, call->in, dtype, err);
    if (status == CD_OK && f == CDK_LOSS_bce &&
        cdk_any_outside_unit[dtype](cd_tensor_data(dense[INPUT]), cd_tensor_numel(dense[INPUT]))) {
        status =
            cd_fail(err, CD_EVALUE,
                    "binary_cross_entropy: all elements of the input must be probabilities between 0 and 1. "
                    "For logits use nnf_binary_cross_entropy_with_logits().");
    }
    if (status == CD_OK) {
        status = loss_values(call, dense, cdk_loss_for(f, dtype), err);
    }
    release_inputs(dense);
    return status;
}

/* factor times the slope, times dy where each element has its own. */
static cd_status slope(cd_tensor **dx, cd_gradient *g, cd_tensor *const *dense, cdk_formula *formula,
                       cd_error *err)
{
    const int64_t n = cd_tensor_numel(dense[INPUT]), reduction = cd_int_attr(g->attr, REDUCTION);
    const bool each = reduction == REDUCE_NONE;
    double factor = each ? 1 : cd_tensor_get(g->dy[0], 0);
    factor = reduction == REDUCE_MEAN ? factor / (double)n : factor;
    CD_TRY(cd_new_like(dx, dense[INPUT], err));
    const cdk_run run = run_over(cd_tensor_data(*dx), dense, g->n_attr, g->attr, factor);
    cdk_loss_fill(formula, &run, (*dx)->dtype, n);
    return each ? cd_binary_into(*dx, CDK_MUL, *dx, g->dy[0], (*dx)->dtype, g->op->name, err) : CD_OK;
}

static cd_status loss_backward(cd_gradient *g, cdk_loss_function f, cd_error *err)
{
    cd_tensor *dense[2];
    const cdk_loss *loss = cdk_loss_for(f, g->out[0]->dtype);
    cd_status status = dense_inputs(dense, g->in, g->out[0]->dtype, err);
    for (int i = INPUT; i <= TARGET && status == CD_OK; i++) {
        cd_tensor *dx = NULL;
        if (g->wants[i]) {
            status = slope(&dx, g, dense, i == INPUT ? loss->input_slope : loss->target_slope, err);
        }
        if (status == CD_OK && g->wants[i]) {
            status = cd_tensor_as(&g->dx[i], dx, g->in[i]->dtype, cd_tensor_preferred_layout(g->in[i]), err);
        }
        cd_tensor_release(dx);
    }
    release_inputs(dense);
    return status;
}

#define LOSS(id, node, y, dx, dt)                                     \
    static cd_status id##_forward(cd_call *call, cd_error *err)       \
    {                                                                 \
        return loss_forward(call, CDK_LOSS_##id, err);                \
    }                                                                 \
    static cd_status id##_backward(cd_gradient *g, cd_error *err)     \
    {                                                                 \
        return loss_backward(g, CDK_LOSS_##id, err);                  \
    }                                                                 \
    const cd_op cd_op_##id = {.name = #id,                            \
                              .backward_name = node,                  \
                              .min_in = 2,                            \
                              .max_in = 2,                            \
                              .min_attr = 1,                          \
                              .max_attr = 2,                          \
                              .n_out = 1,                             \
                              .keeps = CD_KEEP_IN(0) | CD_KEEP_IN(1), \
                              .shape = loss_shape,                    \
                              .forward = id##_forward,                \
                              .backward = id##_backward,              \
                              .second = cd_second_of_loss};
#include "kernels/loss.def"
