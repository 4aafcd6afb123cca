/* Resizing of dense images along both sides:
 *
 *   y[h][w] = sum_{a, b} rows.weight[h][a] columns.weight[w][b] x[rows.index[h][a]][columns.index[w][b]]
 *
 * Channels-last images have planes = N and C channels; row-major ones (and C x H x W images) planes = N C and
 * C = 1. */
#ifndef CANDELA_KERNELS_INTERPOLATE_H
#define CANDELA_KERNELS_INTERPOLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "kernels/by_dtype.h"
#include "kernels/separable.h"

typedef enum { CDK_NEAREST, CDK_BILINEAR, CDK_BICUBIC } cdk_interpolation;

/* What is asked for. Nearest takes input floor(i step); bilinear has no antialiasing and clamps at the
 * borders; bicubic is Keys' (1981) with a = -0.75. */
typedef struct cdk_resize_form {
    cdk_interpolation mode;
    bool align_corners;
    int64_t rows, columns; /* of the result */
    /* Distance of outputs measured in inputs where the user has given the factor; 0: inputs / outputs, or
     * (inputs - 1) / (outputs - 1) with align_corners. */
    double row_step, column_step;
    bool flip_rows, flip_columns; /* the result has its rows, its columns, in the opposite order */
} cdk_resize_form;

/* What each output along one side is made of. */
typedef struct cdk_resize_taps {
    int64_t count, taps; /* outputs; inputs for each: 1, 2 or 4 */
    int64_t *index;      /* [count][taps] */
    double *weight;      /* [count][taps] */
} cdk_resize_taps;

/* The resizing of images of one size: x is [planes][H][W][C], y is [planes][rows.count][columns.count][C]. */
typedef struct cdk_resizing {
    int64_t planes, H, W, C;
    cdk_resize_taps rows, columns;
} cdk_resizing;

/* size: planes, H, W, C. The caller frees r with cdk_resizing_free; after an error there is nothing to free,
 * and doing so is harmless. Any thread may call. Errors: CD_EALLOC. */
cd_status cdk_resizing_make(cdk_resizing *r, const int64_t *size, const cdk_resize_form *form, cd_error *err);
void cdk_resizing_free(cdk_resizing *r);

/* The sides of s as sums (kernels/separable.h), for taps of any mode. The caller frees s with
 * cdk_separable_free, also after an error. Errors: CD_EALLOC. */
cd_status cdk_resizing_sides(cdk_separable *s, const cdk_resizing *r, cd_error *err);

/* y from x for bilinear taps: each row of x is stretched along its width first, then rows are blended.
 * scratch: cdk_bilinear_scratch() elements for each thread (cd_threads()).
 * _of_bytes: x holds 0 .. 255 for 0 .. 1, with the result of float32 for x / 255, bit for bit. */
size_t cdk_bilinear_scratch(const cdk_resizing *r);
typedef void cdk_bilinear_run(void *y, const void *x, const cdk_resizing *r, void *scratch);
extern cdk_bilinear_run *const cdk_bilinear[CD_DTYPES];
void cdk_bilinear_of_bytes(float *y, const uint8_t *x, const cdk_resizing *r, float *scratch);

/* The same for nearest taps and elements of `size` bytes (1, 4 or 8). */
void cdk_nearest(void *y, const void *x, size_t size, const cdk_resizing *r);

#endif
