#include <stddef.h>

#include "base/interrupt.h"
#include "kernels/conv_f64.h"

/* One product of the sum: positions in y, x and w. */
typedef void (*product)(double *out, const double *a, const double *b, int64_t y, int64_t x, int64_t w);

static void into_y(double *out, const double *a, const double *b, int64_t y, int64_t x, int64_t w)
{
    out[y] += a[x] * b[w];
}

static void into_x(double *out, const double *a, const double *b, int64_t y, int64_t x, int64_t w)
{
    out[x] += a[y] * b[w];
}

static void into_w(double *out, const double *a, const double *b, int64_t y, int64_t x, int64_t w)
{
    out[w] += a[y] * b[x];
}

typedef struct {
    double *out;
    const double *a, *b;
    product add;
    const cdk_conv *conv;
} sum;

static void over_taps(const sum *s, int64_t n, int64_t p, int64_t q, int64_t k)
{
    const cdk_conv *v = s->conv;
    int64_t per_group = v->C / v->groups, first = k / (v->K / v->groups) * per_group;
    int64_t y = ((n * v->OH + p) * v->OW + q) * v->K + k;
    for (int64_t r = 0; r < v->R; r++) {
        int64_t h = p * v->stride_h - v->pad_top + r * v->dilation_h;
        for (int64_t t = 0; t < v->S && h >= 0 && h < v->H; t++) {
            int64_t i = q * v->stride_w - v->pad_left + t * v->dilation_w;
            for (int64_t c = 0; c < per_group && i >= 0 && i < v->W; c++) {
                s->add(s->out, s->a, s->b, y, ((n * v->H + h) * v->W + i) * v->C + first + c,
                       ((k * per_group + c) * v->R + r) * v->S + t);
            }
        }
    }
}

static void over_outputs(const sum *s)
{
    const cdk_conv *v = s->conv;
    for (int64_t i = 0; i < v->N * v->OH * v->OW && !cd_stop_wanted(); i++) {
        for (int64_t k = 0; k < v->K; k++) {
            over_taps(s, i / (v->OH * v->OW), i / v->OW % v->OH, i % v->OW, k);
        }
    }
}

/* rows[pixel][channel] = bias[channel], or 0 where bias is NULL. */
static void fill_rows(double *rows, const double *bias, int64_t pixels, int64_t channels)
{
    for (int64_t i = 0; i < pixels; i++) {
        for (int64_t c = 0; c < channels; c++) {
            rows[i * channels + c] = bias != NULL ? bias[c] : 0;
        }
    }
}

static cd_status channel_sums_f64(void *sums, const void *x, int64_t pixels, int64_t channels, cd_error *err)
{
    double *sum = sums;
    const double *row = x;
    (void)err;
    fill_rows(sum, NULL, 1, channels);
    for (int64_t i = 0; i < pixels; i++) {
        for (int64_t c = 0; c < channels; c++) {
            sum[c] += row[i * channels + c];
        }
    }
    return CD_OK;
}

static cd_status forward_f64(void *y, const void *x, const void *w, const void *bias, const cdk_conv *conv,
                             const cdk_conv_finish *finish, cd_error *err)
{
    (void)finish;
    (void)err;
    fill_rows(y, bias, conv->N * conv->OH * conv->OW, conv->K);
    over_outputs(&(sum){y, x, w, into_y, conv});
    return CD_OK;
}

static cd_status transpose_forward_f64(void *y, const void *x, const void *w, const void *bias,
                                       const cdk_conv *conv, const cdk_conv_finish *finish, cd_error *err)
{
    (void)finish;
    (void)err;
    fill_rows(y, bias, conv->N * conv->H * conv->W, conv->C);
    over_outputs(&(sum){y, x, w, into_x, conv});
    return CD_OK;
}

static cd_status input_f64(void *dx, const void *dy, const void *w, const cdk_conv *conv, cd_error *err)
{
    (void)err;
    fill_rows(dx, NULL, conv->N * conv->H * conv->W, conv->C);
    over_outputs(&(sum){dx, dy, w, into_x, conv});
    return CD_OK;
}

static cd_status transpose_input_f64(void *dx, const void *dy, const void *w, const cdk_conv *conv,
                                     cd_error *err)
{
    (void)err;
    fill_rows(dx, NULL, conv->N * conv->OH * conv->OW, conv->K);
    over_outputs(&(sum){dx, dy, w, into_y, conv});
    return CD_OK;
}

/* y_side and x_side: what lies where the convolution has its output and its input. */
static void weight_sums(double *dw, const double *y_side, const double *x_side, const cdk_conv *conv)
{
    fill_rows(dw, NULL, 1, conv->K * (conv->C / conv->groups) * conv->R * conv->S);
    over_outputs(&(sum){dw, y_side, x_side, into_w, conv});
}

static cd_status weight_f64(void *dw, void *dbias, const void *dy, const void *x, const cdk_conv *conv,
                            cd_error *err)
{
    weight_sums(dw, dy, x, conv);
    return dbias != NULL ? channel_sums_f64(dbias, dy, conv->N * conv->OH * conv->OW, conv->K, err) : CD_OK;
}

static cd_status transpose_weight_f64(void *dw, void *dbias, const void *dy, const void *x,
                                      const cdk_conv *conv, cd_error *err)
{
    weight_sums(dw, x, dy, conv);
    return dbias != NULL ? channel_sums_f64(dbias, dy, conv->N * conv->H * conv->W, conv->C, err) : CD_OK;
}

const cdk_conv_kernels cdk_conv_f64 = {
    .fuses = false,
    .plain = {forward_f64, input_f64, weight_f64},
    .transposed = {transpose_forward_f64, transpose_input_f64, transpose_weight_f64},
    .channel_sums = channel_sums_f64};
