/* Before all others: loops are to become vector code. */
#include "kernels/levels.h"

#include "kernels/formula.h"

#include <string.h>

/* Strided elements are gathered so many at a time. */
enum { BLOCK = 256 };

#define DEFINE_MOVES(T)                                                      \
    static void gather_##T(T *to, const T *from, int64_t stride, int64_t n)  \
    {                                                                        \
        const T first = from[0];                                             \
        for (int64_t i = 0; i < n && stride == 0; i++) {                     \
            to[i] = first;                                                   \
        }                                                                    \
        for (int64_t i = 0; i < n && stride != 0; i++) {                     \
            to[i] = from[i * stride];                                        \
        }                                                                    \
    }                                                                        \
    static void scatter_##T(T *to, int64_t stride, const T *from, int64_t n) \
    {                                                                        \
        for (int64_t i = 0; i < n; i++) {                                    \
            to[i * stride] = from[i];                                        \
        }                                                                    \
    }

DEFINE_MOVES(uint32_t)
DEFINE_MOVES(uint64_t)

/* The n elements from i on, where they lie or, unless they are neighbours, in the buffer. */
static const void *elements(void *buffer, const void *x, int64_t stride, int64_t i, size_t size, int64_t n)
{
    const char *from = (const char *)x + i * stride * (int64_t)size;
    if (x == NULL || stride == 1) {
        return x == NULL ? NULL : from;
    }
    if (size == sizeof(uint32_t)) {
        gather_uint32_t(buffer, (const void *)from, stride, n);
    } else {
        gather_uint64_t(buffer, (const void *)from, stride, n);
    }
    return buffer;
}

static void run_block(cdk_formula *f, const cdk_run *r, size_t size, int64_t i, int64_t n)
{
    double x[BLOCK], g[BLOCK], y[BLOCK];
    char *to = (char *)r->y + i * r->sy * (int64_t)size;
    cdk_run dense = {r->sy == 1 ? (void *)to : y, NULL, NULL, 1, 1, 1, r->a, r->b};
    dense.x = elements(x, r->x, r->sx, i, size, n);
    dense.g = elements(g, r->g, r->sg, i, size, n);
    f(&dense, n);
    if (r->sy == 1) {
        return;
    }
    if (size == sizeof(uint32_t)) {
        scatter_uint32_t((void *)to, r->sy, (const void *)y, n);
    } else {
        scatter_uint64_t((void *)to, r->sy, (const void *)y, n);
    }
}

cdk_formula_pair cdk_formula_pair_for(cd_dtype dtype, const cdk_formula_pair *f32,
                                      const cdk_formula_pair *f64, int i)
{
    return dtype == CD_FLOAT32 ? f32[i] : dtype == CD_FLOAT64 ? f64[i] : (cdk_formula_pair){NULL, NULL};
}

void cdk_run_formula(cdk_formula *f, const cdk_run *r, size_t size, int64_t n)
{
    if (r->sy == 1 && r->sx == 1 && (r->g == NULL || r->sg == 1)) {
        f(r, n);
        return;
    }
    for (int64_t i = 0; i < n; i += BLOCK) {
        run_block(f, r, size, i, n - i < BLOCK ? n - i : BLOCK);
    }
}
