/* The Lovasz extension of the Jaccard loss.
 *
 * Errors e[i] of the elements of a group, largest first, and whether element i is true, y[i]: with
 *
 *   J[k] = 1 - (Y - sum_{i<=k} y[i]) / (Y + sum_{i<=k} (1 - y[i])),  Y = sum y,  J[-1] = 0
 *
 * the loss of the group is sum_k e[k] (J[k] - J[k-1]), and the bracket is its slope in e[k]. Equal errors
 * keep the order of their elements.
 *
 * Of classes, a group is one class in `images / groups` images, and e = |y - p| of probabilities p. Of
 * labels, it is all elements of those images, and e = max(0, 1 - x) where y = 1, max(0, 1 + x) elsewhere, of
 * logits x.
 */
#ifndef CANDELA_KERNELS_LOVASZ_H
#define CANDELA_KERNELS_LOVASZ_H

#include <stdbool.h>

#include "base/status.h"
#include "kernels/by_dtype.h"
#include "kernels/labelled.h"
#include "kernels/vectors.h"

/* loss[groups][D] and found[groups][D], how many elements are true (of labels: [groups]); slope like x, the
 * derivative of the loss of its group by each element of x: 0 where it does not count, and for a class that
 * is nowhere, whose loss is 0. groups: 1 or truth->images. Targets are in range. Errors: CD_EALLOC,
 * CD_EINTERRUPT. */
typedef cd_status cdk_lovasz_run(double *loss, double *found, void *slope, const void *x, cdk_vectors shape,
                                 const cdk_labelled *truth, int64_t groups, cd_error *err);
extern cdk_lovasz_run *const cdk_lovasz[CD_DTYPES];

/* dx = slope times dloss[groups][D] (of labels: [groups]) of its group. */
typedef void cdk_lovasz_gradient_run(void *dx, const void *slope, const double *dloss, cdk_vectors shape,
                                     bool classes, int64_t groups);
extern cdk_lovasz_gradient_run *const cdk_lovasz_gradient[CD_DTYPES];

#endif
