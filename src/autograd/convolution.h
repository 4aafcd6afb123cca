/* What other operators do with a convolution that is still pending. */
#ifndef CANDELA_AUTOGRAD_CONVOLUTION_H
#define CANDELA_AUTOGRAD_CONVOLUTION_H

#include <stdbool.h>

#include "base/status.h"
#include "tensor/tensor.h"

/* If x is a pending convolution, makes y, which has no storage, the pending convolution whose weights give
 * scale[k] x + shift[k] at once, and *folded true. Otherwise leaves y alone. x itself stays as it is. */
cd_status cd_convolution_fold(bool *folded, cd_tensor *y, const cd_tensor *x, const double *scale,
                              const double *shift, cd_error *err);

#endif
