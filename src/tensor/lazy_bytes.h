/* Integers that are still bytes.
 *
 * Labels read from a file fill an eighth of the memory their int64 tensor will. Until somebody wants the
 * elements the tensor's storage holds the bytes; views share it as any other, and operators that only move
 * elements (resizing to the nearest, flipping) work on the bytes alone. cd_tensor_materialise()
 * (tensor/lazy.h) converts what it is given.
 */
#ifndef CANDELA_TENSOR_LAZY_BYTES_H
#define CANDELA_TENSOR_LAZY_BYTES_H

#include "tensor/tensor.h"

/* *t [shape of bytes] of an integer dtype other than uint8; bytes: uint8, row-major, retained, which nobody
 * changes. Caller owns it. */
cd_status cd_lazy_bytes_new(cd_tensor **t, cd_dtype dtype, cd_tensor *bytes, cd_error *err);

/* The same for a tensor that is there already, row-major and without storage. */
cd_status cd_tensor_defer_bytes(cd_tensor *t, cd_tensor *bytes, cd_error *err);

/* Are the elements of t, which is all of its storage, still bytes? */
bool cd_is_lazy_bytes(const cd_tensor *t);

/* The bytes of such a tensor as uint8, in its shape, to be read only. Caller owns *bytes. */
cd_status cd_lazy_bytes_view(cd_tensor **bytes, const cd_tensor *t, cd_error *err);

/* Afterwards the storage of t holds its elements. Errors: CD_EALLOC, and t is as before. */
cd_status cd_lazy_bytes_convert(cd_tensor *t, cd_error *err);

#endif
