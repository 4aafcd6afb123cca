/* Normalising the channels of images: y = (x - mean) / std; dx = dy / std. */
#include "autograd/dense.h"
#include "base/memory.h"
#include "kernels/image_normalise.h"

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
    return cd_tensor_is_interleaved(x) && x->shape[x->ndim - 3] <= CDK_NORMALISE_CHANNELS;
}

static cd_status normalise_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[0];
    CD_TRY(cd_check_float(x, "normalise", err));
    if (x->ndim < 3 || call->n_attr != 2 * x->shape[x->ndim - 3]) {
        char got[CD_SHAPE_TEXT];
        return cd_fail(err, CD_ESHAPE,
                       "normalise: expected ..., C, H, W and a mean and a std for each channel, got size %s "
                       "and %d numbers.",
                       cd_shape_text(got, x->ndim, x->shape), call->n_attr);
    }
    return is_interleaved(x) ? cd_out_ordered_like(call, 0, x, err)
                             : cd_out(call, 0, x->dtype, x->ndim, x->shape, CD_CONTIGUOUS, err);
}

/* y and x in the same order. */
static void normalise(cd_tensor *y, const cd_tensor *x, bool interleaved, const double *mean,
                      const double *std)
{
    picture_sizes s = sizes_of(x);
    void *to = cd_tensor_data(y), *from = cd_tensor_data(x);
    if (cd_tensor_numel(x) == 0) {
        return;
    }
    (interleaved ? cdk_normalise_pixels : cdk_normalise_planes)[x->dtype](to, from, s.planes, s.pixels, s.C,
                                                                          mean, std);
}

static cd_status normalise_forward(cd_call *call, cd_error *err)
{
    cd_tensor *x = call->in[0], *dense = NULL;
    const double *std = call->attr + call->n_attr / 2;
    if (is_interleaved(x)) {
        normalise(call->out[0], x, true, call->attr, std);
        return CD_OK;
    }
    CD_TRY(cd_tensor_as(&dense, x, x->dtype, CD_CONTIGUOUS, err));
    normalise(call->out[0], dense, false, call->attr, std);
    cd_tensor_release(dense);
    return CD_OK;
}

static cd_status normalise_backward(cd_gradient *g, cd_error *err)
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
        normalise(g->dx[0], dy, false, zeros, g->attr + C);
    }
    cd_memory_free(zeros);
    cd_tensor_release(dy);
    return status;
}

const cd_op cd_op_normalise = {.name = "normalise",
                               .backward_name = "DivBackward0",
                               .min_in = 1,
                               .max_in = 1,
                               .max_attr = CD_ANY_COUNT,
                               .n_out = 1,
                               .traits = CD_SCALES,
                               .shape = normalise_shape,
                               .forward = normalise_forward,
                               .backward = normalise_backward};
