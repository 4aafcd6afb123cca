/* Softmax, its logarithm, and cross entropy.
 *
 * Arrays are seen as vectors (kernels/vectors.h), each of which is treated by itself.
 */
#ifndef CANDELA_KERNELS_SOFTMAX_H
#define CANDELA_KERNELS_SOFTMAX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "kernels/by_dtype.h"
#include "kernels/vectors.h"

/* y = exp(x - m) / sum exp(x - m), or x - m - log sum exp(x - m), m the largest. Errors: CD_EALLOC. */
typedef cd_status cdk_softmax_run(void *y, const void *x, cdk_vectors shape, bool logarithm, cd_error *err);
extern cdk_softmax_run *const cdk_softmax[CD_DTYPES];

/* dx = y (dy - sum(dy y)), or dy - exp(y) sum(dy). */
typedef cd_status cdk_softmax_gradient_run(void *dx, const void *dy, const void *y, cdk_vectors shape,
                                           bool logarithm, cd_error *err);
extern cdk_softmax_gradient_run *const cdk_softmax_gradient[CD_DTYPES];

/* Cross entropy of logits x with classes target[outer * inner], from 1; ignored where target = ignore.
 *
 *   loss = weight[t] ((1 - smoothing) nll[t]) + smoothing / D sum_c weight[c] nll[c],  nll = -log softmax(x)
 *
 * weight: [D] or NULL for ones. x are logits, or log-probabilities when is_log (then dx is that of nll_loss).
 * losses [outer * inner] or NULL; total: sum of losses; dx [outer][D][inner] or NULL: scale times the
 * gradient of the total. Targets must be in range or equal to ignore. */
typedef struct cdk_cross_entropy_options {
    const int64_t *target;
    const double *weight;
    int64_t ignore;
    double smoothing, scale;
    bool is_log;
} cdk_cross_entropy_options;

typedef cd_status cdk_cross_entropy_run(double *total, void *losses, void *dx, const void *x,
                                        cdk_vectors shape, const cdk_cross_entropy_options *options,
                                        cd_error *err);
extern cdk_cross_entropy_run *const cdk_cross_entropy[CD_DTYPES];

#endif
