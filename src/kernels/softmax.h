/* Softmax, its logarithm, and cross entropy.
 *
 * Arrays are seen as [outer][D][inner]; each of the outer * inner vectors of length D is treated by itself.
 * Channels-last images with the channels as D have outer = N H W and inner = 1.
 */
#ifndef CANDELA_KERNELS_SOFTMAX_H
#define CANDELA_KERNELS_SOFTMAX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

typedef struct cdk_vectors {
    int64_t outer, D, inner;
} cdk_vectors;

/* y = exp(x - m) / sum exp(x - m), or x - m - log sum exp(x - m), m the largest. Errors: CD_EALLOC. */
cd_status cdk_softmax_f32(float *y, const float *x, cdk_vectors shape, bool logarithm, cd_error *err);
cd_status cdk_softmax_f64(double *y, const double *x, cdk_vectors shape, bool logarithm, cd_error *err);

/* dx = y (dy - sum(dy y)), or dy - exp(y) sum(dy). */
cd_status cdk_softmax_gradient_f32(float *dx, const float *dy, const float *y, cdk_vectors shape,
                                   bool logarithm, cd_error *err);
cd_status cdk_softmax_gradient_f64(double *dx, const double *dy, const double *y, cdk_vectors shape,
                                   bool logarithm, cd_error *err);

/* Cross entropy of logits x with classes target[outer * inner], from 1; ignored where target = ignore.
 *
 *   loss = weight[t] ((1 - smoothing) nll[t]) + smoothing / D sum_c weight[c] nll[c],  nll = -log softmax(x)
 *
 * weight: [D] or NULL for ones. x are logits, or log-probabilities when is_log (then dx is that of nll_loss).
 * losses [outer * inner] or NULL; total: sum of losses; dx [outer][D][inner] or NULL: scale times the
 * gradient of the total. Targets must be in range or equal to ignore. */
typedef struct cdk_cross_entropy {
    const int64_t *target;
    const double *weight;
    int64_t ignore;
    double smoothing, scale;
    bool is_log;
} cdk_cross_entropy;

cd_status cdk_cross_entropy_f32(double *total, float *losses, float *dx, const float *x, cdk_vectors shape,
                                const cdk_cross_entropy *options, cd_error *err);
cd_status cdk_cross_entropy_f64(double *total, double *losses, double *dx, const double *x, cdk_vectors shape,
                                const cdk_cross_entropy *options, cd_error *err);

#endif
