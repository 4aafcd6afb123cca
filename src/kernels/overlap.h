/* How much predictions and truth overlap, class by class and image by image: what the losses of Dice, Jaccard
 * and Tversky are made of.
 *
 *   both[n, d] = sum p t    predicted[n, d] = sum p    true[n, d] = sum t
 *
 * over the vectors of image n that count; t is 1 for the class of a vector and 0 for the others, or the
 * label.
 */
#ifndef CANDELA_KERNELS_OVERLAP_H
#define CANDELA_KERNELS_OVERLAP_H

#include <stdbool.h>

#include "base/status.h"
#include "kernels/by_dtype.h"
#include "kernels/labelled.h"
#include "kernels/vectors.h"

/* sums[3][images][D]: both, predicted, true, added up in double. p is x, or, of logits, softmax(x), which is
 * kept in p [outer][D][inner] unless that is NULL. Targets are in range. Errors: CD_EALLOC. */
typedef cd_status cdk_overlap_run(double *sums, void *p, const void *x, bool logits, cdk_vectors shape,
                                  const cdk_labelled *truth, cd_error *err);
extern cdk_overlap_run *const cdk_overlap[CD_DTYPES];

/* dx from dsums[2][images][D], the gradients of both and predicted; p as kept, or x where it is not
 * logits. */
typedef cd_status cdk_overlap_gradient_run(void *dx, const double *dsums, const void *p, bool logits,
                                           cdk_vectors shape, const cdk_labelled *truth, cd_error *err);
extern cdk_overlap_gradient_run *const cdk_overlap_gradient[CD_DTYPES];

#endif
