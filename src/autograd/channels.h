/* Tensors N x C x ... seen channel by channel, for normalisation. */
#ifndef CANDELA_AUTOGRAD_CHANNELS_H
#define CANDELA_AUTOGRAD_CHANNELS_H

#include "base/status.h"
#include "kernels/epilogue.h"
#include "kernels/normalisation.h"
#include "tensor/tensor.h"

/* Sizes of x, which is dense: row-major or channels last. */
cdk_channels cd_channels_of(const cd_tensor *x);

/* y = act(scale[c] x + shift[c]), and the mask `end` asks for. x and y have storage and lie in the same
 * order; float32 or float64; y may be x. Errors: CD_EALLOC. */
cd_status cd_channel_affine(cd_tensor *y, const cd_tensor *x, const double *scale, const double *shift,
                            const cdk_epilogue *end, cd_error *err);

#endif
