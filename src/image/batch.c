#include "image/batch.h"

#include <stdlib.h>

#include "base/interrupt.h"
#include "base/parallel.h"
#include "image/decode.h"
#include "kernels/byte_image.h"

/* Files decoded between two questions for an interrupt. */
#define GROUP 32

/* Pixels of one picture after the other, of one thread. */
typedef struct canvas {
    void *pixels;
    size_t size;
} canvas;

typedef struct batch batch;

struct batch {
    cd_status (*read_one)(batch *b, int64_t i, int thread, cd_error *err);
    const char *const *paths;
    int64_t height, width;
    const double *mean, *std;
    float *y;
    int64_t *labels;
    int64_t first;    /* file of errors[0] */
    cd_error *errors; /* one per file of the group */
    canvas *canvases; /* one per thread */
};

static void read_range(void *context, int64_t begin, int64_t end, int thread)
{
    batch *b = context;
    for (int64_t i = begin; i < end; i++) {
        b->errors[i].code = CD_OK;
        b->read_one(b, b->first + i, thread, &b->errors[i]);
    }
}

static cd_status read_groups(batch *b, int64_t n, cd_error *err)
{
    for (b->first = 0; b->first < n; b->first += GROUP) {
        int64_t size = n - b->first < GROUP ? n - b->first : GROUP;
        CD_TRY(cd_interrupt_check(err));
        cd_parallel_chunks(size, 1, read_range, b);
        for (int64_t i = 0; i < size; i++) {
            if (b->errors[i].code != CD_OK) {
                *err = b->errors[i];
                return err->code;
            }
        }
    }
    return CD_OK;
}

static void free_canvases(canvas *canvases, int n)
{
    for (int i = 0; canvases != NULL && i < n; i++) {
        free(canvases[i].pixels);
    }
    free(canvases);
}

static cd_status run(batch *b, int64_t n, cd_error *err)
{
    int threads = cd_threads();
    b->errors = malloc(GROUP * sizeof *b->errors);
    b->canvases = calloc((size_t)threads, sizeof *b->canvases);
    cd_status status = b->errors != NULL && b->canvases != NULL
                           ? read_groups(b, n, err)
                           : cd_fail(err, CD_EALLOC, "no memory to read images.");
    free_canvases(b->canvases, threads);
    free(b->errors);
    return status;
}

/* ---- resized to one size ---- */

static cd_status make_room(canvas *c, size_t size, cd_error *err)
{
    if (size > c->size) {
        free(c->pixels);
        c->pixels = malloc(size);
        c->size = c->pixels != NULL ? size : 0;
    }
    return c->pixels != NULL
               ? CD_OK
               : cd_fail(err, CD_EALLOC, "no memory for an image of %lld bytes.", (long long)size);
}

/* The picture lies in the thread's canvas. */
static cd_status read_picture(cd_image *image, batch *b, int64_t i, int thread, cd_decode_as as,
                              cd_error *err)
{
    cd_image_file file;
    canvas *c = &b->canvases[thread];
    CD_TRY(cd_image_file_open(&file, &(cd_picture_request){.path = b->paths[i], .as = as}, err));
    cd_status status = make_room(c, cd_image_bytes(&file.image), err);
    if (status == CD_OK) {
        status = cd_image_file_decode(&file, c->pixels, err);
    }
    *image = file.image;
    image->pixels = c->pixels;
    cd_image_file_close(&file);
    return status;
}

/* Pixels of more than 8 bits as floats, shares of 65535 where they are of 16. Caller frees *x. */
static cd_status wide_pixels(float **x, const cd_image *image, cd_error *err)
{
    const int64_t n = image->height * image->width * image->channels;
    *x = malloc((size_t)n * sizeof **x);
    if (*x == NULL) {
        return cd_fail(err, CD_EALLOC, "no memory for an image of %lld numbers.", (long long)n);
    }
    for (int64_t i = 0; i < n; i++) {
        (*x)[i] = image->bits == 16 ? (float)(((const uint16_t *)image->pixels)[i] / 65535.0)
                                    : ((const float *)image->pixels)[i];
    }
    return CD_OK;
}

static void normalise(float *y, int64_t pixels, const double *mean, const double *std)
{
    for (int64_t i = 0; mean != NULL && i < pixels * 3; i++) {
        y[i] = (y[i] - (float)mean[i % 3]) / (float)std[i % 3];
    }
}

/* y from x; scratch of its own, as any thread may read. */
static cd_status resize_wide(float *y, const float *x, const cdk_resizing *r, cd_error *err)
{
    const size_t floats = cdk_bilinear_scratch(r) * (size_t)cd_threads();
    float *scratch = malloc(floats * sizeof *scratch);
    if (scratch == NULL) {
        return cd_fail(err, CD_EALLOC, "no memory to resize an image.");
    }
    cdk_bilinear[CD_FLOAT32](y, x, r, scratch);
    free(scratch);
    return CD_OK;
}

static cd_status read_wide(float *y, const batch *b, const cd_image *image, cd_error *err)
{
    float *x;
    cdk_resizing r;
    const int64_t size[] = {1, image->height, image->width, 3};
    const cdk_resize_form form = {.mode = CDK_BILINEAR, .rows = b->height, .columns = b->width};
    CD_TRY(cdk_resizing_make(&r, size, &form, err));
    cd_status status = wide_pixels(&x, image, err);
    if (status == CD_OK) {
        status = resize_wide(y, x, &r, err);
        normalise(y, b->height * b->width, b->mean, b->std);
        free(x);
    }
    cdk_resizing_free(&r);
    return status;
}

static cd_status read_resized(batch *b, int64_t i, int thread, cd_error *err)
{
    cd_image image;
    CD_TRY(read_picture(&image, b, i, thread, CD_AS_RGB, err));
    if (image.bits > 8) {
        return read_wide(b->y + i * b->height * b->width * 3, b, &image, err);
    }
    const cdk_resize_form form = {.mode = CDK_BILINEAR, .rows = b->height, .columns = b->width};
    const cdk_byte_image bytes = {.bytes = image.pixels,
                                  .H = image.height,
                                  .W = image.width,
                                  .C = 3,
                                  .form = &form,
                                  .mean = b->mean,
                                  .std = b->std};
    return cdk_byte_image_to_f32(b->y + i * b->height * b->width * 3, &bytes, err);
}

static void pick_labels(int64_t *y, const cd_image *image, const cdk_resizing *r)
{
    for (int64_t i = 0; i < r->rows.count; i++) {
        int64_t row = r->rows.index[i] * image->width;
        for (int64_t j = 0; j < r->columns.count; j++) {
            int64_t at = row + r->columns.index[j];
            *y++ = image->bits == 32   ? ((const int32_t *)image->pixels)[at]
                   : image->bits == 16 ? ((const uint16_t *)image->pixels)[at]
                                       : ((const uint8_t *)image->pixels)[at];
        }
    }
}

static cd_status read_labels(batch *b, int64_t i, int thread, cd_error *err)
{
    cd_image image;
    cdk_resizing r;
    CD_TRY(read_picture(&image, b, i, thread, CD_AS_LABELS, err));
    const int64_t size[] = {1, image.height, image.width, 1};
    const cdk_resize_form form = {.mode = CDK_NEAREST, .rows = b->height, .columns = b->width};
    CD_TRY(cdk_resizing_make(&r, size, &form, err));
    pick_labels(b->labels + i * b->height * b->width, &image, &r);
    cdk_resizing_free(&r);
    return CD_OK;
}

cd_status cd_image_read_batch(float *y, const char *const *paths, int64_t n, cd_image_batch form,
                              cd_error *err)
{
    batch b = {.read_one = read_resized,
               .paths = paths,
               .height = form.height,
               .width = form.width,
               .mean = form.mean,
               .std = form.std,
               .y = y};
    return run(&b, n, err);
}

cd_status cd_labels_read_batch(int64_t *y, const char *const *paths, int64_t n, cd_image_batch form,
                               cd_error *err)
{
    batch b = {
        .read_one = read_labels, .paths = paths, .height = form.height, .width = form.width, .labels = y};
    return run(&b, n, err);
}
