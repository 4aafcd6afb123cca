/* Softmax of rows: what it is made of, on one float32 row of n elements, on the calling thread, and the whole
 * of it.
 *
 * Sums run over the vectors of a row, in an order that depends on the instruction set only.
 */
#ifndef CANDELA_KERNELS_ROWS_H
#define CANDELA_KERNELS_ROWS_H

#include <stdbool.h>
#include <stdint.h>

/* x = scale x + shift (NULL: none); gives the largest, -Inf for n = 0. */
float cdk_row_affine(float *x, int64_t n, float scale, const float *shift);

/* y = exp(x - top); gives their sum. y may be x. */
float cdk_row_exp(float *y, const float *x, int64_t n, float top);

/* y = factor x. y may be x. */
void cdk_row_times(float *y, const float *x, int64_t n, float factor);

/* y *= x */
void cdk_row_multiply(float *y, const float *x, int64_t n);

/* sum a b */
float cdk_row_dot(const float *a, const float *b, int64_t n);

/* x = exp(scale x + shift - lse), shift NULL: none; then d = factor x (kept d - mean) and x = kept x, kept
 * NULL: 1. */
typedef struct cdk_row_scores {
    float scale, lse, mean, factor;
    const float *shift, *kept;
} cdk_row_scores;

void cdk_row_scores_gradient(float *x, float *d, int64_t n, const cdk_row_scores *s);

/* y[r] = softmax(x[r]), or its logarithm, for all rows of D elements, one after the other. */
void cdk_softmax_rows(float *y, const float *x, int64_t rows, int64_t D, bool logarithm);

/* dx = y (dy - sum(dy y)), or dy - exp(y) sum(dy), of each row. */
void cdk_softmax_rows_gradient(float *dx, const float *dy, const float *y, int64_t rows, int64_t D,
                               bool logarithm);

#endif
