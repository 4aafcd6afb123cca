/* Resizing of dense images along both sides: y[h][w] = sum_{a, b} rows.weight[h][a] columns.weight[w][b]
 * x[rows.index[h][a]][columns.index[w][b]].
 *
 * Channels-last images have planes = N and C channels; row-major ones (and C x H x W images) planes = N C and
 * C = 1. */
#ifndef CANDELA_KERNELS_INTERPOLATE_H
#define CANDELA_KERNELS_INTERPOLATE_H

#include <stdbool.h>
#include <stddef.h>
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
 * The caller frees with cdk_resize_taps_free, also after an error. Any thread may call. */
cd_status cdk_resize_taps_make(cdk_resize_taps *t, int64_t size, int64_t count, cdk_interpolation mode,
                               bool align_corners, double scale, cd_error *err);
/* The outputs in the opposite order: what they are resized to is flipped. */
void cdk_resize_taps_reverse(cdk_resize_taps *t);
void cdk_resize_taps_free(cdk_resize_taps *t);

/* y [planes][rows.count][columns.count][C] from x [planes][H][W][C]. */
void cdk_interpolate_f32(float *y, const float *x, int64_t planes, int64_t H, int64_t W, int64_t C,
                         const cdk_resize_taps *rows, const cdk_resize_taps *columns);
void cdk_interpolate_f64(double *y, const double *x, int64_t planes, int64_t H, int64_t W, int64_t C,
                         const cdk_resize_taps *rows, const cdk_resize_taps *columns);

/* The same for bilinear taps, each row of x along its width first: then the rows with
 * each other.
 * scratch: cdk_bilinear_scratch() elements for each thread (cd_threads()). _bytes: x holds 0 .. 255 for 0 ..
 * 1, with the result of _f32 for x / 255, bit for bit. */
size_t cdk_bilinear_scratch(const cdk_resize_taps *columns, int64_t C);
void cdk_bilinear_f32(float *y, const float *x, int64_t planes, int64_t H, int64_t W, int64_t C,
                      const cdk_resize_taps *rows, const cdk_resize_taps *columns, float *scratch);
void cdk_bilinear_f64(double *y, const double *x, int64_t planes, int64_t H, int64_t W, int64_t C,
                      const cdk_resize_taps *rows, const cdk_resize_taps *columns, double *scratch);
void cdk_bilinear_bytes(float *y, const uint8_t *x, int64_t planes, int64_t H, int64_t W, int64_t C,
                        const cdk_resize_taps *rows, const cdk_resize_taps *columns, float *scratch);

/* The same for nearest taps and elements of `size` bytes (1, 4 or 8). */
void cdk_nearest(void *y, const void *x, size_t size, int64_t planes, int64_t H, int64_t W, int64_t C,
                 const cdk_resize_taps *rows, const cdk_resize_taps *columns);

/* dx from dy: the adjoint. */
void cdk_interpolate_gradient_f32(float *dx, const float *dy, int64_t planes, int64_t H, int64_t W, int64_t C,
                                  const cdk_resize_taps *rows, const cdk_resize_taps *columns);
void cdk_interpolate_gradient_f64(double *dx, const double *dy, int64_t planes, int64_t H, int64_t W,
                                  int64_t C, const cdk_resize_taps *rows, const cdk_resize_taps *columns);

#endif
