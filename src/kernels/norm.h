/* Norms of gradients, and gradients cut to size. On the calling thread, so that sums have one order. */
#ifndef CANDELA_KERNELS_NORM_H
#define CANDELA_KERNELS_NORM_H

#include <stdint.h>

#include "kernels/by_dtype.h"

/* so_far plus the sum of |x[i]|^p, i < n, in double; for infinite p the largest of so_far and |x[i]|, NaN if
 * one is. */
typedef double cdk_power_sum_run(double so_far, const void *x, int64_t n, double p);
extern cdk_power_sum_run *const cdk_power_sum[CD_DTYPES];

/* x[i] = factor x[i], cut to -limit .. limit, i < n. NaN stays NaN. */
typedef void cdk_scale_limited_run(void *x, double factor, double limit, int64_t n);
extern cdk_scale_limited_run *const cdk_scale_limited[CD_DTYPES];

#endif
