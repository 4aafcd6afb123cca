/* What losses need besides softmax (kernels/softmax.h) and formulas (kernels/loss_elements.h): classes and
 * labels checked.
 *
 * Sums are taken in pieces of fixed size and joined in order, so they do not depend on the number of threads.
 */
#ifndef CANDELA_KERNELS_LOSS_H
#define CANDELA_KERNELS_LOSS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "kernels/by_dtype.h"

/* Classes target[n], counted from 1 to C; those equal to `ignore` do not count. weight: [C], or NULL for
 * ones. */
typedef struct cdk_classes {
    const int64_t *target;
    const double *weight;
    int64_t n, C, ignore;
    const char *loss; /* for messages: whose target it is */
} cdk_classes;

/* *total: the sum of the weights of the classes that count. Errors: CD_EINDEX for a class that is not in
 * 1 .. C, CD_EALLOC. */
cd_status cdk_classes_weight(double *total, const cdk_classes *classes, cd_error *err);

/* Are labels[n] 0 or 1, or, unless `hard`, between them, where they are not `ignore`? Otherwise CD_EVALUE,
 * whose message names `loss` and the first that is not. */
typedef cd_status cdk_labels_check_run(const void *labels, int64_t n, int64_t ignore, bool hard,
                                       const char *loss, cd_error *err);
extern cdk_labels_check_run *const cdk_labels_check[CD_DTYPES];

#endif
