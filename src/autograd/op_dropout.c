/* Dropout: elements, or whole channels, are set to 0 with probability p and the others divided by 1 - p.
 * Numbers are drawn from the default generator in row-major order, one for each element or channel. */
#include "autograd/dense.h"
#include "base/random.h"
#include "kernels/dropout.h"
#include "kernels/scale.h"

enum { PROBABILITY, KEPT_DIMS };

/* KEPT_DIMS: draws are made for the first so many dimensions and hold for the rest. */

static cd_status dropout_shape(cd_call *call, cd_error *err)
{
    double p = call->attr[PROBABILITY];
    CD_TRY(cd_check_float(call->in[0], "dropout", err));
    if (!(p >= 0 && p <= 1)) {
        return cd_fail(err, CD_EVALUE, "dropout: probability has to be between 0 and 1, but got %g.", p);
    }
    return cd_out_like(call, 0, call->in[0], err);
}

/* What each element is multiplied with, in the memory order of y. */
static cd_status draw_factors(cd_tensor **factors, cd_tensor *y, const double *attr, cd_error *err)
{
    cd_tensor *draws;
    int64_t shape[CD_MAX_DIMS], kept = cd_int_attr(attr, KEPT_DIMS);
    for (int i = 0; i < y->ndim; i++) {
        shape[i] = i < kept ? y->shape[i] : 1;
    }
    CD_TRY(cd_tensor_new(&draws, CD_FLOAT32, y->ndim, shape, CD_CONTIGUOUS, err));
    cdk_draw_dropout(cd_tensor_data(draws), cd_tensor_numel(draws), attr[PROBABILITY], cd_random_default());
    cd_status status = cd_new_like(factors, y, err);
    if (status == CD_OK) {
        status = cd_tensor_copy(*factors, draws, err);
    }
    cd_tensor_release(draws);
    return status;
}

static cd_status multiply(cd_tensor *out, cd_tensor *x, const cd_tensor *factors, cd_error *err)
{
    cd_tensor *dense;
    CD_TRY(cd_dense_like(&dense, x, factors, err));
    cdk_product[out->dtype](cd_tensor_data(out), cd_tensor_data(dense), cd_tensor_data(factors),
                            cd_tensor_numel(out));
    cd_tensor_release(dense);
    return CD_OK;
}

static cd_status dropout_forward(cd_call *call, cd_error *err)
{
    CD_TRY(draw_factors(&call->saved[0], call->out[0], call->attr, err));
    return multiply(call->out[0], call->in[0], call->saved[0], err);
}

static cd_status dropout_backward(cd_gradient *g, cd_error *err)
{
    CD_TRY(cd_new_like(&g->dx[0], g->saved[0], err));
    return multiply(g->dx[0], g->dy[0], g->saved[0], err);
}

const cd_op cd_op_dropout = {.name = "dropout",
                             .backward_name = "NativeDropoutBackward0",
                             .min_in = 1,
                             .max_in = 1,
                             .min_attr = 2,
                             .max_attr = 2,
                             .n_out = 1,
                             .shape = dropout_shape,
                             .forward = dropout_forward,
                             .backward = dropout_backward};
