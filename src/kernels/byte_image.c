#include "kernels/byte_image.h"

#include <stdlib.h>

#include "base/parallel.h"
#include "kernels/image_normalise.h"
#include "kernels/pixels.h"

/* The scratch is malloc's and not the pool's, which belongs to the main thread. */
static cd_status resize_with(float *y, const uint8_t *bytes, const cdk_resizing *r, cd_error *err)
{
    float *scratch = malloc(cdk_bilinear_scratch(r) * (size_t)cd_threads() * sizeof *scratch);
    if (scratch == NULL) {
        return cd_fail(err, CD_EALLOC, "no memory to resize an image to width %lld.",
                       (long long)r->columns.count);
    }
    cdk_bilinear_of_bytes(y, bytes, r, scratch);
    free(scratch);
    return CD_OK;
}

static cd_status resize(float *y, const cdk_byte_image *image, cd_error *err)
{
    cdk_resizing r;
    const int64_t size[] = {1, image->H, image->W, image->C};
    CD_TRY(cdk_resizing_make(&r, size, image->form, err));
    cd_status status = resize_with(y, image->bytes, &r, err);
    cdk_resizing_free(&r);
    return status;
}

static void reverse_pixels(float *row, int64_t width, int64_t channels)
{
    for (int64_t i = 0, j = width - 1; i < j; i++, j--) {
        for (int64_t c = 0; c < channels; c++) {
            float kept = row[i * channels + c];
            row[i * channels + c] = row[j * channels + c];
            row[j * channels + c] = kept;
        }
    }
}

/* Shares of 255, rows and columns in the order asked for. */
static void shares(float *y, const cdk_byte_image *image)
{
    const int64_t n = image->W * image->C;
    if (!image->flip_rows && !image->flip_columns) {
        cdk_byte_shares(y, image->bytes, image->H * n);
        return;
    }
    for (int64_t i = 0; i < image->H; i++) {
        const int64_t from = image->flip_rows ? image->H - 1 - i : i;
        cdk_byte_shares(y + i * n, image->bytes + from * n, n);
        if (image->flip_columns) {
            reverse_pixels(y + i * n, image->W, image->C);
        }
    }
}

cd_status cdk_byte_image_to_f32(float *y, const cdk_byte_image *image, cd_error *err)
{
    int64_t pixels = image->H * image->W;
    if (image->form != NULL) {
        pixels = image->form->rows * image->form->columns;
        CD_TRY(resize(y, image, err));
    } else {
        shares(y, image);
    }
    if (image->mean != NULL) {
        cdk_normalise_pixels[CD_FLOAT32](y, y, 1, pixels, image->C, image->mean, image->std);
    }
    return CD_OK;
}
