/* Resizing of images, N x C x H x W. The memory order of the input is kept. */
#include "autograd/dense.h"
#include "kernels/interpolate.h"

/* SCALE: distance of outputs in inputs, 0 for size / count. */
enum { OUT_H, OUT_W, MODE, ALIGN_CORNERS, SCALE_H, SCALE_W };

static cd_status interpolate_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[0];
    char got[CD_SHAPE_TEXT];
    CD_TRY(cd_check_float(x, "interpolate", err));
    if (x->ndim != 4 || x->shape[2] < 1 || x->shape[3] < 1) {
        return cd_fail(err, CD_ESHAPE, "interpolate: expected an input of size N x C x H x W, got size %s.",
                       cd_shape_text(got, x->ndim, x->shape));
    }
    int64_t shape[4] = {x->shape[0], x->shape[1], cd_int_attr(call->attr, OUT_H),
                        cd_int_attr(call->attr, OUT_W)};
    if (shape[2] < 1 || shape[3] < 1) {
        return cd_fail(err, CD_EVALUE,
                       "interpolate: the output must have at least one pixel, got %lld x %lld.",
                       (long long)shape[2], (long long)shape[3]);
    }
    return cd_out(call, 0, x->dtype, 4, shape, cd_tensor_preferred_layout(x), err);
}

/* Taps for both sides; x is the small description of the input. */
static cd_status make_taps(cdk_resize_taps *rows, cdk_resize_taps *columns, const cd_tensor *x,
                           const double *attr, cd_error *err)
{
    cdk_interpolation mode = (cdk_interpolation)attr[MODE];
    bool align = attr[ALIGN_CORNERS] != 0;
    CD_TRY(
        cdk_resize_taps_make(rows, x->shape[2], cd_int_attr(attr, OUT_H), mode, align, attr[SCALE_H], err));
    return cdk_resize_taps_make(columns, x->shape[3], cd_int_attr(attr, OUT_W), mode, align, attr[SCALE_W],
                                err);
}

static void resize(cd_tensor *to, const cd_tensor *from, const cd_tensor *x, bool last, bool gradient,
                   const cdk_resize_taps *rows, const cdk_resize_taps *columns)
{
    int64_t C = last ? x->shape[1] : 1, planes = last ? x->shape[0] : x->shape[0] * x->shape[1];
    int64_t H = x->shape[2], W = x->shape[3];
    void *out = cd_tensor_data(to), *in = cd_tensor_data(from);
    if (x->dtype == CD_FLOAT32) {
        (gradient ? cdk_interpolate_gradient_f32 : cdk_interpolate_f32)(out, in, planes, H, W, C, rows,
                                                                        columns);
    } else {
        (gradient ? cdk_interpolate_gradient_f64 : cdk_interpolate_f64)(out, in, planes, H, W, C, rows,
                                                                        columns);
    }
}

static cd_status interpolate_forward(cd_call *call, cd_error *err)
{
    cdk_resize_taps rows = {0}, columns = {0};
    cd_tensor *x = NULL;
    cd_status status = cd_dense_like(&x, call->in[0], call->out[0], err);
    if (status == CD_OK) {
        status = make_taps(&rows, &columns, x, call->attr, err);
    }
    if (status == CD_OK) {
        resize(call->out[0], x, x, cd_dense_layout(call->out[0]) == CD_CHANNELS_LAST, false, &rows, &columns);
    }
    cdk_resize_taps_free(&rows);
    cdk_resize_taps_free(&columns);
    cd_tensor_release(x);
    return status;
}

static cd_status interpolate_backward(cd_gradient *g, cd_error *err)
{
    cdk_resize_taps rows = {0}, columns = {0};
    cd_tensor *dy = NULL;
    const cd_tensor *x = g->in[0];
    cd_layout layout = cd_tensor_preferred_layout(g->dy[0]);
    cd_status status = cd_tensor_as(&dy, g->dy[0], x->dtype, layout, err);
    if (status == CD_OK) {
        status = cd_tensor_new(&g->dx[0], x->dtype, 4, x->shape, layout, err);
    }
    if (status == CD_OK) {
        status = make_taps(&rows, &columns, x, g->attr, err);
    }
    if (status == CD_OK) {
        resize(g->dx[0], dy, x, layout == CD_CHANNELS_LAST, true, &rows, &columns);
    }
    cdk_resize_taps_free(&rows);
    cdk_resize_taps_free(&columns);
    cd_tensor_release(dy);
    return status;
}

const cd_op cd_op_interpolate = {.name = "interpolate",
                                 .backward_name = "UpsampleBackward0",
                                 .min_in = 1,
                                 .max_in = 1,
                                 .n_out = 1,
                                 .shape = interpolate_shape,
                                 .forward = interpolate_forward,
                                 .backward = interpolate_backward};
