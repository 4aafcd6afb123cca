#include "kernels/mask.h"

#include "base/cpu.h"
#include "base/parallel.h"

#ifdef CD_HAVE_X86_TARGETS
#include <immintrin.h>
#endif

/* Bytes of mask a thread should at least get. */
#define GRAIN 4096

typedef struct {
    uint8_t *mask;
    const uint8_t *given;
    const void *x;
    void *dx;
    int64_t n;
    double high;
} work;

int64_t cdk_mask_bytes(int64_t n)
{
    return (n + 7) / 8;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* One byte of mask for the up to eight elements from i on. */
#define DEFINE_PLAIN(T, suffix)                                                    \
    static uint8_t byte_##suffix(const T *y, int64_t count, T high)                \
    {                                                                              \
        unsigned bits = 0;                                                         \
        for (int64_t j = 0; j < count; j++) {                                      \
            bits |= (unsigned)((y[j] > 0) & (y[j] < high)) << j;                   \
        }                                                                          \
        return (uint8_t)bits;                                                      \
    }                                                                              \
                                                                                   \
    static void gradient_##suffix(T *dx, const T *dy, uint8_t bits, int64_t count) \
    {                                                                              \
        for (int64_t j = 0; j < count; j++) {                                      \
            dx[j] = (bits >> j & 1) != 0 ? dy[j] : 0;                              \
        }                                                                          \
    }

DEFINE_PLAIN(float, f32)
DEFINE_PLAIN(double, f64)

/* Whole bytes begin .. end - 1, eight elements each. */
#ifdef CD_HAVE_X86_TARGETS
CD_TARGET_AVX2 static void mask_bytes_avx2(uint8_t *mask, const float *y, int64_t begin, int64_t end,
                                           float high)
{
    __m256 zero = _mm256_setzero_ps(), top = _mm256_set1_ps(high);
    for (int64_t b = begin; b < end; b++) {
        __m256 v = _mm256_loadu_ps(y + 8 * b);
        __m256 inside = _mm256_and_ps(_mm256_cmp_ps(v, zero, _CMP_GT_OQ), _mm256_cmp_ps(v, top, _CMP_LT_OQ));
        mask[b] = (uint8_t)_mm256_movemask_ps(inside);
    }
}

CD_TARGET_AVX2 static void gradient_bytes_avx2(float *dx, const float *dy, const uint8_t *mask, int64_t begin,
                                               int64_t end)
{
    __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    for (int64_t b = begin; b < end; b++) {
        __m256i bits = _mm256_and_si256(_mm256_set1_epi32(mask[b]), bit);
        __m256 inside = _mm256_castsi256_ps(_mm256_cmpeq_epi32(bits, bit));
        _mm256_storeu_ps(dx + 8 * b, _mm256_and_ps(_mm256_loadu_ps(dy + 8 * b), inside));
    }
}

static int has_avx2(void)
{
    return cd_cpu_level() >= CD_CPU_AVX2;
}
#endif

static void mask_range_f32(void *context, int64_t begin, int64_t end, int thread)
{
    const work *w = context;
    const float *y = w->x;
    int64_t b = begin;
    (void)thread;
#ifdef CD_HAVE_X86_TARGETS
    if (has_avx2()) {
        b = smaller(end, w->n / 8);
        mask_bytes_avx2(w->mask, y, begin, b, (float)w->high);
    }
#endif
    for (; b < end; b++) {
        w->mask[b] = byte_f32(y + 8 * b, smaller(8, w->n - 8 * b), (float)w->high);
    }
}

static void mask_range_f64(void *context, int64_t begin, int64_t end, int thread)
{
    const work *w = context;
    const double *y = w->x;
    (void)thread;
    for (int64_t b = begin; b < end; b++) {
        w->mask[b] = byte_f64(y + 8 * b, smaller(8, w->n - 8 * b), w->high);
    }
}

static void gradient_range_f32(void *context, int64_t begin, int64_t end, int thread)
{
    const work *w = context;
    int64_t b = begin;
    (void)thread;
#ifdef CD_HAVE_X86_TARGETS
    if (has_avx2()) {
        b = smaller(end, w->n / 8);
        gradient_bytes_avx2(w->dx, w->x, w->given, begin, b);
    }
#endif
    for (; b < end; b++) {
        gradient_f32((float *)w->dx + 8 * b, (const float *)w->x + 8 * b, w->given[b],
                     smaller(8, w->n - 8 * b));
    }
}

static void gradient_range_f64(void *context, int64_t begin, int64_t end, int thread)
{
    const work *w = context;
    (void)thread;
    for (int64_t b = begin; b < end; b++) {
        gradient_f64((double *)w->dx + 8 * b, (const double *)w->x + 8 * b, w->given[b],
                     smaller(8, w->n - 8 * b));
    }
}

static void mask_f32(uint8_t *mask, const void *y, int64_t n, double high)
{
    work w = {.mask = mask, .x = y, .n = n, .high = high};
    cd_parallel_for(cdk_mask_bytes(n), GRAIN, mask_range_f32, &w);
}

void cdk_mask_run(uint8_t *mask, const float *y, int64_t n, float high)
{
    work w = {.mask = mask, .x = y, .n = n, .high = high};
    mask_range_f32(&w, 0, cdk_mask_bytes(n), 0);
}

static void mask_f64(uint8_t *mask, const void *y, int64_t n, double high)
{
    work w = {.mask = mask, .x = y, .n = n, .high = high};
    cd_parallel_for(cdk_mask_bytes(n), GRAIN, mask_range_f64, &w);
}

static void mask_gradient_f32(void *dx, const void *dy, const uint8_t *mask, int64_t n)
{
    work w = {.given = mask, .x = dy, .dx = dx, .n = n};
    cd_parallel_for(cdk_mask_bytes(n), GRAIN, gradient_range_f32, &w);
}

static void mask_gradient_f64(void *dx, const void *dy, const uint8_t *mask, int64_t n)
{
    work w = {.given = mask, .x = dy, .dx = dx, .n = n};
    cd_parallel_for(cdk_mask_bytes(n), GRAIN, gradient_range_f64, &w);
}

cdk_mask_of *const cdk_mask[CD_DTYPES] = CDK_FLOATS(mask);
cdk_mask_gradient_run *const cdk_mask_gradient[CD_DTYPES] = CDK_FLOATS(mask_gradient);

#define DEFINE_STRIDED(T, suffix)                                                          \
    static void mask_gradient_strided_##suffix(void *dx, const void *dy, int64_t stride,   \
                                               const uint8_t *mask, int64_t at, int64_t n) \
    {                                                                                      \
        const T *from = dy;                                                                \
        T *to = dx;                                                                        \
        if (stride == 1 && at % 8 == 0) {                                                  \
            work w = {.given = mask + at / 8, .x = dy, .dx = dx, .n = n};                  \
            gradient_range_##suffix(&w, 0, cdk_mask_bytes(n), 0);                          \
            return;                                                                        \
        }                                                                                  \
        for (int64_t i = 0; i < n; i++) {                                                  \
            to[i] = (mask[(at + i) / 8] >> (at + i) % 8 & 1) != 0 ? from[i * stride] : 0;  \
        }                                                                                  \
    }

DEFINE_STRIDED(float, f32)
DEFINE_STRIDED(double, f64)

cdk_mask_gradient_strided_run *const cdk_mask_gradient_strided[CD_DTYPES] = CDK_FLOATS(mask_gradient_strided);
