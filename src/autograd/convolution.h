/* What other operators do with a convolution that is still pending. */
#ifndef CANDELA_AUTOGRAD_CONVOLUTION_H
#define CANDELA_AUTOGRAD_CONVOLUTION_H

#include <stdbool.h>

#include "base/status.h"
#include "tensor/lazy.h"
#include "tensor/tensor.h"

/* If x is a pending convolution, makes y, which has no storage, the pending convolution whose weights give
 * scale[k] x + shift[k] at once, and *folded true. Otherwise leaves y alone. x itself stays as it is. */
cd_status cd_convolution_fold(bool *folded, cd_tensor *y, const cd_tensor *x, const double *scale,
                              const double *shift, cd_error *err);

/* If x is a pending convolution, computes it and, from the same pass, the mean [channels] and the sum of
 * squared distances from it, and makes *computed true. Otherwise leaves x alone. */
cd_status cd_convolution_moments(bool *computed, cd_tensor *x, double *mean, double *sum_squares,
                                 cd_error *err);

/* Computes what p is waiting to be, if that is a transposed convolution that can be written apart, into
 * `part`, channels of a larger channels-last image, and makes *written true. Otherwise leaves the part alone.
 */
cd_status cd_convolution_write_part(bool *written, cd_tensor *part, const cd_lazy *p, cd_error *err);

#endif
