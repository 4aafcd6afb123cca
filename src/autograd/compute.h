/* The type an operator computes in: the one place that decides it.
 *
 * The rules, of which an operator's shape function takes one for its output:
 *   cd_promote         the type its inputs have together (arithmetic, comparisons)
 *   cd_dtype_float     of that: the float type of functions without integer values (base/dtype.h)
 *   cd_check_float     the type of the one input, which must be a float (convolution, softmax, pooling, losses)
 *   cd_dtype_widest    sums, orders and integer products go through float64 or int64 (base/dtype.h)
 *
 * Forward and backward then convert every operand to that type, with cd_dense_like() or cd_tensor_as(), and look
 * their kernel up by it, as in cdk_softmax[y->dtype] (kernels/by_dtype.h). They do not ask which type it is.
 *
 * A new float type is a line of base/dtype.[ch] and the functions that the tables of kernels get for it. Where a
 * kernel has none, its operators must not accept the type: cd_check_float() is where they refuse it, or where they
 * would be told to compute in float32 instead.
 */
#ifndef CANDELA_AUTOGRAD_COMPUTE_H
#define CANDELA_AUTOGRAD_COMPUTE_H

#include "base/status.h"
#include "tensor/tensor.h"

/* The type a computation on these tensors has. Tensors with dimensions decide; 0-d tensors, and after them plain
 * numbers, count only where they are of a higher kind (bool < integer < float). A float number makes integers
 * float32. NULL entries are skipped. */
cd_dtype cd_promote(int n, cd_tensor *const *in);

/* The same for choices between elements, where only plain numbers give way: a 0-d tensor counts in full. */
cd_dtype cd_promote_chosen(int n, cd_tensor *const *in);

/* CD_EDTYPE unless t is of a float type the kernels have; op is for the message. */
cd_status cd_check_float(const cd_tensor *t, const char *op, cd_error *err);

#endif
