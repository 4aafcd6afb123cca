/* 3 x 3 convolution with stride 1 by minimal filtering, F(2 x 2, 3 x 3) of Winograd (1980), as Lavin and Gray
 * (2016) made it a set of matrix products.
 *
 * Outputs are computed in tiles of 2 x 2 from 4 x 4 inputs d, with 16 multiplications where the definition
 * takes 36; (u v) is element by element, and such an element is called a point:
 *
 *     y = A^T [ sum_c (G g_c G^T) (B^T d_c B) ] A
 *
 *     B^T = 1  0 -1  0     G =  1    0   0      A^T = 1 1  1  0
 *           0  1  1  0         1/2  1/2 1/2           0 1 -1 -1
 *           0 -1  1  0         1/2 -1/2 1/2
 *           0  1  0 -1          0    0   1
 *
 * and the gradient of the weights from that of the outputs is dg = G^T [ sum_tiles (A dy A^T) (B^T d B) ] G.
 *
 * Sums are short and the transforms only add and halve, so that rounding errors are no larger than those of
 * the definition. An infinite input makes all 2 x 2 outputs of its tile NaN.
 */
#ifndef CANDELA_KERNELS_CONV_WINOGRAD_H
#define CANDELA_KERNELS_CONV_WINOGRAD_H

#include "kernels/conv_taps.h"

/* y (+ bias), ended as finish->end says, from x by the taps, which cdk_winograd_serves(), with the packed
 * weights of finish->packed. With a mask the channels are a multiple of CDK_MASKING_CHANNELS. */
cd_status cdk_conv_winograd(float *y, const float *x, const float *w, const float *bias, const cdk_taps *taps,
                            const cdk_conv_finish *finish, cd_error *err);

/* dw [K][C][3][3] and, unless NULL, dbias [K] (conv_winograd_weight.c); the taps are those of the forward
 * pass. */
cd_status cdk_conv_winograd_weight(float *dw, float *dbias, const float *dy, const float *x,
                                   const cdk_taps *taps, cd_error *err);

#endif
