#include "naive.h"

#include <stddef.h>

static double activate(double v, cdk_activation activation)
{
    if (activation != CDK_ACTIVATION_NONE && v < 0) {
        v = 0;
    }
    return activation == CDK_ACTIVATION_RELU6 && v > 6 ? 6 : v;
}

/* Element of x that output pixel (p, q) of image n reads with tap (r, s), or -1 outside of the image. */
static ptrdiff_t pixel_read(const cdk_conv *conv, int64_t n, int64_t p, int64_t q, int64_t r, int64_t s)
{
    const int64_t h = p * conv->stride_h - conv->pad_top + r * conv->dilation_h;
    const int64_t w = q * conv->stride_w - conv->pad_left + s * conv->dilation_w;
    const int inside = h >= 0 && h < conv->H && w >= 0 && w < conv->W;
    return inside ? ((n * conv->H + h) * conv->W + w) * conv->C : -1;
}

static double forward_sum(const float *x, const float *w, const cdk_conv *conv, int64_t n, int64_t p,
                          int64_t q, int64_t k)
{
    const int64_t c_group = conv->C / conv->groups, group = k / (conv->K / conv->groups);
    double sum = 0;
    for (int64_t r = 0; r < conv->R; r++) {
        for (int64_t s = 0; s < conv->S; s++) {
            const ptrdiff_t from = pixel_read(conv, n, p, q, r, s);
            for (int64_t c = 0; from >= 0 && c < c_group; c++) {
                sum += (double)x[from + group * c_group + c] *
                       w[((k * c_group + c) * conv->R + r) * conv->S + s];
            }
        }
    }
    return sum;
}

void cdk_conv_forward_naive(float *y, const float *x, const float *w, const float *bias, const cdk_conv *conv,
                            cdk_activation activation)
{
    for (int64_t i = 0; i < conv->N * conv->OH * conv->OW; i++) {
        const int64_t q = i % conv->OW, p = i / conv->OW % conv->OH, n = i / conv->OW / conv->OH;
        for (int64_t k = 0; k < conv->K; k++) {
            const double sum = forward_sum(x, w, conv, n, p, q, k) + (bias ? bias[k] : 0);
            y[i * conv->K + k] = (float)activate(sum, activation);
        }
    }
}

/* Sum over the outputs that read channel c of pixel (h, w). */
static double backward_sum(const float *dy, const float *w, const cdk_conv *conv, int64_t n, int64_t h,
                           int64_t x, int64_t c)
{
    const int64_t c_group = conv->C / conv->groups, k_group = conv->K / conv->groups, group = c / c_group;
    double sum = 0;
    for (int64_t r = 0; r < conv->R; r++) {
        for (int64_t s = 0; s < conv->S; s++) {
            const int64_t p = h + conv->pad_top - r * conv->dilation_h,
                          q = x + conv->pad_left - s * conv->dilation_w;
            if (p < 0 || q < 0 || p % conv->stride_h != 0 || q % conv->stride_w != 0 ||
                p / conv->stride_h >= conv->OH || q / conv->stride_w >= conv->OW) {
                continue;
            }
            const float *from =
                dy + ((n * conv->OH + p / conv->stride_h) * conv->OW + q / conv->stride_w) * conv->K;
            for (int64_t k = group * k_group; k < (group + 1) * k_group; k++) {
                sum += (double)from[k] * w[((k * c_group + c % c_group) * conv->R + r) * conv->S + s];
            }
        }
    }
    return sum;
}

void cdk_conv_transpose_forward_naive(float *y, const float *x, const float *w, const float *bias,
                                      const cdk_conv *conv, cdk_activation activation)
{
    for (int64_t i = 0; i < conv->N * conv->H * conv->W; i++) {
        const int64_t v = i % conv->W, h = i / conv->W % conv->H, n = i / conv->W / conv->H;
        for (int64_t c = 0; c < conv->C; c++) {
            const double sum = backward_sum(x, w, conv, n, h, v, c) + (bias ? bias[c] : 0);
            y[i * conv->C + c] = (float)activate(sum, activation);
        }
    }
}

void cdk_conv_backward_input_naive(float *dx, const float *dy, const float *w, const cdk_conv *conv)
{
    cdk_conv_transpose_forward_naive(dx, dy, w, NULL, conv, CDK_ACTIVATION_NONE);
}

static double weight_sum(const float *dy, const float *x, const cdk_conv *conv, int64_t k, int64_t channel,
                         int64_t r, int64_t s)
{
    double sum = 0;
    for (int64_t i = 0; i < conv->N * conv->OH * conv->OW; i++) {
        const int64_t q = i % conv->OW, p = i / conv->OW % conv->OH, n = i / conv->OW / conv->OH;
        const ptrdiff_t from = pixel_read(conv, n, p, q, r, s);
        if (from >= 0) {
            sum += (double)x[from + channel] * dy[i * conv->K + k];
        }
    }
    return sum;
}

void cdk_conv_backward_weight_naive(float *dw, float *dbias, const float *dy, const float *x,
                                    const cdk_conv *conv)
{
    const int64_t c_group = conv->C / conv->groups, k_group = conv->K / conv->groups;
    for (int64_t i = 0; i < conv->K * c_group * conv->R * conv->S; i++) {
        const int64_t s = i % conv->S, r = i / conv->S % conv->R, c = i / conv->S / conv->R % c_group;
        const int64_t k = i / conv->S / conv->R / c_group;
        dw[i] = (float)weight_sum(dy, x, conv, k, k / k_group * c_group + c, r, s);
    }
    if (dbias) {
        cdk_channel_sums_naive(dbias, dy, conv->N * conv->OH * conv->OW, conv->K);
    }
}

void cdk_channel_sums_naive(float *sums, const float *x, int64_t pixels, int64_t channels)
{
    for (int64_t c = 0; c < channels; c++) {
        double sum = 0;
        for (int64_t i = 0; i < pixels; i++) {
            sum += x[i * channels + c];
        }
        sums[c] = (float)sum;
    }
}

void cdk_gemm_naive(float *C, const cdk_matrix *A, const cdk_matrix *B, int64_t M, int64_t N, int64_t K,
                    const cdk_gemm_options *options)
{
    const float *a = A->data, *b = B->data;
    for (int64_t m = 0; m < M; m++) {
        for (int64_t n = 0; n < N; n++) {
            double sum = (options->accumulate ? C[m * N + n] : 0) + (options->bias ? options->bias[n] : 0);
            for (int64_t k = 0; k < K; k++) {
                sum += (double)(A->transposed ? a[k * A->step + m] : a[m * A->step + k]) *
                       (B->transposed ? b[n * B->step + k] : b[k * B->step + n]);
            }
            C[m * N + n] = (float)activate(sum, options->activation);
        }
    }
}
