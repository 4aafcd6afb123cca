#include "kernels/levels.h"
/* A few zeros in a row are to stay vectors: what the compiler fills memory with instead takes as long as a
 * short span. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/normalisation.h"

/* Elements of a chunk: small enough for the second pass over it to come from the cache. */
#define CHUNK 16384
/* Chunks at most, which bounds the memory of partial sums. */
#define MAX_CHUNKS 1024
/* Elements the inner loop should have: rows of fewer channels are taken several at a time. */
#define INNER 64

/* How an array of rows of C channels is cut: each sample into chunks of `rows` rows, `fold` rows seen as one
 * of `width`. */
typedef struct {
    int64_t samples, sample_rows, sample_chunks, chunks, rows, fold, width;
} cut;

static int64_t samples_of(cdk_channels s)
{
    return s.samples > 1 ? s.samples : 1;
}

static cut cut_rows(cdk_channels s)
{
    cut k = {.samples = samples_of(s)};
    const int64_t most = MAX_CHUNKS / k.samples > 0 ? MAX_CHUNKS / k.samples : 1;
    k.sample_rows = s.rows / k.samples;
    k.fold = s.C < INNER ? INNER / s.C : 1;
    k.width = k.fold * s.C;
    k.rows = CHUNK / s.C > 0 ? CHUNK / s.C : 1;
    if (k.rows < (k.sample_rows + most - 1) / most) {
        k.rows = (k.sample_rows + most - 1) / most;
    }
    k.rows = (k.rows + k.fold - 1) / k.fold * k.fold;
    k.sample_chunks = (k.sample_rows + k.rows - 1) / k.rows;
    k.chunks = k.samples * k.sample_chunks;
    return k;
}

/* The first row of a chunk, and how many it has. */
static int64_t chunk_start(const cut *k, int64_t chunk)
{
    return chunk / k->sample_chunks * k->sample_rows + chunk % k->sample_chunks * k->rows;
}

static int64_t chunk_rows(const cut *k, int64_t chunk)
{
    const int64_t left = k->sample_rows - chunk % k->sample_chunks * k->rows;
    return left < k->rows ? left : k->rows;
}

static int64_t at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Joins (count, mean, sum of squares) of a part to that of what came before. */
static void join_statistics(double *mean, double *squares, double before, double part_mean,
                            double part_squares, double count)
{
    double total = before + count, delta = part_mean - *mean;
    *mean += delta * count / total;
    *squares += part_squares + delta * delta * before * count / total;
}

/* Partial sums of a span, and its longest length. */
#define LANES 32
#define SPAN 4096
/* Chunks of rows at most that add up gradients of weights by themselves. */
#define ROW_CHUNKS 64

static const float lane_numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

#define CDK_TEMPLATE "kernels/normalisation_level.h"
#define CDK_WITH_AVX512
#include "kernels/each_level.h"

#define T float
#define SHORT_ROWS 1
#define NAME(name) name##_f32
#define LOOP(name) CDK_FOR_CPU_512(name##_f32)
#include "kernels/normalisation_template.h"
#undef T
#undef SHORT_ROWS
#undef NAME
#undef LOOP

#define T double
#define SHORT_ROWS 0
#define NAME(name) name##_f64
#define LOOP(name) CDK_FOR_CPU_512(name##_f64)
#include "kernels/normalisation_template.h"

cdk_channel_mean_m2_run *const cdk_channel_mean_m2[CD_DTYPES] = CDK_FLOATS(channel_statistics);
cdk_channel_affine_run *const cdk_channel_affine[CD_DTYPES] = CDK_FLOATS(channel_affine);
cdk_channel_gradient_sums_run *const cdk_channel_gradient_sums[CD_DTYPES] = CDK_FLOATS(channel_gradient_sums);
cdk_channel_gradient_run *const cdk_channel_gradient[CD_DTYPES] = CDK_FLOATS(channel_gradient);
cdk_row_normalise_run *const cdk_row_normalise[CD_DTYPES] = CDK_FLOATS(row_normalise);
cdk_row_gradient_run *const cdk_row_gradient[CD_DTYPES] = CDK_FLOATS(row_gradient);

void cdk_affine_rows(float *y, const float *x, const float *scale, const float *shift,
                     cdk_activation activation, int64_t rows, int64_t C)
{
    CDK_FOR_CPU_512(affine_rows_f32)
    (y, x, scale, shift, cdk_activation_low(activation), cdk_activation_high(activation), rows, C);
}

void cdk_affine_coefficients(float *coefficients, const cdk_affine *affine, int64_t C)
{
    for (int64_t c = 0; c < C; c++) {
        coefficients[c] = (float)affine->scale[c];
        coefficients[C + c] = (float)affine->shift[c];
    }
}
