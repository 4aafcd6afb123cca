/* Activations, element by element. Their formulas are lines of kernels/activation.def. */
#ifndef CANDELA_KERNELS_ACTIVATION_H
#define CANDELA_KERNELS_ACTIVATION_H

#include <stdint.h>

#include "base/dtype.h"
#include "kernels/epilogue.h"
#include "kernels/formula.h"

typedef enum {
#define RECTIFIER(name, ...) CDK_FUNCTION_##name,
#define ACTIVATION(name, ...) CDK_FUNCTION_##name,
#include "kernels/activation.def"
    CDK_FUNCTIONS
} cdk_activation_function;

/* y = f(x), and dx = g f'(x), which relu and relu6 do not have: they have masks (kernels/mask.h). NULL for a
 * type without kernels. */
cdk_formula *cdk_activation_for(cdk_activation_function f, cd_dtype dtype);
cdk_formula *cdk_activation_gradient_for(cdk_activation_function f, cd_dtype dtype);

/* y[i] = a(y[i]), on several threads. */
void cdk_rectify_f32(float *y, int64_t n, cdk_activation a);

#endif
