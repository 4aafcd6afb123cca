/* Elements chosen from two arrays. They are only moved, so types of one size share a kernel. */
#ifndef CANDELA_KERNELS_CHOOSE_H
#define CANDELA_KERNELS_CHOOSE_H

#include <stddef.h>
#include <stdint.h>

/* y[i] = yes[i] ? a[i] : b[i], i < n, elements of 1, 4 or 8 bytes. */
void cdk_choose(void *y, const uint8_t *yes, const void *a, const void *b, int64_t n, size_t size);

#endif
