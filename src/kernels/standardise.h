/* Channels brought to a common scale: y = (x - mean[c]) / std[c]. */
#ifndef CANDELA_KERNELS_STANDARDISE_H
#define CANDELA_KERNELS_STANDARDISE_H

#include <stdint.h>

/* Interleaved: x and y are [planes][pixels][C], C <= CDK_STANDARDISE_CHANNELS. y may be x. */
#define CDK_STANDARDISE_CHANNELS 16
void cdk_standardise_pixels_f32(float *y, const float *x, int64_t planes, int64_t pixels, int64_t C,
                                const double *mean, const double *std);
void cdk_standardise_pixels_f64(double *y, const double *x, int64_t planes, int64_t pixels, int64_t C,
                                const double *mean, const double *std);

/* Plane by plane: x and y are [planes][C][pixels]. y may be x. */
void cdk_standardise_planes_f32(float *y, const float *x, int64_t planes, int64_t pixels, int64_t C,
                                const double *mean, const double *std);
void cdk_standardise_planes_f64(double *y, const double *x, int64_t planes, int64_t pixels, int64_t C,
                                const double *mean, const double *std);

#endif
