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
#include "kernels/by_dtype.h"
#include "kernels/epilogue.h"

typedef struct cdk_channels {
    int64_t rows, C, plane;
    /* The rows are that many samples, one after the other, whose channels are channels of their own: vectors
     * that have [C] elements below then have [samples][C]. 0 is taken for 1. */
    int64_t samples;
} cdk_channels;

/* mean[C] and sum_squares[C], the sum of squared distances from the mean. Errors: CD_EALLOC. */
typedef cd_status cdk_channel_mean_m2_run(double *mean, double *sum_squares, const void *x,
                                          cdk_channels shape, cd_error *err);
extern cdk_channel_mean_m2_run *const cdk_channel_mean_m2[CD_DTYPES];

/* y = activation(scale[c] x + shift[c]); y may be x. Errors: CD_EALLOC. */
typedef cd_status cdk_channel_affine_run(void *y, const void *x, const double *scale, const double *shift,
                                         cdk_activation activation, cdk_channels shape, cd_error *err);
extern cdk_channel_affine_run *const cdk_channel_affine[CD_DTYPES];

/* The same with coefficients in float32, for some rows of C channels, on the calling thread. */
void cdk_affine_rows(float *y, const float *x, const float *scale, const float *shift,
                     cdk_activation activation, int64_t rows, int64_t C);

/* coefficients[2][C]: scale and shift for it. */
void cdk_affine_coefficients(float *coefficients, const cdk_affine *affine, int64_t C);

/* sum_dy[c] = sum of dy, sum_dyx[c] = sum of dy (x - mean[c]). Errors: CD_EALLOC. */
typedef cd_status cdk_channel_gradient_sums_run(double *sum_dy, double *sum_dyx, const void *dy,
                                                const void *x, const double *mean, cdk_channels shape,
                                                cd_error *err);
extern cdk_channel_gradient_sums_run *const cdk_channel_gradient_sums[CD_DTYPES];

/* dx = a[c] dy + b[c] (x - mean[c]) + d[c]. Errors: CD_EALLOC. */
typedef struct cdk_channel_coefficients {
    const double *mean, *a, *b, *d; /* [C] each */
} cdk_channel_coefficients;

typedef cd_status cdk_channel_gradient_run(void *dx, const void *dy, const void *x,
                                           const cdk_channel_coefficients *by, cdk_channels shape,
                                           cd_error *err);
extern cdk_channel_gradient_run *const cdk_channel_gradient[CD_DTYPES];

/* Rows of `length` elements, each normalised by itself:
 *
 *   y[r][i] = (x[r][i] - mean[r]) rstd[r] weight[i] + bias[i],  rstd = 1 / sqrt(mean squared distance + eps)
 *
 * Where mean is NULL, 0 takes its place, in the distances too. weight and bias are of the type of x, NULL for
 * 1 and 0. */
typedef struct cdk_row_norm {
    int64_t rows, length;
    const void *weight, *bias;
    double *mean, *rstd; /* [rows], written by the first and read by the second */
    double eps;
} cdk_row_norm;

typedef void cdk_row_normalise_run(void *y, const void *x, const cdk_row_norm *s);
extern cdk_row_normalise_run *const cdk_row_normalise[CD_DTYPES];

/* With g = dy weight and h = (x - mean) rstd:
 *
 *   dx[r][i] = rstd[r] (g - mean(g) - h mean(g h)), without mean(g) where mean is NULL
 *   dweight[i] = sum over r of dy h, dbias[i] = sum over r of dy: in double; both or neither may be NULL
 *
 * dx may be NULL. Errors: CD_EALLOC. */
typedef struct cdk_row_gradients {
    void *dx;
    double *dweight, *dbias;
} cdk_row_gradients;

typedef cd_status cdk_row_gradient_run(const cdk_row_gradients *d, const void *dy, const void *x,
                                       const cdk_row_norm *s, cd_error *err);
extern cdk_row_gradient_run *const cdk_row_gradient[CD_DTYPES];

#endif
