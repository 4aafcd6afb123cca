/* The elements of tensors that have storage, whatever their dtype and strides. Nobody is told of a change:
 * that is for tensor/copy.h. */
#ifndef CANDELA_TENSOR_ELEMENTS_H
#define CANDELA_TENSOR_ELEMENTS_H

#include "tensor/tensor.h"

/* dst[i...] = (dtype of dst) src[i...]; src is broadcast to the shape of dst, and its dimensions d with
 * reversed[d] are read from their end (NULL: none). Float to integer truncates, anything to bool is != 0.
 * Errors: CD_ESHAPE when src cannot be broadcast. The two must not overlap unless they are the same elements.
 */
cd_status cd_elements_copy(cd_tensor *dst, const cd_tensor *src, const bool *reversed, cd_error *err);

/* Strides (elements) that make src look as if it had dst's shape: zero where it is broadcast. */
cd_status cd_broadcast_strides(int64_t *stride, const cd_tensor *src, int ndim, const int64_t *shape,
                               cd_error *err);

/* sum += t, added up over the dimensions in which sum (float64) is broadcast to the shape of t (a float
 * type), one element after the other in row-major order of t. Errors: CD_ESHAPE. */
cd_status cd_elements_add(cd_tensor *sum, const cd_tensor *t, cd_error *err);

/* One element as a number, at a flat row-major position. */
double cd_tensor_get(const cd_tensor *t, int64_t position);

#endif
