/* What a convolution is told by; conv.h has the equation. */
#ifndef CANDELA_KERNELS_CONV_SHAPE_H
#define CANDELA_KERNELS_CONV_SHAPE_H

#include <stdint.h>

#include "kernels/epilogue.h"

typedef struct cdk_conv {
    int64_t N, C, H, W;             /* images, input channels, height, width */
    int64_t K, R, S;                /* output channels, kernel height, width */
    int64_t OH, OW;                 /* output height, width */
    int64_t stride_h, stride_w;     /* >= 1 */
    int64_t pad_top, pad_left;      /* may be negative: the kernel then starts inside of the image */
    int64_t dilation_h, dilation_w; /* >= 1 */
    int64_t groups;                 /* divides C and K */
} cdk_conv;

/* What a convolution does to its input and result on their way, in the same pass over memory. All zero
 * means nothing.
 *
 *   input     the affine image of x is convolved, which never stands in memory; NULL, or where
 *             cdk_conv_takes_affine() says so
 *   end       activation and mask of the result
 *   y_pixel   elements between pixels of y, or 0: they lie side by side. For transposed convolutions where
 *             cdk_conv_transpose_writes_apart() says so, without a mask
 *   mean, M2  of each output channel, [K]: its mean and the sum of squared distances from it, the statistics
 *             of a batch, for less than reading y again; both or neither, not for transposed convolutions,
 *             without activation and mask. With no images they are 0
 *   packed    where the packed weights are kept from one call to the next (kernels/conv_packed.h), or NULL
 */
typedef struct cdk_conv_finish {
    const cdk_affine *input;
    cdk_epilogue end;
    int64_t y_pixel;
    double *mean, *M2;
    struct cdk_packed *packed;
} cdk_conv_finish;

#endif
