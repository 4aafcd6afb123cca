#include "image/resample.h"

#include <math.h>
#include <stdlib.h>

/* Two neighbours of a target position, and the weight of the second. */
typedef struct tap {
    int64_t first, second;
    float weight;
} tap;

static tap bilinear_tap(int64_t target, int64_t n_in, int64_t n_out)
{
    float scale = (float)n_in / (float)n_out;
    float source = ((float)target + 0.5f) * scale - 0.5f;
    source = source < 0 ? 0 : source;
    int64_t first = (int64_t)source;
    first = first < n_in - 1 ? first : n_in - 1;
    tap t = {first, first < n_in - 1 ? first + 1 : first, source - (float)first};
    return t;
}

static void fill_byte_values(float value[256])
{
    for (int i = 0; i < 256; i++) {
        value[i] = (float)(i / 255.0);
    }
}

/* One source row, resized in width. */
static void resize_row(float *y, const uint8_t *x, int64_t width, const tap *columns, const float *value)
{
    for (int64_t j = 0; j < width; j++, y += 3) {
        const uint8_t *a = x + 3 * columns[j].first, *b = x + 3 * columns[j].second;
        float w = columns[j].weight;
        for (int c = 0; c < 3; c++) {
            y[c] = (1 - w) * value[a[c]] + w * value[b[c]];
        }
    }
}

static void blend_rows(float *y, const float *upper, const float *lower, float w, int64_t width,
                       const float *mean, const float *std)
{
    for (int64_t j = 0; j < 3 * width; j++) {
        y[j] = (1 - w) * upper[j] + w * lower[j];
    }
    if (mean == NULL) {
        return;
    }
    for (int64_t j = 0; j < 3 * width; j += 3) {
        for (int c = 0; c < 3; c++) {
            y[j + c] = (y[j + c] - mean[c]) / std[c];
        }
    }
}

/* Two resized source rows are kept: neighbouring target rows often share them. */
typedef struct row_pair {
    float *row[2];
    int64_t source[2];
} row_pair;

static const float *resized_row(row_pair *rows, int64_t source, int slot, const cd_image *image,
                                int64_t width, const tap *columns, const float *value)
{
    for (int k = 0; k < 2; k++) {
        if (rows->source[k] == source) {
            return rows->row[k];
        }
    }
    resize_row(rows->row[slot], (const uint8_t *)image->pixels + source * image->width * 3, width, columns,
               value);
    rows->source[slot] = source;
    return rows->row[slot];
}

cd_status cd_image_resize_rgb(float *y, const cd_image *image, int64_t height, int64_t width,
                              const float *mean, const float *std, cd_error *err)
{
    float value[256];
    tap *columns = malloc((size_t)width * (sizeof *columns + 6 * sizeof(float)));
    if (columns == NULL) {
        return cd_fail(err, CD_EALLOC, "no memory to resize an image to width %lld.", (long long)width);
    }
    row_pair rows = {.row = {(float *)(columns + width), (float *)(columns + width) + 3 * width},
                     .source = {-1, -1}};
    fill_byte_values(value);
    for (int64_t j = 0; j < width; j++) {
        columns[j] = bilinear_tap(j, image->width, width);
    }
    for (int64_t i = 0; i < height; i++) {
        tap t = bilinear_tap(i, image->height, height);
        int slot = rows.source[0] == t.second ? 1 : 0;
        const float *upper = resized_row(&rows, t.first, slot, image, width, columns, value);
        const float *lower =
            resized_row(&rows, t.second, upper == rows.row[0] ? 1 : 0, image, width, columns, value);
        blend_rows(y + i * width * 3, upper, lower, t.weight, width, mean, std);
    }
    free(columns);
    return CD_OK;
}

static int64_t nearest(int64_t target, int64_t n_in, int64_t n_out)
{
    float scale = (float)n_in / (float)n_out;
    int64_t source = (int64_t)floorf((float)target * scale);
    return source < n_in - 1 ? source : n_in - 1;
}

void cd_image_resize_labels(int64_t *y, const cd_image *image, int64_t height, int64_t width)
{
    for (int64_t i = 0; i < height; i++) {
        int64_t row = nearest(i, image->height, height) * image->width;
        for (int64_t j = 0; j < width; j++) {
            int64_t at = row + nearest(j, image->width, width);
            *y++ = image->bits == 16 ? ((const uint16_t *)image->pixels)[at]
                                     : ((const uint8_t *)image->pixels)[at];
        }
    }
}

/* Pixels converted at a time: a fixed count, which compilers turn into vector instructions. */
#define CONVERTED 32

static void byte_floats(float *restrict y, const uint8_t *restrict x, int64_t n)
{
    int64_t i = 0;
    for (; i + CONVERTED <= n; i += CONVERTED) {
        for (int k = 0; k < CONVERTED; k++) {
            y[i + k] = (float)x[i + k] / 255.0f;
        }
    }
    for (; i < n; i++) {
        y[i] = (float)x[i] / 255.0f;
    }
}

void cd_image_floats(float *y, const cd_image *image)
{
    int64_t n = image->height * image->width * image->channels;
    if (image->bits == 8) {
        byte_floats(y, image->pixels, n);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        y[i] = (float)(((const uint16_t *)image->pixels)[i] / 65535.0);
    }
}
