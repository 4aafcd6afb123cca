/* What pooling does to runs of elements, for one level: included by pooling.c after the vectors. Every
 * element is by itself, whatever its lane. */

#include "kernels/vector_runs.h"

#define WINS(v, best) (VEC_GREATER(v, best) | VEC_IS_NAN(v))

VEC_INLINE void CDK_AT(largest_vectors)(VEC_T *y, VEC_T *at, const pool_taps *k, int64_t i, const int vectors,
                                        const int part, VEC_MASK mask)
{
    const VEC_T *start = k->start, *number = k->number;
    VEC best[VEC_RUN_VECTORS], where[VEC_RUN_VECTORS];
    for (int j = 0; j < vectors; j++) {
        best[j] = VEC_SET1((VEC_T)-INFINITY);
        where[j] = VEC_SET1((VEC_T)k->base);
        if (start != NULL) {
            where[j] = VEC_ADD(where[j], VEC_PART_LOAD(start + i + j * VEC_WIDTH, part, mask));
        }
    }
    for (int64_t t = 0; t < k->taps; t++) {
        const VEC_T *tap = (const VEC_T *)k->tap[t] + i;
        const VEC n = VEC_SET1(number[t]);
        for (int j = 0; j < vectors; j++) {
            const VEC v = VEC_PART_LOAD(tap + j * VEC_WIDTH, part, mask);
            where[j] = VEC_SELECT(WINS(v, best[j]), n, where[j]);
            best[j] = VEC_SELECT(WINS(v, best[j]), v, best[j]);
        }
    }
    for (int j = 0; j < vectors; j++) {
        VEC_PART_STORE(y + i + j * VEC_WIDTH, best[j], part, mask);
        VEC_PART_STORE(at + i + j * VEC_WIDTH, where[j], part, mask);
    }
}

/* y[i] = the largest of tap[t][i], at[i] = its number[t], or base + start[i] where all are -Inf. */
static VEC_TARGET void CDK_AT(largest_places)(VEC_T *y, VEC_T *at, const pool_taps *k, int64_t n){
#define CALL(vectors, part, mask) CDK_AT(largest_vectors)(y, at, k, i, vectors, part, mask)
    VEC_RUN(n, CALL)
#undef CALL
}

VEC_INLINE void CDK_AT(values_vectors)(VEC_T *y, const pool_taps *k, int64_t i, const int vectors,
                                       const int part, VEC_MASK mask)
{
    VEC best[VEC_RUN_VECTORS];
    for (int j = 0; j < vectors; j++) {
        best[j] = VEC_SET1((VEC_T)-INFINITY);
    }
    for (int64_t t = 0; t < k->taps; t++) {
        const VEC_T *tap = (const VEC_T *)k->tap[t] + i;
        for (int j = 0; j < vectors; j++) {
            const VEC v = VEC_PART_LOAD(tap + j * VEC_WIDTH, part, mask);
            best[j] = VEC_SELECT(WINS(v, best[j]), v, best[j]);
        }
    }
    for (int j = 0; j < vectors; j++) {
        VEC_PART_STORE(y + i + j * VEC_WIDTH, best[j], part, mask);
    }
}

/* The same without places. */
static VEC_TARGET void CDK_AT(largest)(VEC_T *y, const pool_taps *k, int64_t n)
{
#define CALL(vectors, part, mask) CDK_AT(values_vectors)(y, k, i, vectors, part, mask)
    VEC_RUN(n, CALL)
#undef CALL
}

/* to[e] = place number first + e, of `size` bytes */
static VEC_TARGET void CDK_AT(read_places)(VEC_T *restrict to, const void *place, size_t size, int64_t first,
                                           int64_t n)
{
    const uint8_t *restrict bytes = (const uint8_t *)place + first;
    const int32_t *restrict words = (const int32_t *)place + first;
    if (size == 1) {
        for (int64_t e = 0; e < n; e++) {
            to[e] = bytes[e];
        }
    } else {
        for (int64_t e = 0; e < n; e++) {
            to[e] = (VEC_T)words[e];
        }
    }
}

/* place[e] = at[e], as bytes */
static VEC_TARGET void CDK_AT(write_bytes)(uint8_t *restrict place, const VEC_T *restrict at, int64_t n)
{
    for (int64_t e = 0; e < n; e++) {
        place[e] = (uint8_t)(int32_t)at[e];
    }
}

VEC_INLINE void CDK_AT(chosen_vectors)(VEC_T *dx, const pool_choices *k, int64_t column, int64_t i,
                                       const int vectors, const int part, VEC_MASK mask)
{
    const VEC_T *base = k->base;
    VEC sum[VEC_RUN_VECTORS];
    for (int j = 0; j < vectors; j++) {
        sum[j] = VEC_ZERO();
    }
    for (int64_t r = 0; r < k->rows; r++) {
        for (int64_t q = k->start[column]; q < k->start[column + 1]; q++) {
            const int64_t at = k->window[q].output * k->C + i;
            const VEC_T *dy = (const VEC_T *)k->dy[r] + at, *place = (const VEC_T *)k->place[r] + at;
            const VEC number = VEC_SET1(base[r] + (VEC_T)k->window[q].tap);
            for (int j = 0; j < vectors; j++) {
                const VEC found = VEC_PART_LOAD(place + j * VEC_WIDTH, part, mask);
                const VEC share = VEC_PART_LOAD(dy + j * VEC_WIDTH, part, mask);
                sum[j] = VEC_ADD(sum[j], VEC_SELECT(VEC_EQUAL(found, number), share, VEC_ZERO()));
            }
        }
    }
    for (int j = 0; j < vectors; j++) {
        VEC_PART_STORE(dx + i + j * VEC_WIDTH, sum[j], part, mask);
    }
}

/* A row of dx: each pixel is the sum of the dy of those outputs whose place it is. */
static VEC_TARGET void CDK_AT(sum_chosen)(VEC_T *dx, const pool_choices *k, int64_t pixels)
{
    for (int64_t w = 0; w < pixels; w++, dx += k->C) {
#define CALL(vectors, part, mask) CDK_AT(chosen_vectors)(dx, k, w, i, vectors, part, mask)
        VEC_RUN(k->C, CALL)
#undef CALL
    }
}

#undef WINS
