/* Weighted sums along both sides of dense images, x [planes][H][W][C] to y [planes][OH][OW][C]:
 *
 *   y[h][w] = sum over terms a of row h and b of column w of
 *             rows.weight[a] columns.weight[b] x[rows.index[a]][columns.index[b]] / (rows.divisor[h]
 *             columns.divisor[w])
 *
 * Means of windows and resized images are such, and so are their gradients: those of the transposed sides.
 */
#ifndef CANDELA_KERNELS_SEPARABLE_H
#define CANDELA_KERNELS_SEPARABLE_H

#include <stdint.h>

#include "base/status.h"
#include "kernels/by_dtype.h"

/* What each output along one side is made of: terms start[i] .. start[i + 1] - 1. */
typedef struct cdk_side {
    int64_t inputs, count; /* along x and y */
    int64_t *start;        /* [count + 1] */
    int64_t *index;        /* [terms] */
    double *weight;        /* [terms] */
    double *divisor;       /* [count] */
} cdk_side;

/* Memory for a side with so many terms in all; divisors are 1. The caller fills it and frees it with
 * cdk_separable_free. Any thread may call. Errors: CD_EALLOC. */
cd_status cdk_side_make(cdk_side *s, int64_t inputs, int64_t count, int64_t terms, cd_error *err);

typedef struct cdk_separable {
    int64_t planes, C;
    cdk_side rows, columns;
} cdk_separable;

/* The gradient's sum: inputs and outputs change places, terms are in the order of the outputs, and weights
 * are divided by the divisors. The caller frees `to`, also after an error. Errors: CD_EALLOC. */
cd_status cdk_separable_transpose(cdk_separable *to, const cdk_separable *from, cd_error *err);

/* Frees both sides; harmless where they are zero. */
void cdk_separable_free(cdk_separable *s);

/* Errors: CD_EALLOC. */
typedef cd_status cdk_separable_run(void *y, const void *x, const cdk_separable *s, cd_error *err);
extern cdk_separable_run *const cdk_separable_sum[CD_DTYPES];

#endif
