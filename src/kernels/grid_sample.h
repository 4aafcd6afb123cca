/* Images read at given places: y[n][p][c] = x[n] at grid[n][p] = (u, v), u across and v down in -1 .. 1.
 *
 * x is [N][H][W][C], y [N][points][C], grid [N][points][2]. u = -1, 1 are the outer edges of the first and
 * last column, or their centres with align_corners. */
#ifndef CANDELA_KERNELS_GRID_SAMPLE_H
#define CANDELA_KERNELS_GRID_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum { CDK_OUTSIDE_ZEROS, CDK_OUTSIDE_BORDER, CDK_OUTSIDE_REFLECTION } cdk_outside;

typedef struct cdk_sampling {
    int64_t N, C, H, W, points;
    bool nearest, align_corners;
    bool single; /* places are rounded to 32-bit floats, as PyTorch's are: half-way cases depend on the last
                    bit */
    cdk_outside outside;
} cdk_sampling;

void cdk_grid_sample_f32(float *y, const float *x, const float *grid, const cdk_sampling *s);
void cdk_grid_sample_f64(double *y, const double *x, const double *grid, const cdk_sampling *s);

/* dx and dgrid (either may be NULL) from dy. */
void cdk_grid_sample_gradient_f32(float *dx, float *dgrid, const float *dy, const float *x, const float *grid,
                                  const cdk_sampling *s);
void cdk_grid_sample_gradient_f64(double *dx, double *dgrid, const double *dy, const double *x,
                                  const double *grid, const cdk_sampling *s);

#endif
