/* Sums of runs of elements, for one level: included by separable.c after the vectors. */
#include "kernels/vector_runs.h"

VEC_INLINE void CDK_AT(weighted_vectors)(VEC_T *y, const weighted_taps *k, int64_t i, const int add,
                                         const int vectors, const int part, VEC_MASK mask)
{
    const VEC_T *weight = k->weight;
    VEC sum[VEC_RUN_VECTORS];
    for (int j = 0; j < vectors; j++) {
        sum[j] = add ? VEC_PART_LOAD(y + i + j * VEC_WIDTH, part, mask) : VEC_ZERO();
    }
    for (int64_t t = 0; t < k->taps; t++) {
        const VEC_T *tap = (const VEC_T *)k->tap[t] + i;
        const VEC w = VEC_SET1(weight[t]);
        for (int j = 0; j < vectors; j++) {
            sum[j] = VEC_FMA(w, VEC_PART_LOAD(tap + j * VEC_WIDTH, part, mask), sum[j]);
        }
    }
    for (int j = 0; j < vectors; j++) {
        VEC_PART_STORE(y + i + j * VEC_WIDTH, sum[j], part, mask);
    }
}

/* y[i] (+)= sum over t of weight[t] tap[t][i] */
static VEC_TARGET void CDK_AT(weighted_sum)(VEC_T *y, const weighted_taps *k, int add, int64_t n)
{
#define FIRST(vectors, part, mask) CDK_AT(weighted_vectors)(y, k, i, 0, vectors, part, mask)
#define MORE(vectors, part, mask) CDK_AT(weighted_vectors)(y, k, i, 1, vectors, part, mask)
    if (add) {
        VEC_RUN(n, MORE)
    } else {
        VEC_RUN(n, FIRST)
    }
#undef FIRST
#undef MORE
}

/* y[e] = sum over t < taps of weight[t n + e] x[index[t n + e]] */
static VEC_TARGET void CDK_AT(gathered_sum)(VEC_T *restrict y, const VEC_T *restrict x,
                                            const int32_t *restrict index, const VEC_T *restrict weight,
                                            int64_t taps, int64_t n)
{
    for (int64_t e = 0; e < n; e++) {
        y[e] = weight[e] * x[index[e]];
    }
    for (int64_t t = 1; t < taps; t++) {
        for (int64_t e = 0; e < n; e++) {
            y[e] += weight[t * n + e] * x[index[t * n + e]];
        }
    }
}

/* y[e] /= by[e] times */
static VEC_TARGET void CDK_AT(divide)(VEC_T *restrict y, const VEC_T *restrict by, VEC_T times, int64_t n)
{
    for (int64_t e = 0; e < n; e++) {
        y[e] = y[e] / (by[e] * times);
    }
}

/* Elements i .. of pixel w of a row of y. */
VEC_INLINE void CDK_AT(direct_vectors)(VEC_T *y, const direct_row *k, int64_t w, int64_t i, const int vectors,
                                       const int part, VEC_MASK mask)
{
    const VEC_T *row_weight = k->row_weight, *column_weight = k->column_weight;
    VEC sum[VEC_RUN_VECTORS];
    for (int j = 0; j < vectors; j++) {
        sum[j] = VEC_ZERO();
    }
    for (int64_t a = 0; a < k->rows; a++) {
        for (int64_t b = k->start[w]; b < k->start[w + 1]; b++) {
            const VEC_T *pixel = (const VEC_T *)k->row[a] + k->index[b] * k->C + i;
            const VEC weight = VEC_SET1(row_weight[a] * column_weight[b]);
            for (int j = 0; j < vectors; j++) {
                sum[j] = VEC_FMA(weight, VEC_PART_LOAD(pixel + j * VEC_WIDTH, part, mask), sum[j]);
            }
        }
    }
    if (k->divides) {
        const VEC divisor = VEC_SET1((VEC_T)(k->divisor[w] * k->row_divisor));
        for (int j = 0; j < vectors; j++) {
            sum[j] = sum[j] / divisor;
        }
    }
    for (int j = 0; j < vectors; j++) {
        VEC_PART_STORE(y + i + j * VEC_WIDTH, sum[j], part, mask);
    }
}

/* A row of y, pixel by pixel and in each all rows and columns at once. */
static VEC_TARGET void CDK_AT(direct_sum)(VEC_T *y, const direct_row *k, int64_t pixels)
{
    for (int64_t w = 0; w < pixels; w++, y += k->C) {
#define CALL(vectors, part, mask) CDK_AT(direct_vectors)(y, k, w, i, vectors, part, mask)
        VEC_RUN(k->C, CALL)
#undef CALL
    }
}
