/* Element-by-element loops over tensors of one broadcast shape and any strides.
 *
 * The loop order is that of operand 0's memory; dimensions that lie without gaps in all operands are merged,
 * so that tensors of one layout become a single run. Operands of another memory format (channels last beside
 * row-major, transposed beside plain matrices) are transposed on the way, a patch at a time in a cache,
 * so that they too are read once. Long loops are shared by the threads; the body is called for disjoint runs
 * of operand 0.
 */
#ifndef CANDELA_TENSOR_ITERATE_H
#define CANDELA_TENSOR_ITERATE_H

#include "tensor/tensor.h"

#define CD_MAX_OPERANDS 4

/* Works on n elements: operand k's lie at data[k], data[k] + stride[k], ... (strides in elements). */
typedef void (*cd_run_body)(const void *context, char *const *data, const int64_t *stride, int64_t n);

/* Calls body until all elements of operand[0] are done; the others are broadcast to its shape.
 * Errors: CD_ESHAPE when one cannot be. */
cd_status cd_iterate(int n_operands, cd_tensor *const *operand, cd_run_body body, const void *context,
                     cd_error *err);

#endif
