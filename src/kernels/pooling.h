/* Pooling of dense channels-last images, x [N][H][W][C] to y [N][OH][OW][C].
 *
 * Windows are intervals of rows and of columns, given for every output row and column: first, end (exclusive)
 * and step. */
#ifndef CANDELA_KERNELS_POOLING_H
#define CANDELA_KERNELS_POOLING_H

#include <stdint.h>

#include "kernels/by_dtype.h"

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
typedef void cdk_max_pool_run(void *y, int64_t *index, const void *x, const cdk_pooling *p);
extern cdk_max_pool_run *const cdk_max_pool[CD_DTYPES];

/* dx = 0, then dx[index] += dy. */
typedef void cdk_max_pool_gradient_run(void *dx, const void *dy, const int64_t *index, const cdk_pooling *p);
extern cdk_max_pool_gradient_run *const cdk_max_pool_gradient[CD_DTYPES];

/* y: sum over each window divided by its size. */
typedef void cdk_mean_pool_run(void *y, const void *x, const cdk_pooling *p);
extern cdk_mean_pool_run *const cdk_mean_pool[CD_DTYPES];

/* dx = 0, then dx += dy divided by the size, over each window. */
typedef void cdk_mean_pool_gradient_run(void *dx, const void *dy, const cdk_pooling *p);
extern cdk_mean_pool_gradient_run *const cdk_mean_pool_gradient[CD_DTYPES];

#endif
