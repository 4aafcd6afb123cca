/* Dropout: elements, or whole channels, are set to 0 with probability p and the others divided by 1 - p. One
 * number of the default generator is the seed of what is decided for each element or channel
 * (kernels/dropout.h). */
#include "autograd/dense.h"
#include "base/random.h"
#include "kernels/dropout.h"

enum { PROBABILITY, KEPT_DIMS };

/* KEPT_DIMS: what is decided for an index of the first so many dimensions holds for the rest. */

static cd_status dropout_shape(cd_call *call, cd_error *err)
{
    double p = call->attr[PROBABILITY];
    CD_TRY(cd_check_float(call->in[0], "dropout", err));
    if (!(p >= 0 && p <= 1)) {
        return cd_fail(err, CD_EVALUE, "dropout: probability has to be between 0 and 1, but got %g.", p);
    }
    return cd_out_like(call, 0, call->in[0], err);
}

static int64_t sizes_between(const cd_tensor *t, int64_t from, int64_t to)
{
    int64_t n = 1;
    for (int64_t d = from; d < to && d < t->ndim; d++) {
        n *= t->shape[d];
    }
    return n;
}

/* The rows of y in its memory order. Channels last, a row is a pixel's channels. */
static cdk_dropout rows_of(const cd_tensor *y, int64_t kept, uint64_t seed, double p)
{
    cdk_dropout d = {.seed = seed, .p = p};
    const int64_t rest = sizes_between(y, kept, y->ndim);
    if (cd_dense_layout(y) == CD_CHANNELS_LAST) {
        const int64_t pixels = kept >= 4 ? y->shape[2] * y->shape[3] : 1;
        d.length = y->shape[1];
        d.rows_per_image = y->shape[2] * y->shape[3];
        d.rows = y->shape[0] * d.rows_per_image;
        d.step = kept >= 2 ? pixels : 0;
        d.image_step = kept >= 2 ? y->shape[1] * pixels : 1;
        d.row_step = kept >= 4 ? 1 : 0;
        return d;
    }
    d.rows = rest > 1 ? sizes_between(y, 0, kept) : 1;
    d.length = rest > 1 ? rest : cd_tensor_numel(y);
    d.rows_per_image = d.rows > 0 ? d.rows : 1;
    d.row_step = 1;
    d.step = rest > 1 ? 0 : 1;
    return d;
}

static cd_status drop_out(cd_tensor *y, cd_tensor *x, const cd_tensor *seed, const double *attr,
                          cd_error *err)
{
    cd_tensor *dense;
    CD_TRY(cd_dense_like(&dense, x, y, err));
    const cdk_dropout d =
        rows_of(y, cd_int_attr(attr, KEPT_DIMS), *(const uint64_t *)cd_tensor_data(seed), attr[PROBABILITY]);
    if (cd_tensor_numel(y) > 0) {
        cdk_drop_out[y->dtype](cd_tensor_data(y), cd_tensor_data(dense), &d);
    }
    cd_tensor_release(dense);
    return CD_OK;
}

static cd_status dropout_forward(cd_call *call, cd_error *err)
{
    CD_TRY(cd_tensor_new(&call->saved[0], CD_INT64, 0, NULL, CD_CONTIGUOUS, err));
    *(uint64_t *)cd_tensor_data(call->saved[0]) = cd_random_u64(cd_random_default());
    return drop_out(call->out[0], call->in[0], call->saved[0], call->attr, err);
}

static cd_status dropout_backward(cd_gradient *g, cd_error *err)
{
    CD_TRY(cd_new_like(&g->dx[0], g->out[0], err));
    return drop_out(g->dx[0], g->dy[0], g->saved[0], g->attr, err);
}

const cd_op cd_op_dropout = {.name = "dropout",
                             .backward_name = "NativeDropoutBackward0",
                             .min_in = 1,
                             .max_in = 1,
                             .min_attr = 2,
                             .max_attr = 2,
                             .n_out = 1,
                             .traits = CD_SCALES,
                             .shape = dropout_shape,
                             .forward = dropout_forward,
                             .backward = dropout_backward};
