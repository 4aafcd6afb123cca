/* Channels brought to a common scale: y = (x - mean[c]) / std[c]. */
#ifndef CANDELA_KERNELS_IMAGE_NORMALISE_H
#define CANDELA_KERNELS_IMAGE_NORMALISE_H

#include <stdint.h>

#include "kernels/by_dtype.h"

typedef void cdk_normalise_run(void *y, const void *x, int64_t planes, int64_t pixels, int64_t C,
                               const double *mean, const double *std);

/* Interleaved: x and y are [planes][pixels][C], C <= CDK_NORMALISE_CHANNELS. y may be x. */
#define CDK_NORMALISE_CHANNELS 16
extern cdk_normalise_run *const cdk_normalise_pixels[CD_DTYPES];

/* Plane by plane: x and y are [planes][C][pixels]. y may be x. */
extern cdk_normalise_run *const cdk_normalise_planes[CD_DTYPES];

#endif
