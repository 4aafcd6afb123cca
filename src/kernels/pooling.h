/* The largest elements of windows of dense images, x [N][H][W][C] to y [N][OH][OW][C]. Channels-last images
 * are such; row-major ones have each channel for an image, with C = 1. Means of windows are
 * kernels/separable.h's.
 *
 * Windows are rows times columns, given for every output along each side: taps number a = 0 .. taps - 1 of
 * output i is element origin[i] + a step, and counts where first[i] <= it < end[i]. */
#ifndef CANDELA_KERNELS_POOLING_H
#define CANDELA_KERNELS_POOLING_H

#include <stdint.h>

#include "base/status.h"
#include "kernels/by_dtype.h"

typedef struct cdk_windows {
    int64_t count;  /* outputs along this side */
    int64_t taps;   /* of the largest window */
    int64_t step;   /* distance of the elements of a window: the dilation */
    int64_t stride; /* origin[i] = origin[0] + i stride; 0 where windows do not lie so regularly */
    const int64_t *origin, *first, *end;
} cdk_windows;

typedef struct cdk_pooling {
    int64_t N, C, H, W;
    cdk_windows rows, columns;
} cdk_pooling;

/* Where the largest element was found: tap a of the rows and b of the columns is place a columns.taps + b.
 * Places have the order of y and `size` bytes each: 1 where there are at most 256, else 4 (int32). */
typedef struct cdk_places {
    void *place; /* NULL: not asked for */
    size_t size;
} cdk_places;

/* y: the largest of each window (NaN is largest); places of the first of equals, of the last NaN. index, or
 * NULL: their positions row * W + column. Errors: CD_EALLOC. */
typedef cd_status cdk_max_pool_run(void *y, cdk_places places, int64_t *index, const void *x,
                                   const cdk_pooling *p, cd_error *err);
extern cdk_max_pool_run *const cdk_max_pool[CD_DTYPES];

/* dx: the sum of the dy of those outputs whose place this is, in the outputs' order. Errors: CD_EALLOC. */
typedef cd_status cdk_max_pool_gradient_run(void *dx, const void *dy, cdk_places places, const cdk_pooling *p,
                                            cd_error *err);
extern cdk_max_pool_gradient_run *const cdk_max_pool_gradient[CD_DTYPES];

#endif
