/* Two-dimensional convolution of channels-last float32 images, its gradients, and transposed convolution.
 *
 * Images are dense with channels last: x is [N][H][W][C], y is [N][OH][OW][K]. Weights are in the order of
 * PyTorch, w is [K][C / groups][R][S], and are packed inside. With g the group of output channel k:
 *
 *     y[n][p][q][k] = act(bias[k] + sum_{c, r, s} w[k][c][r][s] x[n][h][v][g C / groups + c])
 *     h = p stride_h - pad_top + r dilation_h,  v = q stride_w - pad_left + s dilation_w
 *
 * where x is zero outside of the image. The padding at the bottom and on the right follows from OH and OW, so
 * it may differ from that at the top and on the left. No output is required to touch the image.
 *
 * A transposed convolution is described by the convolution it is the adjoint of: its input is [N][OH][OW][K],
 * its output [N][H][W][C] and its weights, in PyTorch's order for transposed convolution, are the same
 * [K][C / groups][R][S].
 *
 * Results do not depend on the number of threads. Outputs must not overlap inputs. Errors: CD_EVALUE for a
 * description that is not a convolution, CD_EALLOC.
 */
#ifndef CANDELA_KERNELS_CONV_H
#define CANDELA_KERNELS_CONV_H

#include <stdint.h>

#include "base/status.h"
#include "kernels/conv_shape.h"

/* y from x. bias is [K] or NULL. */
cd_status cdk_conv_forward(float *y, const float *x, const float *w, const float *bias, const cdk_conv *conv,
                           const cdk_conv_finish *finish, cd_error *err);
int cdk_conv_takes_affine(const cdk_conv *conv);

typedef enum { CDK_CONV_FORWARD = 0, CDK_CONV_INPUT, CDK_CONV_WEIGHT } cdk_conv_pass;

/* Which way the forward pass, or that of the gradient of the input or of the weights, takes: "product", or a
 * name of kernels/conv_way.h. NULL for a description that is not a convolution. */
const char *cdk_conv_way_text(const cdk_conv *conv, cdk_conv_pass pass);

/* dx, the gradient for x, from dy, that for y. Pixels of x no output looks at get 0. */
cd_status cdk_conv_backward_input(float *dx, const float *dy, const float *w, const cdk_conv *conv,
                                  cd_error *err);

/* dw [K][C / groups][R][S] and, unless NULL, dbias [K]. Both are overwritten. */
cd_status cdk_conv_backward_weight(float *dw, float *dbias, const float *dy, const float *x,
                                   const cdk_conv *conv, cd_error *err);

/* Both, for less than one after the other where cdk_conv_prefers_both says so. */
cd_status cdk_conv_backward(float *dx, float *dw, float *dbias, const float *dy, const float *x,
                            const float *w, const cdk_conv *conv, cd_error *err);
int cdk_conv_prefers_both(const cdk_conv *conv);

/* y [N][H][W][C] from x [N][OH][OW][K]. bias is [C] or NULL. */
cd_status cdk_conv_transpose_forward(float *y, const float *x, const float *w, const float *bias,
                                     const cdk_conv *conv, const cdk_conv_finish *finish, cd_error *err);
int cdk_conv_transpose_writes_apart(const cdk_conv *conv);

/* dx [N][OH][OW][K] from dy [N][H][W][C]. */
cd_status cdk_conv_transpose_backward_input(float *dx, const float *dy, const float *w, const cdk_conv *conv,
                                            cd_error *err);

/* dw [K][C / groups][R][S] and, unless NULL, dbias [C], from dy [N][H][W][C] and x [N][OH][OW][K]. */
cd_status cdk_conv_transpose_backward_weight(float *dw, float *dbias, const float *dy, const float *x,
                                             const cdk_conv *conv, cd_error *err);

/* sums[c] = sum over pixels of x[pixels][channels]: the gradient of a bias. */
cd_status cdk_channel_sums(float *sums, const float *x, int64_t pixels, int64_t channels, cd_error *err);

#endif
