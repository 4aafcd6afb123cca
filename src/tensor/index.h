/* Reading and writing tensors at positions given by other tensors.
 *
 * Indices come from users: they count from 1, or backwards from -1. They are turned into positions (from 0)
 * once, and everything after works on positions. The outer x count x inner elements of an index along some
 * dimensions of x are: all dimensions before them, the positions, all dimensions after them.
 */
#ifndef CANDELA_TENSOR_INDEX_H
#define CANDELA_TENSOR_INDEX_H

#include "tensor/tensor.h"

/* *positions: int64, 1-d, row-major positions within dimensions dim .. dim + *taken - 1 of x. An integer
 * index takes one dimension; a bool index takes as many as it has, whose sizes it must match. Caller owns
 * positions. Errors: CD_EINDEX for a zero or an index out of bounds, CD_EDTYPE for other dtypes, CD_ESHAPE.
 */
cd_status cd_index_positions(cd_tensor **positions, int *taken, const cd_tensor *index, const cd_tensor *x,
                             int dim, cd_error *err);

/* Values of an integer index (any shape, 1-based or negative) as a contiguous int64 tensor of positions below
 * size; dim (from 0) is for the message. Caller owns it. */
cd_status cd_index_resolve(cd_tensor **resolved, const cd_tensor *index, int64_t size, int dim,
                           cd_error *err);

/* y (contiguous, [outer, count, inner] elements) = x at the positions. */
cd_status cd_index_read(cd_tensor *y, const cd_tensor *x, const cd_tensor *positions, int dim, int taken,
                        cd_error *err);

/* x at the positions = y, the reverse of cd_index_read; where a position comes twice the later one stays. */
cd_status cd_index_write(cd_tensor *x, const cd_tensor *y, const cd_tensor *positions, int dim, int taken,
                         cd_error *err);

/* x (contiguous, uninitialised) = zeros, then x at the positions += y, in the order of y; both of the same
 * floating point dtype. */
cd_status cd_index_sum(cd_tensor *x, const cd_tensor *y, const cd_tensor *positions, int dim, int taken,
                       cd_error *err);

/* Number of elements that are not zero. */
cd_status cd_count_nonzero(int64_t *count, const cd_tensor *x, cd_error *err);

/* rows (int64, contiguous, count x dimensions of x) = the indices, from 1, of the elements that are not
 * zero. */
cd_status cd_nonzero(cd_tensor *rows, cd_tensor *x, cd_error *err);

#endif
