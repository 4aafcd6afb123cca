/* Resizing of dense images along both sides: y[h][w] = sum_{a, b} rows.weight[h][a] columns.weight[w][b]
 * x[rows.index[h][a]][columns.index[w][b]].
 *
 * Channels-last images have planes = N and C channels; row-major ones (and C x H x W images) planes = N C and
 * C = 1. */
#ifndef CANDELA_KERNELS_INTERPOLATE_H
#define CANDELA_KERNELS_INTERPOLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

typedef enum { CDK_NEAREST, CDK_BILINEAR, CDK_BICUBIC } cdk_interpolation;

/* What each output along one side is made of. */
typedef struct cdk_resize_taps {
    int64_t count, taps; /* outputs; inputs for each: 1, 2 or 4 */
    int64_t *index;      /* [count][taps] */
    double *weight;      /* [count][taps] */
} cdk_resize_taps;

/* Taps for size -> count. scale is the distance of outputs measured in inputs where the user has given the
 * factor, 0: size / count (or (size - 1) / (count - 1) with align_corners). Nearest takes floor(i scale);
 * bilinear has no antialiasing and clamps at the borders; bicubic is Keys' (1981) with a = -0.75.
 * The caller frees with cdk_resize_taps_free, also after an error. */
cd_status cdk_resize_taps_make(cdk_resize_taps *t, int64_t size, int64_t count, cdk_interpolation mode,
                               bool align_corners, double scale, cd_error *err);
void cdk_resize_taps_free(cdk_resize_taps *t);

/* y [planes][rows.count][columns.count][C] from x [planes][H][W][C]. */
void cdk_interpolate_f32(float *y, const float *x, int64_t planes, int64_t H, int64_t W, int64_t C,
                         const cdk_resize_taps *rows, const cdk_resize_taps *columns);
void cdk_interpolate_f64(double *y, const double *x, int64_t planes, int64_t H, int64_t W, int64_t C,
                         const cdk_resize_taps *rows, const cdk_resize_taps *columns);

/* dx from dy: the adjoint. */
void cdk_interpolate_gradient_f32(float *dx, const float *dy, int64_t planes, int64_t H, int64_t W, int64_t C,
                                  const cdk_resize_taps *rows, const cdk_resize_taps *columns);
void cdk_interpolate_gradient_f64(double *dx, const double *dy, int64_t planes, int64_t H, int64_t W,
                                  int64_t C, const cdk_resize_taps *rows, const cdk_resize_taps *columns);

#endif
