/* Pixels of 8 bits as numbers of 0 to 1. */
#ifndef CANDELA_KERNELS_PIXELS_H
#define CANDELA_KERNELS_PIXELS_H

#include <stdint.h>

/* [value] is value / 255. */
extern const float cdk_byte_share[256];

/* y = x / 255, n elements, on the calling thread. */
void cdk_byte_shares(float *y, const uint8_t *x, int64_t n);

#endif
