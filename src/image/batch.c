#include "image/batch.h"

#include <stdlib.h>

#include "base/interrupt.h"
#include "base/parallel.h"
#include "image/decode.h"
#include "image/resample.h"

/* Files decoded between two questions for an interrupt. */
#define GROUP 32

typedef struct batch batch;

struct batch {
    cd_status (*read_one)(batch *b, int64_t i, cd_error *err);
    const char *const *paths;
    int64_t height, width;
    const float *mean, *std;
    float *pixels;
    int64_t *labels;
    cd_image *images;
    int64_t first;    /* file of errors[0] */
    cd_error *errors; /* one per file of the group */
};

static void read_range(void *context, int64_t begin, int64_t end, int thread)
{
    batch *b = context;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        b->errors[i].code = CD_OK;
        b->read_one(b, b->first + i, &b->errors[i]);
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

static cd_status run(batch *b, int64_t n, cd_error *err)
{
    b->errors = malloc(GROUP * sizeof *b->errors);
    if (b->errors == NULL) {
        return cd_fail(err, CD_EALLOC, "no memory to read images.");
    }
    cd_status status = read_groups(b, n, err);
    free(b->errors);
    return status;
}

static cd_status read_resized(batch *b, int64_t i, cd_error *err)
{
    cd_image image;
    CD_TRY(cd_image_read(&image, b->paths[i], CD_AS_RGB8, err));
    float *y = b->pixels + i * b->height * b->width * 3;
    cd_status status = cd_image_resize_rgb(y, &image, b->height, b->width, b->mean, b->std, err);
    cd_image_free(&image);
    return status;
}

static cd_status read_labels(batch *b, int64_t i, cd_error *err)
{
    cd_image image;
    CD_TRY(cd_image_read(&image, b->paths[i], CD_AS_LABELS, err));
    cd_image_resize_labels(b->labels + i * b->height * b->width, &image, b->height, b->width);
    cd_image_free(&image);
    return CD_OK;
}

static cd_status read_whole(batch *b, int64_t i, cd_error *err)
{
    return cd_image_read(&b->images[i], b->paths[i], CD_AS_RGB8, err);
}

cd_status cd_image_read_batch(float *y, const char *const *paths, int64_t n, int64_t height, int64_t width,
                              const float *mean, const float *std, cd_error *err)
{
    batch b = {.read_one = read_resized,
               .paths = paths,
               .height = height,
               .width = width,
               .mean = mean,
               .std = std,
               .pixels = y};
    return run(&b, n, err);
}

cd_status cd_labels_read_batch(int64_t *y, const char *const *paths, int64_t n, int64_t height, int64_t width,
                               cd_error *err)
{
    batch b = {.read_one = read_labels, .paths = paths, .height = height, .width = width, .labels = y};
    return run(&b, n, err);
}

cd_status cd_image_read_many(cd_image *images, const char *const *paths, int64_t n, cd_error *err)
{
    batch b = {.read_one = read_whole, .paths = paths, .images = images};
    for (int64_t i = 0; i < n; i++) {
        images[i].pixels = NULL;
    }
    return run(&b, n, err);
}
