/* What element-by-element operators share: type promotion, the broadcast shape, and its way back. */
#ifndef CANDELA_AUTOGRAD_BROADCAST_H
#define CANDELA_AUTOGRAD_BROADCAST_H

#include "autograd/op.h"

/* The type a computation on these tensors has. Tensors with dimensions decide; 0-d tensors, and after them
 * plain numbers, count only where they are of a higher kind (bool < integer < float). A float number makes
 * integers float32. NULL entries are skipped. */
cd_dtype cd_promote(int n, cd_tensor *const *in);

/* Output 0 gets the shape all inputs broadcast to, channels last if all inputs of that size are.
 * Errors: CD_ESHAPE. */
cd_status cd_out_broadcast(cd_call *call, cd_dtype dtype, cd_error *err);

/* Sums t over the dimensions along which `like` was broadcast, and converts it to the dtype of `like`: the
 * gradient of a broadcast input. Caller owns one reference. */
cd_status cd_sum_to_like(cd_tensor **sum, cd_tensor *t, const cd_tensor *like, cd_error *err);

#endif
