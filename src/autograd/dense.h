/* Small helpers of operators that work on dense memory. */
#ifndef CANDELA_AUTOGRAD_DENSE_H
#define CANDELA_AUTOGRAD_DENSE_H

#include "autograd/compute.h"
#include "autograd/op.h"
#include "tensor/copy.h"

/* The layout t is dense in: row-major where it is both or neither. */
cd_layout cd_dense_layout(const cd_tensor *t);

/* t with the dtype and memory order of `like` (which is dense); caller owns one reference. */
cd_status cd_dense_like(cd_tensor **as, cd_tensor *t, const cd_tensor *like, cd_error *err);

/* A new tensor of like's dtype, shape and memory order. */
cd_status cd_new_like(cd_tensor **t, const cd_tensor *like, cd_error *err);

/* The mask of kernels/mask.h for y, float32 or float64 and dense, in its order in memory. */
void cd_dense_mask(uint8_t *mask, const cd_tensor *y, double high);

/* Row-major, and there is nothing else in its storage: what is kept of that (tensor/kept.h) is of t. */
bool cd_is_all_of_storage(const cd_tensor *t);

#endif
