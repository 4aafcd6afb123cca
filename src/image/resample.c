#include "image/resample.h"

#include <stdlib.h>

#include "base/parallel.h"
#include "kernels/interpolate.h"
#include "kernels/standardise.h"

static cd_status make_taps(cdk_resize_taps *rows, cdk_resize_taps *columns, const cd_image *image,
                           int64_t height, int64_t width, cdk_interpolation mode, cd_error *err)
{
    CD_TRY(cdk_resize_taps_make(rows, image->height, height, mode, false, 0, err));
    return cdk_resize_taps_make(columns, image->width, width, mode, false, 0, err);
}

static cd_status resize_rgb(float *y, const cd_image *image, const cdk_resize_taps *rows,
                            const cdk_resize_taps *columns, cd_error *err)
{
    float *scratch = malloc(cdk_bilinear_scratch(columns, 3) * (size_t)cd_threads() * sizeof *scratch);
    if (scratch == NULL) {
        return cd_fail(err, CD_EALLOC, "no memory to resize an image to width %lld.",
                       (long long)columns->count);
    }
    cdk_bilinear_bytes(y, image->pixels, 1, image->height, image->width, 3, rows, columns, scratch);
    free(scratch);
    return CD_OK;
}

static void standardise(float *y, int64_t pixels, const float *mean, const float *std)
{
    double centre[] = {mean[0], mean[1], mean[2]}, spread[] = {std[0], std[1], std[2]};
    cdk_standardise_pixels_f32(y, y, 1, pixels, 3, centre, spread);
}

cd_status cd_image_resize_rgb(float *y, const cd_image *image, int64_t height, int64_t width,
                              const float *mean, const float *std, cd_error *err)
{
    cdk_resize_taps rows = {0}, columns = {0};
    cd_status status = make_taps(&rows, &columns, image, height, width, CDK_BILINEAR, err);
    if (status == CD_OK) {
        status = resize_rgb(y, image, &rows, &columns, err);
    }
    if (status == CD_OK && mean != NULL) {
        standardise(y, height * width, mean, std);
    }
    cdk_resize_taps_free(&rows);
    cdk_resize_taps_free(&columns);
    return status;
}

static void pick_labels(int64_t *y, const cd_image *image, const cdk_resize_taps *rows,
                        const cdk_resize_taps *columns)
{
    for (int64_t i = 0; i < rows->count; i++) {
        int64_t row = rows->index[i] * image->width;
        for (int64_t j = 0; j < columns->count; j++) {
            int64_t at = row + columns->index[j];
            *y++ = image->bits == 16 ? ((const uint16_t *)image->pixels)[at]
                                     : ((const uint8_t *)image->pixels)[at];
        }
    }
}

cd_status cd_image_resize_labels(int64_t *y, const cd_image *image, int64_t height, int64_t width,
                                 cd_error *err)
{
    cdk_resize_taps rows = {0}, columns = {0};
    cd_status status = make_taps(&rows, &columns, image, height, width, CDK_NEAREST, err);
    if (status == CD_OK) {
        pick_labels(y, image, &rows, &columns);
    }
    cdk_resize_taps_free(&rows);
    cdk_resize_taps_free(&columns);
    return status;
}
