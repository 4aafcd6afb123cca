/* One bit per element: where a clipped result still depends on its input.
 *
 * Bit i % 8 of mask[i / 8] is 0 < y[i] < high, as rectifiers and their relatives need for their gradient: a
 * thirty-second of the memory the float results take. Work is split over threads at multiples of 8 elements.
 */
#ifndef CANDELA_KERNELS_MASK_H
#define CANDELA_KERNELS_MASK_H

#include <stdint.h>

#include "kernels/by_dtype.h"

/* Bytes of a mask of n elements. */
int64_t cdk_mask_bytes(int64_t n);

/* high may be INFINITY. NaN gives 0. */
typedef void cdk_mask_of(uint8_t *mask, const void *y, int64_t n, double high);
extern cdk_mask_of *const cdk_mask[CD_DTYPES];

/* The same for float32 on the calling thread alone, for a run of elements whose mask starts on a whole
 * byte. */
void cdk_mask_run(uint8_t *mask, const float *y, int64_t n, float high);

/* dx[i] = mask bit i ? dy[i] : 0; dx may be dy. */
typedef void cdk_mask_gradient_run(void *dx, const void *dy, const uint8_t *mask, int64_t n);
extern cdk_mask_gradient_run *const cdk_mask_gradient[CD_DTYPES];

/* The same on the calling thread alone, for n elements of the mask from bit `at` on: dx[i] from dy[i
 * stride]. */
typedef void cdk_mask_gradient_strided_run(void *dx, const void *dy, int64_t stride, const uint8_t *mask,
                                           int64_t at, int64_t n);
extern cdk_mask_gradient_strided_run *const cdk_mask_gradient_strided[CD_DTYPES];

#endif
