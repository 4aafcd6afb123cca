/* Running element-by-element kernels on tensors. */
#ifndef CANDELA_AUTOGRAD_POINTWISE_H
#define CANDELA_AUTOGRAD_POINTWISE_H

#include "autograd/op.h"
#include "kernels/pointwise.h"

/* out = a op b, broadcast, computed in dtype; out has that dtype, or bool for comparisons.
 * Errors: CD_EDTYPE where the dtype has no such operation. */
cd_status cd_binary_into(cd_tensor *out, cdk_binary op, cd_tensor *a, cd_tensor *b, cd_dtype dtype,
                         const char *name, cd_error *err);

/* out = f(x), computed in the dtype of out. */
cd_status cd_unary_into(cd_tensor *out, cdk_unary op, cd_tensor *x, const char *name, cd_error *err);

#endif
