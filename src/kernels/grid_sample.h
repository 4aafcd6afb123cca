/* Images read at given places: y[n][p][c] = x[n] at grid[n][p] = (u, v), u across and v down in -1 .. 1.
 *
 * x is [N][H][W][C], y [N][points][C], grid [N][points][2]; all may share one image, or one grid. u = -1, 1
 * are the outer edges of the first and last column, or their centres with align_corners. Places
 * are rounded to the type of the image, as PyTorch's are: half-way cases depend on the last bit. */
#ifndef CANDELA_KERNELS_GRID_SAMPLE_H
#define CANDELA_KERNELS_GRID_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/by_dtype.h"

typedef enum { CDK_OUTSIDE_ZEROS, CDK_OUTSIDE_BORDER, CDK_OUTSIDE_REFLECTION } cdk_outside;

typedef struct cdk_sampling {
    int64_t N, C, H, W, points;
    bool one_image, one_grid; /* x is [1][H][W][C]; grid is [1][points][2]; dx and dgrid have all N */
    bool nearest, align_corners;
    cdk_outside outside;
} cdk_sampling;

typedef void cdk_grid_sample_run(void *y, const void *x, const void *grid, const cdk_sampling *s);
extern cdk_grid_sample_run *const cdk_grid_sample[CD_DTYPES];

/* dx and dgrid (either may be NULL) from dy. */
typedef void cdk_grid_sample_gradient_run(void *dx, void *dgrid, const void *dy, const void *x,
                                          const void *grid, const cdk_sampling *s);
extern cdk_grid_sample_gradient_run *const cdk_grid_sample_gradient[CD_DTYPES];

#endif
