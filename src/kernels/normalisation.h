/* Normalisation over batches (per channel) and over rows.
 *
 * Images are dense, either channels last, described by rows = N H W, plane = 1, or row-major, rows = N,
 * plane = H W; in both the element of channel c is x[(row * C + c) * plane + s]. Sums are taken in chunks of
 * fixed size, each about its own mean, and joined in order in double precision (Chan, Golub and LeVeque
 * 1983), so results depend neither on the number of threads nor on how far the mean is from zero.
 */
#ifndef CANDELA_KERNELS_NORMALISATION_H
#define CANDELA_KERNELS_NORMALISATION_H

#include <stdint.h>

#include "base/status.h"
#include "kernels/epilogue.h"

typedef struct cdk_channels {
    int64_t rows, C, plane;
} cdk_channels;

/* mean[C] and sum_squares[C], the sum of squared distances from the mean. Errors: CD_EALLOC. */
cd_status cdk_channel_moments_f32(double *mean, double *sum_squares, const float *x, cdk_channels shape,
                                  cd_error *err);
cd_status cdk_channel_moments_f64(double *mean, double *sum_squares, const double *x, cdk_channels shape,
                                  cd_error *err);

/* y = activation(scale[c] x + shift[c]); y may be x. */
cd_status cdk_channel_affine_f32(float *y, const float *x, const double *scale, const double *shift,
                                 cdk_activation activation, cdk_channels shape, cd_error *err);
cd_status cdk_channel_affine_f64(double *y, const double *x, const double *scale, const double *shift,
                                 cdk_activation activation, cdk_channels shape, cd_error *err);

/* The same with coefficients in float32, for some rows of C channels, on the calling thread. */
void cdk_affine_rows(float *y, const float *x, const float *scale, const float *shift,
                     cdk_activation activation, int64_t rows, int64_t C);

/* coefficients[2][C]: scale and shift for it. */
void cdk_affine_coefficients(float *coefficients, const cdk_affine *affine, int64_t C);

/* sum_dy[c] = sum of dy, sum_dyx[c] = sum of dy (x - mean[c]). */
cd_status cdk_channel_gradient_sums_f32(double *sum_dy, double *sum_dyx, const float *dy, const float *x,
                                        const double *mean, cdk_channels shape, cd_error *err);
cd_status cdk_channel_gradient_sums_f64(double *sum_dy, double *sum_dyx, const double *dy, const double *x,
                                        const double *mean, cdk_channels shape, cd_error *err);

/* dx = a[c] dy + b[c] (x - mean[c]) + d[c]. */
cd_status cdk_channel_gradient_f32(float *dx, const float *dy, const float *x, const double *mean,
                                   const double *a, const double *b, const double *d, cdk_channels shape,
                                   cd_error *err);
cd_status cdk_channel_gradient_f64(double *dx, const double *dy, const double *x, const double *mean,
                                   const double *a, const double *b, const double *d, cdk_channels shape,
                                   cd_error *err);

/* y[r][i] = (x[r][i] - mean[r]) rstd[r], rstd = 1 / sqrt(var + eps), var = mean squared distance. */
void cdk_row_normalise_f32(float *y, double *rstd, const float *x, int64_t rows, int64_t length, double eps);
void cdk_row_normalise_f64(double *y, double *rstd, const double *x, int64_t rows, int64_t length,
                           double eps);

/* dx[r][i] = rstd[r] (dy - mean(dy) - y mean(dy y)). */
void cdk_row_gradient_f32(float *dx, const float *dy, const float *y, const double *rstd, int64_t rows,
                          int64_t length);
void cdk_row_gradient_f64(double *dx, const double *dy, const double *y, const double *rstd, int64_t rows,
                          int64_t length);

#endif
