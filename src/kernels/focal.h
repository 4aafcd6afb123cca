/* The focal loss of yes or no, for each element and class.
 *
 * With s = x where the truth is yes and -x where it is no, pt = sigmoid(s), ce = -log pt:
 *
 *   term = (1 - pt)^gamma, or, with a threshold, ((1 - pt) / threshold)^gamma where pt >= threshold, else 1
 *   loss = term ce a,  a = alpha for yes and 1 - alpha for no, or 1 where alpha < 0
 *
 * For classes, the truth is yes for the class of a vector and no for all others.
 */
#ifndef CANDELA_KERNELS_FOCAL_H
#define CANDELA_KERNELS_FOCAL_H

#include "base/status.h"
#include "kernels/by_dtype.h"
#include "kernels/labelled.h"
#include "kernels/vectors.h"

typedef struct cdk_focal_options {
    cdk_labelled truth;
    double gamma, alpha, threshold; /* alpha, threshold: negative for none */
} cdk_focal_options;

/* totals[3][D], for each class: the sums of loss and of term over what counts, and how many elements that is;
 * losses like x (0 where it does not count) unless NULL. Targets are in range. Errors: CD_EALLOC. */
typedef cd_status cdk_focal_run(double *totals, void *losses, const void *x, cdk_vectors shape,
                                const cdk_focal_options *options, cd_error *err);
extern cdk_focal_run *const cdk_focal[CD_DTYPES];

/* dx = dy dloss/dx for dy like x; or, where dy is NULL, dtotals[0][d] dloss/dx + dtotals[1][d] dterm/dx. */
typedef cd_status cdk_focal_gradient_run(void *dx, const void *dy, const double *dtotals, const void *x,
                                         cdk_vectors shape, const cdk_focal_options *options, cd_error *err);
extern cdk_focal_gradient_run *const cdk_focal_gradient[CD_DTYPES];

#endif
