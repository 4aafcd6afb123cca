/* Arithmetic of sizes. */
#ifndef CANDELA_KERNELS_SIZES_H
#define CANDELA_KERNELS_SIZES_H

#include <stdint.h>

static inline int64_t cdk_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t cdk_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* a / b, rounded up. */
static inline int64_t cdk_ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* The smallest multiple of `to` that is at least a. */
static inline int64_t cdk_round_up(int64_t a, int64_t to)
{
    return cdk_ceil_div(a, to) * to;
}

#endif
