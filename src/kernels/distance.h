/* Exact Euclidean distances in pictures (Felzenszwalb and Huttenlocher 2012, Distance transforms of sampled
 * functions; Meijster, Roerdink, Hesselink 2000). */
#ifndef CANDELA_KERNELS_DISTANCE_H
#define CANDELA_KERNELS_DISTANCE_H

#include <stdint.h>

#include "base/status.h"

/* distance[n][H][W] in pixels from each pixel of mask[n][H][W] to the nearest one of its picture that is not
 * 0, which is at 0 itself; infinite where there is none. Errors: CD_EALLOC. */
cd_status cdk_distance(float *distance, const uint8_t *mask, int64_t n, int64_t H, int64_t W, cd_error *err);

#endif
