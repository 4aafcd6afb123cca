/* Sorting along the middle dimension of [outer][n][inner], row-major: the whole order, the first elements of
 * it, or the median. Equal elements keep their order.
 */
#ifndef CANDELA_KERNELS_SORT_H
#define CANDELA_KERNELS_SORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "kernels/by_dtype.h"

typedef struct cdk_sorting {
    int64_t outer, n, inner;
    int64_t m;       /* how many of the n are wanted, from the first in order on */
    bool descending; /* largest first; NaN counts as larger than every number */
    bool median;     /* with m = 1 and ascending: the lower of the middle elements, or the first NaN */
} cdk_sorting;

/* value[outer][m][inner] and index[outer][m][inner] (from 1), the elements of x in order and where they came
 * from. There are float32, float64 and int64. Errors: CD_EALLOC, CD_EINTERRUPT. */
typedef cd_status cdk_sort_run(void *value, int64_t *index, const void *x, const cdk_sorting *s,
                               cd_error *err);
extern cdk_sort_run *const cdk_sort[CD_DTYPES];

#endif
