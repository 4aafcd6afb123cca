/* Standardising the channels of images: y = (x - mean) / std; dx = dy / std. */
#include "autograd/dense.h"
#include "base/memory.h"
#include "kernels/standardise.h"

/* attr: the mean of each channel, then the std of each. */

/* ..., C, H, W as [planes][C][pixels]. */
typedef struct {
    int64_t planes, C, pixels;
} picture_sizes;

static picture_sizes sizes_of(const cd_tensor *x)
{
    picture_sizes s = {1, x->shape[x->ndim - 3], x->shape[x->ndim - 2] * x->shape[x->ndim - 1]};
    for (int d = 0; d < x->ndim - 3; d++) {
        s.planes *= x->shape[d];
    }
    return s;
}

static bool is_interleaved(const cd_tensor *x)
{
    return cd_tensor_is_interleaved(x) && x->shape[x->ndim - 3] <= CDK_STANDARDISE_CHANNELS;
}

static cd_status standardise_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[0];
    CD_TRY(cd_check_float(x, "standardise", err));
    if (x->ndim < 3 || call->n_attr != 2 * x->shape[x->ndim - 3]) {
        char got[CD_SHAPE_TEXT];
        return cd_fail(
            err, CD_ESHAPE,
            "standardise: expected ..., C, H, W and a mean and a std for each channel, got size %s "
            "and %d numbers.",
            cd_shape_text(got, x->ndim, x->shape), call->n_attr);
    }
    return is_interleaved(x) ? cd_out_ordered_like(call, 0, x, err)
                             : cd_out(call, 0, x->dtype, x->ndim, x->shape, CD_CONTIGUOUS, err);
}

/* y and x in the same order. */
static void standardise(cd_tensor *y, const cd_tensor *x, bool interleaved, const double *mean,
                        const double *std)
{
    picture_sizes s = sizes_of(x);
    void *to = cd_tensor_data(y), *from = cd_tensor_data(x);
    if (cd_tensor_numel(x) == 0) {
        return;
    }
    (interleaved ? cdk_standardise_pixels : cdk_standardise_planes)[x->dtype](to, from, s.planes, s.pixels,
                                                                              s.C, mean, std);
}

static cd_status standardise_forward(cd_call *call, cd_error *err)
{
    cd_tensor *x = call->in[0], *dense = NULL;
    const double *std = call->attr + call->n_attr / 2;
    if (is_interleaved(x)) {
        standardise(call->out[0], x, true, call->attr, std);
        return CD_OK;
    }
    CD_TRY(cd_tensor_as(&dense, x, x->dtype, CD_CONTIGUOUS, err));
    standardise(call->out[0], dense, false, call->attr, std);
    cd_tensor_release(dense);
    return CD_OK;
}

static cd_status standardise_backward(cd_gradient *g, cd_error *err)
{
    cd_tensor *dy = NULL;
    void *zeros = NULL;
    size_t C = (size_t)g->n_attr / 2;
    CD_TRY(cd_tensor_as(&dy, g->dy[0], g->dy[0]->dtype, CD_CONTIGUOUS, err));
    cd_status status = cd_tensor_new(&g->dx[0], dy->dtype, dy->ndim, dy->shape, CD_CONTIGUOUS, err);
    if (status == CD_OK) {
        status = cd_memory_alloc(&zeros, C * sizeof(double), err);
    }
    if (status == CD_OK) {
        for (size_t c = 0; c < C; c++) {
            ((double *)zeros)[c] = 0;
        }
        standardise(g->dx[0], dy, false, zeros, g->attr + C);
    }
    cd_memory_free(zeros);
    cd_tensor_release(dy);
    return status;
}

const cd_op cd_op_standardise = {.name = "standardise",
                                 .backward_name = "DivBackward0",
                                 .min_in = 1,
                                 .max_in = 1,
                                 .n_out = 1,
                                 .shape = standardise_shape,
                                 .forward = standardise_forward,
                                 .backward = standardise_backward};
