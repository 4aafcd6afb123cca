/* The numbers that the operators as_strided and put take. */
#ifndef CANDELA_AUTOGRAD_STRIDED_H
#define CANDELA_AUTOGRAD_STRIDED_H

#include "tensor/tensor.h"

#define CD_STRIDED_ATTRS (1 + 3 * CD_MAX_DIMS)

/* How `view` lies in the memory of `base`, whose storage it shares: the distance of their first elements, the
 * strides of the base, then size and stride of each dimension of the view. Returns how many numbers that
 * are. */
int cd_strided_attributes(double *attr, const cd_tensor *base, const cd_tensor *view);

#endif
