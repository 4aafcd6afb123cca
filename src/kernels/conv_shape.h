/* What a convolution is told by; conv.h has the equation. */
#ifndef CANDELA_KERNELS_CONV_SHAPE_H
#define CANDELA_KERNELS_CONV_SHAPE_H

#include <stdint.h>

typedef struct cdk_conv {
    int64_t N, C, H, W;             /* images, input channels, height, width */
    int64_t K, R, S;                /* output channels, kernel height, width */
    int64_t OH, OW;                 /* output height, width */
    int64_t stride_h, stride_w;     /* >= 1 */
    int64_t pad_top, pad_left;      /* may be negative: the kernel then starts inside of the image */
    int64_t dilation_h, dilation_w; /* >= 1 */
    int64_t groups;                 /* divides C and K */
} cdk_conv;

#endif
