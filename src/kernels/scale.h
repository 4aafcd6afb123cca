/* Products of arrays of floats. Work is shared by the threads. */
#ifndef CANDELA_KERNELS_SCALE_H
#define CANDELA_KERNELS_SCALE_H

#include <stdint.h>

#include "kernels/by_dtype.h"

/* y[i] = factor x[i], i < n, with factor rounded to the type; y may be x. */
typedef void cdk_scale_run(void *y, const void *x, double factor, int64_t n);
extern cdk_scale_run *const cdk_scale[CD_DTYPES];

/* y[outer][D][inner] = x[outer][D][inner] factor[outer][inner]. */
typedef void cdk_scale_vectors_run(void *y, const void *x, const void *factor, int64_t outer, int64_t D,
                                   int64_t inner);
extern cdk_scale_vectors_run *const cdk_scale_vectors[CD_DTYPES];

#endif
