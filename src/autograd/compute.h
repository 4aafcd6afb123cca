/* The type an operator computes in: the one place that decides it.
 *
 * The rules, of which an operator's shape function takes one for its output:
 *   cd_promote         the type its inputs have together (arithmetic, comparisons)
 *   cd_dtype_float     of that: the float type of functions without integer values (base/dtype.h)
 *   cd_check_float     the type of the one input, which must be a float (convolution, softmax, pooling,
 *                      losses)
 *   cd_dtype_widest    sums, orders and integer products go through float64 or int64 (base/dtype.h)
 *
 * Forward and backward then convert every operand to that type, with cd_dense_like() or cd_tensor_as(), and
 * look their kernel up by it, as in cdk_softmax[y->dtype] (kernels/by_dtype.h). They do not ask which type it
 * is.
 *
 * Types that no kernel knows are only stored (cd_dtype_computed): int8, int16, float16, bfloat16. An operator
 * never sees them, but for views and those that move elements from one type to another (CD_ANY_DTYPE). At the
 * door, which is cd_apply() for variables and cd_run() for the tensors of backward functions, they are cast
 * to the type they are computed in, and a result of that type is cast back to what the inputs have in common.
 * Both casts are operators, so a gradient comes back in the type of its tensor.
 *
 * A new type of this sort is a line of base/dtype.[ch] and its conversions in tensor/elements.c. One with
 * kernels is also the functions that the tables of kernels get for it.
 */
#ifndef CANDELA_AUTOGRAD_COMPUTE_H
#define CANDELA_AUTOGRAD_COMPUTE_H

#include "base/status.h"
#include "tensor/tensor.h"

/* The type a computation on these tensors has. Tensors with dimensions decide; 0-d tensors, and after them
 * plain numbers, count only where they are of a higher kind (bool < integer < float). A float number makes
 * integers float32. NULL entries are skipped. */
cd_dtype cd_promote(int n, cd_tensor *const *in);

/* The same for choices between elements, where only plain numbers give way: a 0-d tensor counts in full. */
cd_dtype cd_promote_chosen(int n, cd_tensor *const *in);

/* Is one of these tensors of a type that is only stored? NULL entries are skipped. */
bool cd_any_only_stored(int n, cd_tensor *const *in);

/* The type in which a result of that type is stored, given inputs of an operator that computes on casts of
 * them: that which those of its computed type have in common, where no tensor with dimensions has the type of
 * the result itself. */
cd_dtype cd_stored_type(cd_dtype result, int n, cd_tensor *const *in);

/* The attributes of to_dtype for a cast that keeps the order in memory; returns their number. */
#define CD_CAST_ATTRS 2
int cd_cast_attributes(double *attr, cd_dtype dtype);

/* CD_EDTYPE unless t is of a float type the kernels have; op is for the message. */
cd_status cd_check_float(const cd_tensor *t, const char *op, cd_error *err);

#endif
