/* The taps of a convolution along its two axes, the same for forward and for the gradient of the input.
 *
 * Both write outputs that are sums over taps of inputs at a fixed offset.
 *
 *   forward                 output j reads input j stride + r dilation - pad
 *   gradient of the input   outputs j stride + a, with the phase a = 0 .. stride - 1, read
 *                           input j + (a + pad - r dilation) / stride, for those taps r that divide
 *
 * So, with one phase (first = 0, out_step = 1, in_step = stride) or with `stride` phases (in_step = 1,
 * out_step = stride),
 *
 *     output  first + j out_step,  j < count    reads    input  j in_step + offset[tap]
 */
#ifndef CANDELA_KERNELS_CONV_TAPS_H
#define CANDELA_KERNELS_CONV_TAPS_H

#include <stddef.h>

#include "base/status.h"
#include "kernels/conv_shape.h"

typedef struct cdk_axis {
    int64_t phases, in_step, out_step;
    int64_t outputs, inputs; /* sizes of the images along the axis */
    int64_t *start;          /* [phases + 1]: the taps of phase a are start[a] .. start[a + 1] - 1 */
    int64_t *tap;            /* index in the kernel */
    int64_t *offset;         /* ascending within a phase */
    int64_t low, high;       /* smallest and largest offset; 0, 0 when there are no taps */
} cdk_axis;

typedef struct cdk_taps {
    cdk_axis h, w;
    int64_t N, in_channels, out_channels, groups;
    int64_t in_group, out_group;                   /* channels of a group */
    int64_t kernel_size;                           /* R S */
    int64_t kernel_w;                              /* S */
    ptrdiff_t weight_out, weight_in, weight_group; /* strides of the weights, elements */
    int64_t *memory;
} cdk_taps;

/* Whether each pixel of y is made of the pixel of x at the same place. */
int cdk_conv_is_pointwise(const cdk_conv *conv);

/* The pixels y = f(x) (backward = 0) or dx = f(dy) (backward = 1) takes. Free with cdk_taps_free. */
cd_status cdk_taps_make(cdk_taps *taps, const cdk_conv *conv, int backward, cd_error *err);
void cdk_taps_free(cdk_taps *taps);

/* Number of outputs of a phase. */
int64_t cdk_axis_count(const cdk_axis *axis, int64_t phase);

/* The j < count for which tap number i reads an input that exists: first <= j < last (first = last: none). */
void cdk_axis_valid(const cdk_axis *axis, int64_t i, int64_t count, int64_t *first, int64_t *last);

/* Convolves: y (+ bias) from x by the taps, with one phase where statistics are wanted, and with channels a
 * multiple of CDK_MASKING_CHANNELS where a mask is: conv_direct.c for any groups, `lanewise` by lanes where
 * cdk_lanes_outputs() says that it can, conv_depthwise.c for groups
 * of one channel in and out. */
cd_status cdk_conv_direct(float *y, const float *x, const float *w, const float *bias, const cdk_taps *taps,
                          int lanewise, const cdk_conv_finish *finish, cd_error *err);
cd_status cdk_conv_depthwise(float *y, const float *x, const float *w, const float *bias,
                             const cdk_taps *taps, const cdk_conv_finish *finish, cd_error *err);

/* The gradients of weights, any groups (conv_weight.c) and groups of one channel in and out
 * (conv_weight_depthwise.c). dy is [N][OH][OW][K]; y_sums [K] are the sums of dy, x_sums [C] those of x;
 * either may be NULL. */
cd_status cdk_conv_weight(float *dw, float *y_sums, float *x_sums, const float *dy, const float *x,
                          const cdk_conv *conv, cd_error *err);
cd_status cdk_conv_weight_depthwise(float *dw, float *y_sums, const float *dy, const float *x,
                                    const cdk_conv *conv, cd_error *err);

/* The same where lanes are output channels of groups of few, as cdk_lanes_outputs() says; the taps are those
 * of the forward pass (conv_weight_lanes.c). */
cd_status cdk_conv_weight_lanes(float *dw, float *y_sums, const float *dy, const float *x,
                                const cdk_conv *conv, const cdk_taps *taps, cd_error *err);

/* The same and dx, the gradient of the input, in one pass over dy. */
cd_status cdk_conv_backward_depthwise(float *dx, float *dw, float *y_sums, const float *dy, const float *x,
                                      const float *w, const cdk_conv *conv, cd_error *err);

#endif
