/* Resizing of images, N x C x H x W or C x H x W. The memory order of the input is kept. */
#include <string.h>

#include "autograd/dense.h"
#include "autograd/positions.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/interpolate.h"
#include "kernels/separable.h"
#include "tensor/copy.h"

static bool is_nearest(const double *attr)
{
    return (cdk_interpolation)attr[CD_RESIZE_MODE] == CDK_NEAREST;
}

static cd_status check_input(const cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[0];
    char got[CD_SHAPE_TEXT];
    int n = x->ndim;
    if (!is_nearest(call->attr)) {
        CD_TRY(cd_check_float(x, "interpolate", err));
    }
    if ((n != 3 && n != 4) || x->shape[n - 2] < 1 || x->shape[n - 1] < 1) {
        return cd_fail(err, CD_ESHAPE, "interpolate: expected an input of size N x C x H x W, got size %s.",
                       cd_shape_text(got, n, x->shape));
    }
    return CD_OK;
}

static cd_status interpolate_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[0];
    CD_TRY(check_input(call, err));
    int64_t shape[4], n = x->ndim, H = cd_int_attr(call->attr, CD_RESIZE_H),
                      W = cd_int_attr(call->attr, CD_RESIZE_W);
    memcpy(shape, x->shape, (size_t)n * sizeof *shape);
    shape[n - 2] = H;
    shape[n - 1] = W;
    if (H < 1 || W < 1) {
        return cd_fail(err, CD_EVALUE,
                       "interpolate: the output must have at least one pixel, got %lld x %lld.", (long long)H,
                       (long long)W);
    }
    CD_TRY(cd_out(call, 0, x->dtype, (int)n, shape, cd_tensor_preferred_layout(x), err));
    if (cd_tensor_is_picture(x)) {
        int64_t stride[] = {1, W * shape[0], shape[0]};
        memcpy(call->out[0]->stride, stride, sizeof stride);
    }
    return CD_OK;
}

/* ---- images as [planes][H][W][C] ---- */

/* x: the shape of the input; interleaved: channels side by side. */
static cd_status resizing_make(cdk_resizing *r, const cd_tensor *x, bool interleaved, const double *attr,
                               cd_error *err)
{
    const int64_t *shape = x->shape + x->ndim - 3;
    const int64_t N = x->ndim == 4 ? x->shape[0] : 1;
    const int64_t size[] = {interleaved ? N : N * shape[0], shape[1], shape[2], interleaved ? shape[0] : 1};
    const cdk_resize_form form = {.mode = (cdk_interpolation)attr[CD_RESIZE_MODE],
                                  .align_corners = attr[CD_RESIZE_ALIGN] != 0,
                                  .rows = cd_int_attr(attr, CD_RESIZE_H),
                                  .columns = cd_int_attr(attr, CD_RESIZE_W),
                                  .row_step = attr[CD_RESIZE_SCALE_H],
                                  .column_step = attr[CD_RESIZE_SCALE_W]};
    return cdk_resizing_make(r, size, &form, err);
}

static cd_status bilinear(cd_tensor *y, const cd_tensor *x, const cdk_resizing *r, cd_error *err)
{
    void *to = cd_tensor_data(y), *from = cd_tensor_data(x), *scratch;
    size_t per_thread = cdk_bilinear_scratch(r) * cd_dtype_size(y->dtype);
    CD_TRY(cd_memory_alloc(&scratch, per_thread * (size_t)cd_threads(), err));
    cdk_bilinear[y->dtype](to, from, r, scratch);
    cd_memory_free(scratch);
    return CD_OK;
}

/* Channels from which on pixels are blended one by one, all four neighbours at once. */
#define WIDE_CHANNELS 16

static cd_status by_terms(cd_tensor *y, const cd_tensor *x, const cdk_resizing *r, cd_error *err)
{
    cdk_separable s = {.planes = r->planes, .C = r->C};
    cd_status status = cdk_resizing_sides(&s, r, err);
    if (status == CD_OK) {
        status = cdk_separable_sum[x->dtype](cd_tensor_data(y), cd_tensor_data(x), &s, err);
    }
    cdk_separable_free(&s);
    return status;
}

static cd_status resize(cd_tensor *y, const cd_tensor *x, const cdk_resizing *r, const double *attr,
                        cd_error *err)
{
    if (is_nearest(attr)) {
        cdk_nearest(cd_tensor_data(y), cd_tensor_data(x), cd_dtype_size(x->dtype), r);
        return CD_OK;
    }
    if ((cdk_interpolation)attr[CD_RESIZE_MODE] == CDK_BILINEAR && r->C < WIDE_CHANNELS) {
        return bilinear(y, x, r, err);
    }
    return by_terms(y, x, r, err);
}

/* x itself where it lies as its output will, else a row-major copy. */
static cd_status ordered(cd_tensor **as, cd_tensor *x, cd_error *err)
{
    if (cd_tensor_is_interleaved(x)) {
        *as = cd_tensor_retain(x);
        return CD_OK;
    }
    return cd_tensor_as(as, x, x->dtype, CD_CONTIGUOUS, err);
}

static cd_status interpolate_forward(cd_call *call, cd_error *err)
{
    cd_tensor *x = NULL;
    cdk_resizing r = {0};
    cd_status status = ordered(&x, call->in[0], err);
    if (status == CD_OK) {
        status = resizing_make(&r, x, cd_tensor_is_interleaved(x), call->attr, err);
    }
    if (status == CD_OK) {
        status = resize(call->out[0], x, &r, call->attr, err);
    }
    cdk_resizing_free(&r);
    cd_tensor_release(x);
    return status;
}

/* Each input gathers from the outputs it went into: the transposed sum. */
static cd_status gather_gradient(cd_tensor *dx, const cd_tensor *dy, const cdk_resizing *r, cd_error *err)
{
    cdk_separable forward = {.planes = r->planes, .C = r->C}, s = {0};
    cd_status status = cdk_resizing_sides(&forward, r, err);
    if (status == CD_OK) {
        status = cdk_separable_transpose(&s, &forward, err);
    }
    if (status == CD_OK) {
        status = cdk_separable_sum[dx->dtype](cd_tensor_data(dx), cd_tensor_data(dy), &s, err);
    }
    cdk_separable_free(&forward);
    cdk_separable_free(&s);
    return status;
}

static cd_status interpolate_backward(cd_gradient *g, cd_error *err)
{
    cdk_resizing r = {0};
    cd_tensor *dy = NULL;
    const cd_tensor *x = g->in[0];
    cd_layout layout = cd_tensor_preferred_layout(g->dy[0]);
    cd_status status = cd_tensor_as(&dy, g->dy[0], x->dtype, layout, err);
    if (status == CD_OK) {
        status = cd_tensor_new(&g->dx[0], x->dtype, x->ndim, x->shape, layout, err);
    }
    if (status == CD_OK) {
        status = resizing_make(&r, x, layout == CD_CHANNELS_LAST, g->attr, err);
    }
    if (status == CD_OK) {
        status = gather_gradient(g->dx[0], dy, &r, err);
    }
    cdk_resizing_free(&r);
    cd_tensor_release(dy);
    return status;
}

const cd_op cd_op_interpolate = {.name = "interpolate",
                                 .backward_name = "UpsampleBackward0",
                                 .min_in = 1,
                                 .max_in = 1,
                                 .min_attr = 6,
                                 .max_attr = 6,
                                 .n_out = 1,
                                 .traits = CD_LINEAR,
                                 .shape = interpolate_shape,
                                 .forward = interpolate_forward,
                                 .backward = interpolate_backward};
