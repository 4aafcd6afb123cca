/* The convolutions of conv.h for float64, as plain sums: for checks of gradients, not for speed.
 * Layouts and shapes are those of conv.h. They fuse nothing: `finish` must be all zero. No memory is needed,
 * so they return CD_OK. */
#ifndef CANDELA_KERNELS_CONV_F64_H
#define CANDELA_KERNELS_CONV_F64_H

#include "kernels/conv_kernels.h"

extern const cdk_conv_kernels cdk_conv_f64;

#endif
