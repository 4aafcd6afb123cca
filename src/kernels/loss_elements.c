#include "kernels/levels.h"
CDK_EXACT

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/loss_elements.h"
#include "kernels/sizes.h"

#define CDK_TEMPLATE "kernels/loss_template.h"
#define CDK_WITH_AVX512
#include "kernels/each_level.h"
#include "kernels/vec_double.h"

#include "kernels/loss_template.h"

/* Elements of a piece, of a block of it whose values are in a cache, and that a thread should at least
 * get. */
enum { PIECE = 16384, BLOCK = 512, GRAIN = 16384, LANES = 8 };

const cdk_loss *cdk_loss_for(cdk_loss_function f, cd_dtype dtype)
{
    return dtype == CD_FLOAT32 ? CDK_FOR_CPU_512(losses) + f : dtype == CD_FLOAT64 ? losses_f64 + f : NULL;
}

/* The same of elements from i on. */
static cdk_run from(const cdk_run *r, int64_t i, size_t size)
{
    cdk_run at = *r;
    at.x = (const char *)r->x + i * (int64_t)size;
    at.g = (const char *)r->g + i * (int64_t)size;
    at.y = r->y != NULL ? (char *)r->y + i * (int64_t)size : NULL;
    return at;
}

/* ---- sums ---- */

typedef struct {
    cdk_formula *formula;
    const cdk_run *run;
    double *partial;
    int64_t n;
    size_t size;
} work;

#define DEFINE_ADD(T)                            \
    static double add_##T(const T *v, int64_t n) \
    {                                            \
        double lane[LANES] = {0}, sum = 0;       \
        int64_t i = 0;                           \
        for (; i + LANES <= n; i += LANES) {     \
            for (int k = 0; k < LANES; k++) {    \
                lane[k] += (double)v[i + k];     \
            }                                    \
        }                                        \
        for (int k = 0; k < LANES; k++) {        \
            sum += lane[k];                      \
        }                                        \
        for (; i < n; i++) {                     \
            sum += (double)v[i];                 \
        }                                        \
        return sum;                              \
    }

DEFINE_ADD(float)
DEFINE_ADD(double)

static double sum_piece(const work *w, int64_t begin, int64_t end)
{
    double value[BLOCK], sum = 0;
    for (int64_t i = begin; i < end; i += BLOCK) {
        const int64_t n = cdk_min(BLOCK, end - i);
        cdk_run at = from(w->run, i, w->size);
        at.y = value;
        w->formula(&at, n);
        sum += w->size == sizeof(float) ? add_float((const float *)(const void *)value, n)
                                        : add_double(value, n);
    }
    return sum;
}

static void sum_pieces(void *context, int64_t begin, int64_t end, int thread)
{
    const work *w = context;
    (void)thread;
    for (int64_t p = begin; p < end; p++) {
        w->partial[p] = sum_piece(w, p * PIECE, cdk_min((p + 1) * PIECE, w->n));
    }
}

cd_status cdk_loss_sum(double *sum, cdk_formula *value, const cdk_run *r, cd_dtype dtype, int64_t n,
                       cd_error *err)
{
    const int64_t pieces = cdk_ceil_div(n, PIECE);
    void *partial;
    CD_TRY(cd_memory_alloc(&partial, (size_t)pieces * sizeof(double), err));
    work w = {value, r, partial, n, cd_dtype_size(dtype)};
    cd_parallel_for(pieces, 1, sum_pieces, &w);
    *sum = 0;
    for (int64_t p = 0; p < pieces; p++) {
        *sum += w.partial[p];
    }
    cd_memory_free(partial);
    return CD_OK;
}

/* ---- values and slopes ---- */

static void fill_range(void *context, int64_t begin, int64_t end, int thread)
{
    const work *w = context;
    const cdk_run at = from(w->run, begin, w->size);
    (void)thread;
    w->formula(&at, end - begin);
}

void cdk_loss_fill(cdk_formula *formula, const cdk_run *r, cd_dtype dtype, int64_t n)
{
    work w = {formula, r, NULL, n, cd_dtype_size(dtype)};
    cd_parallel_for(n, GRAIN, fill_range, &w);
}

/* ---- probabilities ---- */

#define DEFINE_OUTSIDE(T, suffix)                             \
    static int any_outside_##suffix(const void *x, int64_t n) \
    {                                                         \
        const T *v = x;                                       \
        int outside = 0;                                      \
        for (int64_t i = 0; i < n; i++) {                     \
            outside |= (v[i] < 0) | (v[i] > 1);               \
        }                                                     \
        return outside;                                       \
    }

DEFINE_OUTSIDE(float, f32)
DEFINE_OUTSIDE(double, f64)

cdk_any_outside_run *const cdk_any_outside_unit[CD_DTYPES] = CDK_FLOATS(any_outside);
