/* Elements chosen from two arrays, which are only moved, so that types of one size share a kernel; and
 * classes. */
#ifndef CANDELA_KERNELS_CHOOSE_H
#define CANDELA_KERNELS_CHOOSE_H

#include <stddef.h>
#include <stdint.h>

/* y[i] = yes[i] ? a[i] : b[i], i < n, elements of 1, 4 or 8 bytes. */
void cdk_choose(void *y, const uint8_t *yes, const void *a, const void *b, int64_t n, size_t size);

/* y[i][position[i]] = 1, else 0, in n rows of `classes`. */
void cdk_one_hot(int64_t *y, const int64_t *position, int64_t n, int64_t classes);

/* The largest of x[n], or `least` where none is larger. */
int64_t cdk_largest(const int64_t *x, int64_t n, int64_t least);

#endif
