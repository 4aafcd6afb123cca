/* Images of bytes as the numbers a network reads. */
#ifndef CANDELA_KERNELS_BYTE_IMAGE_H
#define CANDELA_KERNELS_BYTE_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "kernels/interpolate.h"

/* What is done to bytes on their way to floats, in this order: they are shares of 255, they are resized
 * bilinearly, and they are normalised. */
typedef struct cdk_byte_image {
    const uint8_t *bytes; /* [H][W][C] */
    int64_t H, W, C;
    const cdk_resize_form *form;  /* NULL: the size stays */
    bool flip_rows, flip_columns; /* where it does: the result has them in the opposite order */
    const double *mean, *std;     /* [C], C <= CDK_NORMALISE_CHANNELS; NULL: they are not normalised */
} cdk_byte_image;

/* y[h][w][c] = (bilinear(bytes / 255)[h][w][c] - mean[c]) / std[c]; y is [form->rows][form->columns][C], or
 * [H][W][C]. Any thread may call. Errors: CD_EALLOC. */
cd_status cdk_byte_image_to_f32(float *y, const cdk_byte_image *image, cd_error *err);

#endif
