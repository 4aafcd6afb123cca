/* The kernels of conv.h and gemm.h written as their definitions, in double precision: what kernel-bench.c compares
 * them with. The library does not contain them. */
#ifndef CANDELA_TOOLS_NAIVE_H
#define CANDELA_TOOLS_NAIVE_H

#include "kernels/conv.h"
#include "kernels/gemm.h"

void cdk_conv_forward_naive(float *y, const float *x, const float *w, const float *bias, const cdk_conv *conv,
                            cdk_activation activation);
void cdk_conv_backward_input_naive(float *dx, const float *dy, const float *w, const cdk_conv *conv);
void cdk_conv_backward_weight_naive(float *dw, float *dbias, const float *dy, const float *x,
                                    const cdk_conv *conv);
void cdk_conv_transpose_forward_naive(float *y, const float *x, const float *w, const float *bias,
                                      const cdk_conv *conv, cdk_activation activation);
void cdk_gemm_naive(float *C, const cdk_matrix *A, const cdk_matrix *B, int64_t M, int64_t N, int64_t K,
                    const cdk_gemm_options *options);
void cdk_channel_sums_naive(float *sums, const float *x, int64_t pixels, int64_t channels);

#endif
