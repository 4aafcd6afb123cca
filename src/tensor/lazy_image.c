#include "tensor/lazy_image.h"

#include <string.h>

#include "kernels/activation.h"
#include "kernels/byte_image.h"
#include "tensor/elements.h"
#include "tensor/lazy.h"

/* More channels than that are not normalised along with the rest. */
#define CHANNELS 4

/* What is done to the bytes, as the attributes of a lazy tensor. OUT_H is 0 where the size stays. */
enum {
    OUT_H,
    OUT_W,
    ALIGN_CORNERS,
    SCALE_H,
    SCALE_W,
    FLIP_H,
    FLIP_W,
    NORMALISED,
    MEAN,
    STD = MEAN + CHANNELS,
    STEPS = STD + CHANNELS
};

static cd_status shape_of(cd_tensor **image, const cd_tensor *bytes, const double *steps, cd_error *err)
{
    const bool resized = steps[OUT_H] != 0;
    int64_t shape[] = {bytes->shape[2], resized ? (int64_t)steps[OUT_H] : bytes->shape[0],
                       resized ? (int64_t)steps[OUT_W] : bytes->shape[1]};
    CD_TRY(cd_tensor_new_shape(image, CD_FLOAT32, 3, shape, CD_CONTIGUOUS, err));
    (*image)->stride[0] = 1;
    (*image)->stride[1] = shape[2] * shape[0];
    (*image)->stride[2] = shape[0];
    return CD_OK;
}

/* ---- computing ---- */

/* y: the image with its channels side by side. */
static cd_status fill(cd_tensor *y, const cd_tensor *bytes, const double *steps, const cdk_epilogue *end,
                      cd_error *err)
{
    const bool resized = steps[OUT_H] != 0, normalised = steps[NORMALISED] != 0;
    const cdk_resize_form form = {.mode = CDK_BILINEAR,
                                  .align_corners = steps[ALIGN_CORNERS] != 0,
                                  .rows = (int64_t)steps[OUT_H],
                                  .columns = (int64_t)steps[OUT_W],
                                  .row_step = steps[SCALE_H],
                                  .column_step = steps[SCALE_W],
                                  .flip_rows = steps[FLIP_H] != 0,
                                  .flip_columns = steps[FLIP_W] != 0};
    const cdk_byte_image image = {.bytes = cd_tensor_data(bytes),
                                  .H = bytes->shape[0],
                                  .W = bytes->shape[1],
                                  .C = bytes->shape[2],
                                  .form = resized ? &form : NULL,
                                  .flip_rows = !resized && form.flip_rows,
                                  .flip_columns = !resized && form.flip_columns,
                                  .mean = normalised ? steps + MEAN : NULL,
                                  .std = normalised ? steps + STD : NULL};
    CD_TRY(cdk_byte_image_to_f32(cd_tensor_data(y), &image, err));
    cd_lazy_finish(y, end);
    return CD_OK;
}

/* For a tensor that lies otherwise in memory than the bytes. The mask is in the order of t. */
static cd_status fill_other_order(cd_tensor *t, cd_tensor *image, const cd_lazy *lazy,
                                  const cdk_epilogue *end, cd_error *err)
{
    const cdk_epilogue activate = {.activation = end->activation};
    cdk_epilogue rest = *end;
    rest.activation = CDK_ACTIVATION_NONE;
    CD_TRY(cd_tensor_allocate(image, err));
    CD_TRY(fill(image, lazy->source[0], lazy->attr, &activate, err));
    CD_TRY(cd_elements_copy(t, image, NULL, err));
    cd_lazy_finish(t, &rest);
    return CD_OK;
}

static cd_status compute_image(cd_tensor *t, const cd_lazy *lazy, const cdk_epilogue *end, cd_error *err)
{
    cd_tensor *image;
    CD_TRY(shape_of(&image, lazy->source[0], lazy->attr, err));
    const cd_status status = cd_tensor_same_strides(image, t) ? fill(t, lazy->source[0], lazy->attr, end, err)
                                                              : fill_other_order(t, image, lazy, end, err);
    cd_tensor_release(image);
    return status;
}

/* ---- deferring ---- */

cd_status cd_lazy_image_new(cd_tensor **image, cd_tensor *bytes, cd_error *err)
{
    const double steps[STEPS] = {0};
    CD_TRY(shape_of(image, bytes, steps, err));
    cd_status status = cd_tensor_defer(*image, compute_image, 1, &bytes, STEPS, steps, err);
    if (status == CD_OK && !cd_deferring()) {
        status = cd_tensor_materialise(*image, err);
    }
    if (status != CD_OK) {
        cd_tensor_release(*image);
        *image = NULL;
    }
    return status;
}

bool cd_is_lazy_image(const cd_tensor *t)
{
    return cd_lazy_result(t, compute_image) != NULL;
}

/* What is done to x so far, to be added to; false where x is no lazy image. */
static bool steps_of(double *steps, const cd_tensor *x)
{
    const cd_lazy *image = cd_lazy_result(x, compute_image);
    if (image != NULL) {
        memcpy(steps, image->attr, STEPS * sizeof *steps);
    }
    return image != NULL;
}

static cd_status defer(cd_tensor *y, const cd_tensor *x, const double *steps, cd_error *err)
{
    return cd_tensor_defer(y, compute_image, 1, &x->lazy->source[0], STEPS, steps, err);
}

cd_status cd_lazy_image_resize(cd_tensor *y, const cd_tensor *x, cd_lazy_resizing how, cd_error *err)
{
    double steps[STEPS];
    if (!steps_of(steps, x) || steps[OUT_H] != 0 || steps[NORMALISED] != 0 || steps[FLIP_H] != 0 ||
        steps[FLIP_W] != 0) {
        return CD_OK;
    }
    steps[OUT_H] = (double)y->shape[1];
    steps[OUT_W] = (double)y->shape[2];
    steps[ALIGN_CORNERS] = how.align_corners;
    steps[SCALE_H] = how.scale_h;
    steps[SCALE_W] = how.scale_w;
    return defer(y, x, steps, err);
}

cd_status cd_lazy_image_normalise(cd_tensor *y, const cd_tensor *x, const double *mean, const double *std,
                                  cd_error *err)
{
    double steps[STEPS];
    if (!steps_of(steps, x) || steps[NORMALISED] != 0 || x->shape[0] > CHANNELS) {
        return CD_OK;
    }
    steps[NORMALISED] = 1;
    memcpy(steps + MEAN, mean, (size_t)x->shape[0] * sizeof *mean);
    memcpy(steps + STD, std, (size_t)x->shape[0] * sizeof *std);
    return defer(y, x, steps, err);
}

cd_status cd_lazy_image_flip(cd_tensor *y, const cd_tensor *x, const bool *reversed, cd_error *err)
{
    double steps[STEPS];
    if (!steps_of(steps, x) || reversed[0]) {
        return CD_OK;
    }
    steps[FLIP_H] = (steps[FLIP_H] != 0) != reversed[1];
    steps[FLIP_W] = (steps[FLIP_W] != 0) != reversed[2];
    return defer(y, x, steps, err);
}
