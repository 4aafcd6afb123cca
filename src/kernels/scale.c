#include "kernels/scale.h"

#include "base/parallel.h"

/* Elements a thread should at least get. */
#define GRAIN 32768

typedef struct {
    void *y;
    const void *a, *b;
    double factor;
    int64_t D, inner;
} work;

#define DEFINE_PRODUCTS(suffix, T)                                                                           \
    static void scale_range_##suffix(void *context, int64_t begin, int64_t end, int thread)                  \
    {                                                                                                        \
        const work *w = context;                                                                             \
        const T *x = w->a, factor = (T)w->factor;                                                            \
        T *y = w->y;                                                                                         \
        (void)thread;                                                                                        \
        for (int64_t i = begin; i < end; i++) {                                                              \
            y[i] = factor * x[i];                                                                            \
        }                                                                                                    \
    }                                                                                                        \
    static void vectors_range_##suffix(void *context, int64_t begin, int64_t end, int thread)                \
    {                                                                                                        \
        const work *w = context;                                                                             \
        const T *x = w->a, *factor = w->b;                                                                   \
        T *y = w->y;                                                                                         \
        (void)thread;                                                                                        \
        for (int64_t i = begin; i < end; i++) {                                                              \
            y[i] = x[i] * factor[i / (w->D * w->inner) * w->inner + i % w->inner];                           \
        }                                                                                                    \
    }                                                                                                        \
    static void scale_##suffix(void *y, const void *x, double factor, int64_t n)                             \
    {                                                                                                        \
        work w = {.y = y, .a = x, .factor = factor};                                                         \
        cd_parallel_for(n, GRAIN, scale_range_##suffix, &w);                                                 \
    }                                                                                                        \
    static void scale_vectors_##suffix(void *y, const void *x, const void *factor, int64_t outer, int64_t D, \
                                       int64_t inner)                                                        \
    {                                                                                                        \
        work w = {.y = y, .a = x, .b = factor, .D = D, .inner = inner};                                      \
        cd_parallel_for(outer *D *inner, GRAIN, vectors_range_##suffix, &w);                                 \
    }

DEFINE_PRODUCTS(f32, float)
DEFINE_PRODUCTS(f64, double)

cdk_scale_run *const cdk_scale[CD_DTYPES] = CDK_FLOATS(scale);
cdk_scale_vectors_run *const cdk_scale_vectors[CD_DTYPES] = CDK_FLOATS(scale_vectors);
