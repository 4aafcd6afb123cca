#include "autograd/picture.h"

#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/activation.h"
#include "kernels/interpolate.h"
#include "kernels/pixels.h"
#include "kernels/standardise.h"
#include "tensor/elements.h"
#include "tensor/pending.h"

/* More channels than that are not standardised along with the rest. */
#define CHANNELS 4

/* What is done to the bytes, as the numbers of a pending tensor. OUT_H is 0 where the size stays. */
enum {
    OUT_H,
    OUT_W,
    ALIGN_CORNERS,
    SCALE_H,
    SCALE_W,
    FLIP_H,
    FLIP_W,
    STANDARDISED,
    MEAN,
    STD = MEAN + CHANNELS,
    STEPS = STD + CHANNELS
};

static cd_status shape_of(cd_tensor **picture, const cd_tensor *bytes, const double *steps, cd_error *err)
{
    const bool resized = steps[OUT_H] != 0;
    int64_t shape[] = {bytes->shape[2], resized ? (int64_t)steps[OUT_H] : bytes->shape[0],
                       resized ? (int64_t)steps[OUT_W] : bytes->shape[1]};
    CD_TRY(cd_tensor_new_shape(picture, CD_FLOAT32, 3, shape, CD_CONTIGUOUS, err));
    (*picture)->stride[0] = 1;
    (*picture)->stride[1] = shape[2] * shape[0];
    (*picture)->stride[2] = shape[0];
    return CD_OK;
}

/* ---- computing ---- */

static cd_status taps_make(cdk_resize_taps *t, int64_t size, int64_t count, bool align_corners, double scale,
                           bool flip, cd_error *err)
{
    CD_TRY(cdk_resize_taps_make(t, size, count, CDK_BILINEAR, align_corners, scale, err));
    if (flip) {
        cdk_resize_taps_reverse(t);
    }
    return CD_OK;
}

static cd_status resize(float *y, const cd_tensor *bytes, const cdk_resize_taps *rows,
                        const cdk_resize_taps *columns, cd_error *err)
{
    const int64_t H = bytes->shape[0], W = bytes->shape[1], C = bytes->shape[2];
    float *scratch;
    CD_TRY(cd_memory_floats(&scratch, (int64_t)cdk_bilinear_scratch(columns, C), cd_threads(), 1, err));
    cdk_bilinear_bytes(y, cd_tensor_data(bytes), 1, H, W, C, rows, columns, scratch);
    cd_memory_free(scratch);
    return CD_OK;
}

static cd_status resize_and_flip(float *y, const cd_tensor *bytes, const double *steps, cd_error *err)
{
    const bool align = steps[ALIGN_CORNERS] != 0;
    cdk_resize_taps rows = {0}, columns = {0};
    cd_status status = taps_make(&rows, bytes->shape[0], (int64_t)steps[OUT_H], align, steps[SCALE_H],
                                 steps[FLIP_H] != 0, err);
    if (status == CD_OK) {
        status = taps_make(&columns, bytes->shape[1], (int64_t)steps[OUT_W], align, steps[SCALE_W],
                           steps[FLIP_W] != 0, err);
    }
    if (status == CD_OK) {
        status = resize(y, bytes, &rows, &columns, err);
    }
    cdk_resize_taps_free(&rows);
    cdk_resize_taps_free(&columns);
    return status;
}

/* y: the picture with its channels side by side. */
static cd_status fill(cd_tensor *y, const cd_tensor *bytes, const double *steps, cdk_activation activation,
                      cd_error *err)
{
    float *to = cd_tensor_data(y);
    const int64_t C = y->shape[0], pixels = y->shape[1] * y->shape[2];
    if (steps[OUT_H] != 0) {
        CD_TRY(resize_and_flip(to, bytes, steps, err));
    } else {
        cdk_byte_shares(to, cd_tensor_data(bytes), C * pixels);
    }
    if (steps[STANDARDISED] != 0) {
        cdk_standardise_pixels_f32(to, to, 1, pixels, C, steps + MEAN, steps + STD);
    }
    cdk_rectify_f32(to, C * pixels, activation);
    return CD_OK;
}

/* The tensor to fill may lie otherwise in memory than the bytes. */
static cd_status picture_recipe(cd_tensor *t, const cd_pending *pending, cdk_activation activation,
                                cd_error *err)
{
    const cd_tensor *bytes = pending->source[0];
    cd_tensor *picture;
    CD_TRY(shape_of(&picture, bytes, pending->attr, err));
    if (cd_tensor_same_strides(picture, t)) {
        cd_tensor_release(picture);
        return fill(t, bytes, pending->attr, activation, err);
    }
    cd_status status = cd_tensor_allocate(picture, err);
    if (status == CD_OK) {
        status = fill(picture, bytes, pending->attr, activation, err);
    }
    if (status == CD_OK) {
        status = cd_elements_copy(t, picture, NULL, err);
    }
    cd_tensor_release(picture);
    return status;
}

/* ---- postponing ---- */

cd_status cd_picture_from_bytes(cd_tensor **picture, cd_tensor *bytes, cd_error *err)
{
    const double steps[STEPS] = {0};
    CD_TRY(shape_of(picture, bytes, steps, err));
    cd_status status = cd_tensor_postpone(*picture, picture_recipe, 1, &bytes, STEPS, steps, err);
    if (status == CD_OK && !cd_postponing()) {
        status = cd_tensor_force(*picture, err);
    }
    if (status != CD_OK) {
        cd_tensor_release(*picture);
        *picture = NULL;
    }
    return status;
}

bool cd_picture_is_pending(const cd_tensor *t)
{
    return cd_pending_result(t, picture_recipe) != NULL;
}

/* What is done to x so far, to be added to; false where x is no pending picture. */
static bool steps_of(double *steps, const cd_tensor *x)
{
    const cd_pending *picture = cd_pending_result(x, picture_recipe);
    if (picture != NULL) {
        memcpy(steps, picture->attr, STEPS * sizeof *steps);
    }
    return picture != NULL;
}

static cd_status postpone(cd_tensor *y, const cd_tensor *x, const double *steps, cd_error *err)
{
    return cd_tensor_postpone(y, picture_recipe, 1, &x->pending->source[0], STEPS, steps, err);
}

cd_status cd_picture_resize(cd_tensor *y, const cd_tensor *x, cd_picture_resizing how, cd_error *err)
{
    double steps[STEPS];
    if (!steps_of(steps, x) || steps[OUT_H] != 0 || steps[STANDARDISED] != 0) {
        return CD_OK;
    }
    steps[OUT_H] = (double)y->shape[1];
    steps[OUT_W] = (double)y->shape[2];
    steps[ALIGN_CORNERS] = how.align_corners;
    steps[SCALE_H] = how.scale_h;
    steps[SCALE_W] = how.scale_w;
    return postpone(y, x, steps, err);
}

cd_status cd_picture_standardise(cd_tensor *y, const cd_tensor *x, const double *mean, const double *std,
                                 cd_error *err)
{
    double steps[STEPS];
    if (!steps_of(steps, x) || steps[STANDARDISED] != 0 || x->shape[0] > CHANNELS) {
        return CD_OK;
    }
    steps[STANDARDISED] = 1;
    memcpy(steps + MEAN, mean, (size_t)x->shape[0] * sizeof *mean);
    memcpy(steps + STD, std, (size_t)x->shape[0] * sizeof *std);
    return postpone(y, x, steps, err);
}

cd_status cd_picture_flip(cd_tensor *y, const cd_tensor *x, const bool *reversed, cd_error *err)
{
    double steps[STEPS];
    if (!steps_of(steps, x) || steps[OUT_H] == 0 || reversed[0]) {
        return CD_OK;
    }
    steps[FLIP_H] = (steps[FLIP_H] != 0) != reversed[1];
    steps[FLIP_W] = (steps[FLIP_W] != 0) != reversed[2];
    return postpone(y, x, steps, err);
}
