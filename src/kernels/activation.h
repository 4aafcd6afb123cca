/* Activations, element by element, over dense float or double arrays, on several threads.
 *
 * relu max(0, x); relu6 min(6, max(0, x)); hardtanh min(b, max(a, x)); leaky_relu x or a x; elu x or
 * a (exp(x) - 1); selu (Klambauer et al. 2017); celu x or a (exp(x / a) - 1); gelu x Phi(x) and its tanh
 * approximation (Hendrycks and Gimpel 2016); silu x sigmoid(x); hardswish x relu6(x + 3) / 6; hardsigmoid
 * relu6(x + 3) / 6; softplus log(1 + exp(a x)) / a, x where a x > b; log_sigmoid log(sigmoid(x)).
 */
#ifndef CANDELA_KERNELS_ACTIVATION_H
#define CANDELA_KERNELS_ACTIVATION_H

#include <stdint.h>

#include "kernels/epilogue.h"

typedef enum {
    CDK_RELU,
    CDK_RELU6,
    CDK_HARDTANH,
    CDK_LEAKY_RELU,
    CDK_ELU,
    CDK_SELU,
    CDK_CELU,
    CDK_GELU,
    CDK_GELU_TANH,
    CDK_SILU,
    CDK_HARDSWISH,
    CDK_HARDSIGMOID,
    CDK_SOFTPLUS,
    CDK_LOG_SIGMOID,
    CDK_ACTIVATIONS
} cdk_activation_function;

/* y[i] = f(x[i]); y may be x. */
void cdk_activation_f32(float *y, const float *x, int64_t n, cdk_activation_function f, double a, double b);
void cdk_activation_f64(double *y, const double *x, int64_t n, cdk_activation_function f, double a, double b);

/* y[i] = a(y[i]). */
void cdk_rectify_f32(float *y, int64_t n, cdk_activation a);

/* dx[i] = dy[i] f'(x[i]). dx may be dy. Not for relu and relu6, which have masks (kernels/mask.h). */
void cdk_activation_gradient_f32(float *dx, const float *dy, const float *x, int64_t n,
                                 cdk_activation_function f, double a, double b);
void cdk_activation_gradient_f64(double *dx, const double *dy, const double *x, int64_t n,
                                 cdk_activation_function f, double a, double b);

#endif
