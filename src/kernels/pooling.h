/* Pooling of dense channels-last images, x [N][H][W][C] to y [N][OH][OW][C].
 *
 * Windows are intervals of rows and of columns, given for every output row and column: first, end (exclusive)
 * and step. */
#ifndef CANDELA_KERNELS_POOLING_H
#define CANDELA_KERNELS_POOLING_H

#include <stdint.h>

typedef struct cdk_windows {
    int64_t count; /* outputs along this side */
    int64_t step;  /* distance of the elements of a window: the dilation */
    const int64_t *first, *end;
    const double *size; /* what a mean divides by, along this side */
} cdk_windows;

typedef struct cdk_pooling {
    int64_t N, C, H, W;
    cdk_windows rows, columns;
    double divisor; /* > 0: mean divides by this instead of rows.size * columns.size */
} cdk_pooling;

/* y: largest of each window; index: its position row * W + column (the first of equals; NaN is largest). */
void cdk_max_pool_f32(float *y, int64_t *index, const float *x, const cdk_pooling *p);
void cdk_max_pool_f64(double *y, int64_t *index, const double *x, const cdk_pooling *p);

/* dx = 0, then dx[index] += dy. */
void cdk_max_pool_gradient_f32(float *dx, const float *dy, const int64_t *index, const cdk_pooling *p);
void cdk_max_pool_gradient_f64(double *dx, const double *dy, const int64_t *index, const cdk_pooling *p);

/* y: sum over each window divided by its size. */
void cdk_mean_pool_f32(float *y, const float *x, const cdk_pooling *p);
void cdk_mean_pool_f64(double *y, const double *x, const cdk_pooling *p);

void cdk_mean_pool_gradient_f32(float *dx, const float *dy, const cdk_pooling *p);
void cdk_mean_pool_gradient_f64(double *dx, const double *dy, const cdk_pooling *p);

#endif
