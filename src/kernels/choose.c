#include "kernels/choose.h"

#define DEFINE_CHOOSE(name, type)                                                          \
    static void name(void *y, const uint8_t *yes, const void *a, const void *b, int64_t n) \
    {                                                                                      \
        for (int64_t i = 0; i < n; i++) {                                                  \
            ((type *)y)[i] = yes[i] ? ((const type *)a)[i] : ((const type *)b)[i];         \
        }                                                                                  \
    }

DEFINE_CHOOSE(choose_1, uint8_t)
DEFINE_CHOOSE(choose_4, uint32_t)
DEFINE_CHOOSE(choose_8, uint64_t)

void cdk_choose(void *y, const uint8_t *yes, const void *a, const void *b, int64_t n, size_t size)
{
    (size == 1 ? choose_1 : size == 4 ? choose_4 : choose_8)(y, yes, a, b, n);
}
