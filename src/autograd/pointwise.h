/* Running element-by-element kernels on tensors. */
#ifndef CANDELA_AUTOGRAD_POINTWISE_H
#define CANDELA_AUTOGRAD_POINTWISE_H

#include "autograd/op.h"
#include "kernels/pointwise.h"

/* out = a op b, broadcast, computed in dtype; out has that dtype, or bool for comparisons.
 * Errors: CD_EDTYPE where the dtype has no such operation. */
cd_status cd_binary_into(cd_tensor *out, cdk_binary op, cd_tensor *a, cd_tensor *b, cd_dtype dtype,
                         const char *name, cd_error *err);

/* dx from the formula, the kept input or output (NULL: none is needed) and the gradient dy of any memory
 * order. It has the memory order of what is kept, and its memory where nobody else looks at it; a, b: the
 * formula's parameters. */
cd_status cd_formula_gradient(cd_gradient *g, cdk_formula *formula, cd_tensor *kept, double a, double b,
                              cd_error *err);

/* out = the formula of x, of the dtype of out. */
cd_status cd_formula_into(cd_tensor *out, cdk_formula *formula, cd_tensor *x, double a, double b,
                          cd_error *err);

/* A gradient dy nobody else will look at becomes dx itself, if it has its memory order, else dx is a new
 * tensor like `like`: one large buffer less. */
cd_status cd_gradient_target(cd_gradient *g, const cd_tensor *like, cd_error *err);

/* out = f(x), computed in the dtype of out. */
cd_status cd_unary_into(cd_tensor *out, cdk_unary op, cd_tensor *x, const char *name, cd_error *err);

#endif
