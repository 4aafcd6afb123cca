#include <stddef.h>

#include "kernels/conv_double.h"

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
    for (int64_t i = 0; i < v->N * v->OH * v->OW; i++) {
        for (int64_t k = 0; k < v->K; k++) {
            over_taps(s, i / (v->OH * v->OW), i / v->OW % v->OH, i % v->OW, k);
        }
    }
}

void cdk_conv_add_double(double *y, const double *x, const double *w, const cdk_conv *conv)
{
    over_outputs(&(sum){y, x, w, into_y, conv});
}

void cdk_conv_add_input_double(double *dx, const double *dy, const double *w, const cdk_conv *conv)
{
    over_outputs(&(sum){dx, dy, w, into_x, conv});
}

void cdk_conv_add_weight_double(double *dw, const double *dy, const double *x, const cdk_conv *conv)
{
    over_outputs(&(sum){dw, dy, x, into_w, conv});
}

void cdk_fill_rows_double(double *rows, const double *bias, int64_t pixels, int64_t channels)
{
    for (int64_t i = 0; i < pixels; i++) {
        for (int64_t c = 0; c < channels; c++) {
            rows[i * channels + c] = bias != NULL ? bias[c] : 0;
        }
    }
}

void cdk_sum_rows_double(double *sums, const double *rows, int64_t pixels, int64_t channels)
{
    cdk_fill_rows_double(sums, NULL, 1, channels);
    for (int64_t i = 0; i < pixels; i++) {
        for (int64_t c = 0; c < channels; c++) {
            sums[c] += rows[i * channels + c];
        }
    }
}
