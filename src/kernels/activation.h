/* Activations, element by element, over dense float or double arrays, on several threads. Their formulas are lines
 * of kernels/activation.def.
 */
#ifndef CANDELA_KERNELS_ACTIVATION_H
#define CANDELA_KERNELS_ACTIVATION_H

#include <stdint.h>

#include "kernels/epilogue.h"

typedef enum {
#define RECTIFIER(name, ...) CDK_FUNCTION_##name,
#define ACTIVATION(name, ...) CDK_FUNCTION_##name,
#include "kernels/activation.def"
    CDK_FUNCTIONS
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
