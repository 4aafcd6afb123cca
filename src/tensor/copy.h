/* Copying between tensors of any dtype and strides. What is written to counts as changed: lazy tensors
 * that read it are materialised first (tensor/lazy.h), and its version goes up. */
#ifndef CANDELA_TENSOR_COPY_H
#define CANDELA_TENSOR_COPY_H

#include "tensor/tensor.h"

/* dst[i...] = (dtype of dst) src[i...]; src is broadcast to the shape of dst.
 * Float to integer truncates, anything to bool is != 0. Errors: CD_ESHAPE when src cannot be broadcast.
 * The two must not overlap unless they are the same elements. */
cd_status cd_tensor_copy(cd_tensor *dst, const cd_tensor *src, cd_error *err);

/* The same, reading the dimensions d of dst with reversed[d] from their end; NULL reverses none. */
cd_status cd_tensor_copy_reversed(cd_tensor *dst, const cd_tensor *src, const bool *reversed, cd_error *err);

/* A dense copy of t in the layout; caller owns it. */
cd_status cd_tensor_clone(cd_tensor **copy, const cd_tensor *t, cd_layout layout, cd_error *err);

/* t itself (retained) where it already has the dtype and layout, else a converted copy. Caller owns one
 * reference. */
cd_status cd_tensor_as(cd_tensor **as, cd_tensor *t, cd_dtype dtype, cd_layout layout, cd_error *err);

/* t itself (retained) or a copy of another dtype with the layout kept. Caller owns one reference. */
cd_status cd_tensor_as_dtype(cd_tensor **as, cd_tensor *t, cd_dtype dtype, cd_error *err);

/* Sets every element to value. */
cd_status cd_tensor_fill(cd_tensor *t, double value, cd_error *err);

#endif
