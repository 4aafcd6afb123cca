/* Elements along one dimension at positions given for each, as torch_gather() and torch_scatter() have them.
 *
 * positions is contiguous int64 (from 0, below the size of x along dim) with as many dimensions as x, none of
 * them larger than that of x but dim. Element (i0, i1, ...) of it belongs to element (i0, ..., position, ...)
 * of x.
 */
#ifndef CANDELA_TENSOR_GATHER_H
#define CANDELA_TENSOR_GATHER_H

#include <stdbool.h>

#include "tensor/tensor.h"

/* y (contiguous, of the shape of positions) = x at the positions. */
void cd_gather(cd_tensor *y, const cd_tensor *x, const cd_tensor *positions, int dim);

/* x at the positions = y, or += y where `adding` (bool is set); y is contiguous, of the shape of positions
 * and the dtype of x. Where a position comes twice, the later element stays. */
void cd_scatter(cd_tensor *x, const cd_tensor *y, const cd_tensor *positions, int dim, bool adding);

#endif
