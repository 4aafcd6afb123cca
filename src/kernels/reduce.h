/* Reductions of the middle dimension of [outer][n][inner], row-major.
 *
 * Floats are accumulated in double, integers in int64. Work is cut into pieces that do not depend on the
 * number of threads, and their results are combined in index order, so neither does the result.
 */
#ifndef CANDELA_KERNELS_REDUCE_H
#define CANDELA_KERNELS_REDUCE_H

#include <stdint.h>

#include "base/status.h"
#include "kernels/by_dtype.h"

typedef enum { CDK_SUM, CDK_PRODUCT, CDK_LARGEST, CDK_SMALLEST, CDK_REDUCTIONS } cdk_reduction;

/* y[outer][inner] over n: double where x is a float type, else int64 (sums and products wrap around). The
 * largest and smallest are NaN if an element is, and need n > 0; an empty sum is 0, an empty product 1. y and
 * x must not overlap. Errors: CD_EALLOC. */
cd_status cdk_reduce(void *y, cdk_reduction reduction, const void *x, cd_dtype type, int64_t outer, int64_t n,
                     int64_t inner, cd_error *err);

/* value[outer][inner], index[outer][inner] (from 1): the first largest (smallest) element over n > 0; the
 * first NaN if there is one. value may be NULL. */
void cdk_arg_extreme(void *value, int64_t *index, int smallest, const void *x, cd_dtype type, int64_t outer,
                     int64_t n, int64_t inner);

/* y[i] = x[0] + ... + x[i], or the product, along n. In double (int64) as above, rounded to the type. */
void cdk_cumulate(void *y, int product, const void *x, cd_dtype type, int64_t outer, int64_t n,
                  int64_t inner);

/* The sizes of [outer][n][inner]. */
typedef struct cdk_middle {
    int64_t outer, n, inner;
} cdk_middle;

/* The gradient of the cumulative sum, dx[k] = sum of dy[i] over i >= k, and, in double, of the cumulative
 * product of x. */
typedef void cdk_cumsum_gradient_run(void *dx, const void *dy, cdk_middle shape);
extern cdk_cumsum_gradient_run *const cdk_cumsum_gradient[CD_DTYPES];
void cdk_cumprod_gradient(double *dx, const double *dy, const double *x, cdk_middle shape);

/* dx[o][i][j] = dy[o][j] times the product of x[o][k][j] over k != i: right also where x has zeros. */
void cdk_product_gradient(double *dx, const double *dy, const double *x, cdk_middle shape);

/* dx = 0, then dx[o][index[o][i][j] - 1][j] += dy[o][i][j] for the m elements found along n. */
typedef void cdk_return_found_run(void *dx, const int64_t *index, const void *dy, int64_t m,
                                  cdk_middle shape);
extern cdk_return_found_run *const cdk_return_found[CD_DTYPES];

#endif
