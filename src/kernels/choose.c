#include "kernels/levels.h"

#include <string.h>

#include "base/parallel.h"
#include "kernels/choose.h"

/* Elements a thread should at least get. */
#define GRAIN 32768

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

typedef struct {
    char *y;
    const uint8_t *yes;
    const char *a, *b;
    int64_t size;
} work;

static void choose_range(void *context, int64_t begin, int64_t end, int thread)
{
    const work *w = context;
    const int64_t at = begin * w->size;
    (void)thread;
    (w->size == 1   ? choose_1
     : w->size == 4 ? choose_4
                    : choose_8)(w->y + at, w->yes + begin, w->a + at, w->b + at, end - begin);
}

void cdk_choose(void *y, const uint8_t *yes, const void *a, const void *b, int64_t n, size_t size)
{
    work w = {y, yes, a, b, (int64_t)size};
    cd_parallel_for(n, GRAIN, choose_range, &w);
}

void cdk_one_hot(int64_t *y, const int64_t *position, int64_t n, int64_t classes)
{
    memset(y, 0, (size_t)(n * classes) * sizeof *y);
    for (int64_t i = 0; i < n; i++) {
        y[i * classes + position[i]] = 1;
    }
}

int64_t cdk_largest(const int64_t *x, int64_t n, int64_t least)
{
    for (int64_t i = 0; i < n; i++) {
        least = x[i] > least ? x[i] : least;
    }
    return least;
}
