#include "kernels/conv.h"
#include "kernels/dispatch.h"

#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/conv_depthwise.h"
#include "kernels/conv_packed.h"
#include "kernels/conv_taps.h"
#include "kernels/conv_way.h"
#include "kernels/conv_winograd.h"
#include "kernels/gemm.h"
#include "kernels/isa.h"
#include "kernels/mask.h"
#include "kernels/masking.h"
#include "kernels/mean_m2.h"
#include "kernels/normalisation.h"
#include "kernels/winograd_grid.h"

/* The gradient for a bias is summed over so many pixels, then these sums are added in order. */
#define SUM_CHUNK_PIXELS 4096
/* Images whose two gradients are computed together, at least. */
#define BOTH_MIN_IMAGES 16

static const cdk_conv_finish as_it_is = {.end = {.activation = CDK_ACTIVATION_NONE}};

static int is_positive(int64_t a, int64_t b, int64_t c, int64_t d)
{
    return a > 0 && b > 0 && c > 0 && d > 0;
}

static cd_status check(const cdk_conv *conv, cd_error *err)
{
    if (conv->N < 0 || !is_positive(conv->C, conv->H, conv->W, conv->K) ||
        !is_positive(conv->R, conv->S, conv->OH, conv->OW)) {
        return cd_fail(
            err, CD_EVALUE,
            "convolution: sizes must be positive, got input [%lld, %lld, %lld, %lld], kernel %lld x %lld, "
            "output [%lld, %lld, %lld, %lld]; check kernel size, stride and padding",
            (long long)conv->N, (long long)conv->C, (long long)conv->H, (long long)conv->W,
            (long long)conv->R, (long long)conv->S, (long long)conv->N, (long long)conv->K,
            (long long)conv->OH, (long long)conv->OW);
    }
    if (!is_positive(conv->stride_h, conv->stride_w, conv->dilation_h, conv->dilation_w)) {
        return cd_fail(err, CD_EVALUE,
                       "convolution: stride and dilation must be at least 1, got %lld x %lld and %lld x %lld",
                       (long long)conv->stride_h, (long long)conv->stride_w, (long long)conv->dilation_h,
                       (long long)conv->dilation_w);
    }
    if (conv->groups < 1 || conv->C % conv->groups != 0 || conv->K % conv->groups != 0) {
        return cd_fail(err, CD_EVALUE,
                       "convolution: groups must divide the %lld input and %lld output channels, got %lld",
                       (long long)conv->C, (long long)conv->K, (long long)conv->groups);
    }
    return CD_OK;
}

static int is_depthwise(const cdk_conv *conv)
{
    return conv->groups == conv->C && conv->groups == conv->K;
}

static int is_product(const cdk_conv *conv)
{
    return conv->groups == 1 && cdk_conv_is_pointwise(conv);
}

/* A product of the pixels of x and the weights. */
typedef struct product {
    float *y;
    cdk_matrix x, w;
    int64_t pixels, in, out;
} product;

static cd_status multiply(const product *p, const cdk_gemm_options *options, cd_error *err)
{
    return cdk_gemm(p->y, &p->x, &p->w, p->pixels, p->out, p->in, options, err);
}

static cd_status multiply_with_statistics(const product *p, cdk_gemm_options *options,
                                          const cdk_conv_finish *finish, cd_error *err)
{
    cdk_mean_m2 statistics;
    CD_TRY(cdk_mean_m2_begin(&statistics, 1, p->pixels, cdk_gemm_part_rows(p->pixels), CDK_GEMM_BLOCK_ROWS,
                             p->out, err));
    options->statistics = &statistics;
    const cd_status status = multiply(p, options, err);
    if (status == CD_OK) {
        cdk_mean_m2_join(finish->mean, finish->M2, &statistics);
    }
    cdk_mean_m2_free(&statistics);
    return status;
}

static cd_status multiply_with_mask(const product *p, cdk_gemm_options *options,
                                    const cdk_conv_finish *finish, cd_error *err)
{
    cdk_masking masking;
    CD_TRY(cdk_masking_begin(&masking, &finish->end, p->y, p->pixels * p->out, CDK_GEMM_BLOCK_ROWS * p->out,
                             err));
    options->masking = &masking;
    const cd_status status = multiply(p, options, err);
    cdk_masking_free(&masking);
    return status;
}

static cd_status multiply_pixels(float *y, const float *x, const float *w, const float *bias,
                                 const cdk_conv *conv, int backward, const cdk_conv_finish *finish,
                                 cd_error *err)
{
    const int64_t in = backward ? conv->K : conv->C;
    const product p = {.y = y,
                       .x = {x, in, 0},
                       .w = {w, conv->C, !backward},
                       .pixels = conv->N * conv->H * conv->W,
                       .in = in,
                       .out = backward ? conv->C : conv->K};
    float *panels = cdk_packed_panels(finish->packed, CDK_PACKED_PRODUCT);
    cdk_gemm_options options = {.input = finish->input,
                                .bias = bias,
                                .activation = finish->end.activation,
                                .panels = finish->packed ? &panels : NULL};
    const cd_status status = finish->mean       ? multiply_with_statistics(&p, &options, finish, err)
                             : finish->end.mask ? multiply_with_mask(&p, &options, finish, err)
                                                : multiply(&p, &options, err);
    cdk_packed_done(finish->packed, CDK_PACKED_PRODUCT, panels, status);
    return status;
}

static cd_status convolve_taps(float *y, const float *x, const float *w, const float *bias,
                               const cdk_taps *taps, const cdk_conv_finish *finish, cd_error *err)
{
    const cdk_way way = cdk_way_of(taps);
    if (way == CDK_WAY_STRIPS || way == CDK_WAY_ROWS) {
        return cdk_conv_depthwise(y, x, w, bias, taps, finish, err);
    }
    if (way != CDK_WAY_WINOGRAD) {
        return cdk_conv_direct(y, x, w, bias, taps, way == CDK_WAY_LANES, finish, err);
    }
    CD_TRY(cdk_conv_winograd(y, x, w, bias, taps, finish, err));
    const cdk_channels shape = {
        .rows = taps->N * taps->h.outputs * taps->w.outputs, .C = taps->out_channels, .plane = 1};
    return finish->mean ? cdk_channel_mean_m2[CD_FLOAT32](finish->mean, finish->M2, y, shape, err) : CD_OK;
}

static cd_status convolve_images(float *y, const float *x, const float *w, const float *bias,
                                 const cdk_conv *conv, int backward, const cdk_conv_finish *finish,
                                 cd_error *err)
{
    cdk_taps taps;
    cdk_packed_begin(finish->packed, conv, backward);
    if (is_product(conv)) {
        return multiply_pixels(y, x, w, bias, conv, backward, finish, err);
    }
    CD_TRY(cdk_taps_make(&taps, conv, backward, err));
    const cd_status status = convolve_taps(y, x, w, bias, &taps, finish, err);
    cdk_taps_free(&taps);
    return status;
}

/* Where the bits of a pixel's channels are not whole bytes the mask takes a pass of its own: two threads must
 * not write to one byte. */
static cd_status convolve(float *y, const float *x, const float *w, const float *bias, const cdk_conv *conv,
                          int backward, const cdk_conv_finish *finish, cd_error *err)
{
    const int64_t channels = backward ? conv->C : conv->K;
    const int64_t pixels = backward ? conv->H * conv->W : conv->OH * conv->OW;
    cdk_conv_finish own = *finish;
    CD_TRY(check(conv, err));
    if (conv->N == 0) {
        return CD_OK;
    }
    if (channels % CDK_MASKING_CHANNELS != 0) {
        own.end.mask = NULL;
    }
    CD_TRY(convolve_images(y, x, w, bias, conv, backward, &own, err));
    if (own.end.mask != finish->end.mask) {
        cdk_mask[CD_FLOAT32](finish->end.mask, y, conv->N * pixels * channels, finish->end.high);
    }
    return CD_OK;
}

const char *cdk_conv_way_text(const cdk_conv *conv, cdk_conv_pass pass)
{
    cdk_taps taps;
    cd_error unread;
    if (check(conv, &unread) != CD_OK) {
        return NULL;
    }
    if (is_product(conv) && pass != CDK_CONV_WEIGHT) {
        return "product";
    }
    if (cdk_taps_make(&taps, conv, pass == CDK_CONV_INPUT, &unread) != CD_OK) {
        return NULL;
    }
    const char *text = cdk_way_name(pass == CDK_CONV_WEIGHT ? cdk_weight_way_of(&taps) : cdk_way_of(&taps));
    cdk_taps_free(&taps);
    return text;
}

cd_status cdk_conv_forward(float *y, const float *x, const float *w, const float *bias, const cdk_conv *conv,
                           const cdk_conv_finish *finish, cd_error *err)
{
    if (finish->mean && conv->N == 0 && conv->K > 0) {
        memset(finish->mean, 0, (size_t)conv->K * sizeof(double));
        memset(finish->M2, 0, (size_t)conv->K * sizeof(double));
    }
    return convolve(y, x, w, bias, conv, 0, finish, err);
}

int cdk_conv_takes_affine(const cdk_conv *conv)
{
    cdk_taps taps;
    cd_error unread;
    if (check(conv, &unread) != CD_OK) {
        return 0;
    }
    if (is_product(conv)) {
        return 1;
    }
    if (!is_depthwise(conv) || cdk_taps_make(&taps, conv, 0, &unread) != CD_OK) {
        return 0;
    }
    const int takes = cdk_suits_strips(&taps);
    cdk_taps_free(&taps);
    return takes;
}

cd_status cdk_conv_backward_input(float *dx, const float *dy, const float *w, const cdk_conv *conv,
                                  cd_error *err)
{
    return convolve(dx, dy, w, NULL, conv, 1, &as_it_is, err);
}

static void fill_zero(float *x, int64_t n)
{
    if (x) {
        memset(x, 0, (size_t)n * sizeof(float));
    }
}

/* y_sums: of dy; x_sums: of x; either may be NULL. */
static cd_status weight_gradient(float *dw, float *y_sums, float *x_sums, const float *dy, const float *x,
                                 const cdk_conv *conv, cd_error *err)
{
    cdk_taps taps;
    CD_TRY(check(conv, err));
    if (conv->N == 0) {
        fill_zero(dw, conv->K * (conv->C / conv->groups) * conv->R * conv->S);
        fill_zero(y_sums, conv->K);
        fill_zero(x_sums, conv->C);
        return CD_OK;
    }
    CD_TRY(cdk_taps_make(&taps, conv, 0, err));
    const cdk_way way = cdk_weight_way_of(&taps);
    const int dense = way == CDK_WAY_DENSE;
    const cd_status status =
        dense                     ? cdk_conv_weight(dw, y_sums, x_sums, dy, x, conv, err)
        : way == CDK_WAY_WINOGRAD ? cdk_conv_winograd_weight(dw, y_sums, dy, x, &taps, err)
        : way == CDK_WAY_LANES    ? cdk_conv_weight_lanes(dw, y_sums, dy, x, conv, &taps, err)
                                  : cdk_conv_weight_depthwise(dw, y_sums, dy, x, conv, err);
    cdk_taps_free(&taps);
    return status != CD_OK || dense || !x_sums
               ? status
               : cdk_channel_sums(x_sums, x, conv->N * conv->H * conv->W, conv->C, err);
}

cd_status cdk_conv_backward_weight(float *dw, float *dbias, const float *dy, const float *x,
                                   const cdk_conv *conv, cd_error *err)
{
    return weight_gradient(dw, dbias, NULL, dy, x, conv, err);
}

/* With few images threads would not share them well: the gradients are then computed one after the other. */
int cdk_conv_prefers_both(const cdk_conv *conv)
{
    cdk_taps taps;
    cd_error unread;
    if (!is_depthwise(conv) || conv->N < BOTH_MIN_IMAGES || cdk_taps_make(&taps, conv, 1, &unread) != CD_OK) {
        return 0;
    }
    const cdk_way way = cdk_way_of(&taps);
    cdk_taps_free(&taps);
    return way == CDK_WAY_STRIPS || way == CDK_WAY_ROWS;
}

cd_status cdk_conv_backward(float *dx, float *dw, float *dbias, const float *dy, const float *x,
                            const float *w, const cdk_conv *conv, cd_error *err)
{
    CD_TRY(check(conv, err));
    if (cdk_conv_prefers_both(conv)) {
        return cdk_conv_backward_depthwise(dx, dw, dbias, dy, x, w, conv, err);
    }
    CD_TRY(cdk_conv_backward_weight(dw, dbias, dy, x, conv, err));
    return cdk_conv_backward_input(dx, dy, w, conv, err);
}

int cdk_conv_transpose_writes_apart(const cdk_conv *conv)
{
    return conv->stride_h > 1 && conv->stride_w > 1 && !is_depthwise(conv);
}

static cd_status transpose_apart(float *y, const float *x, const float *w, const float *bias,
                                 const cdk_conv *conv, const cdk_conv_finish *finish, cd_error *err)
{
    cdk_taps taps;
    CD_TRY(check(conv, err));
    if (conv->N == 0) {
        return CD_OK;
    }
    cdk_packed_begin(finish->packed, conv, 1);
    CD_TRY(cdk_taps_make(&taps, conv, 1, err));
    const cd_status status = cdk_conv_direct(y, x, w, bias, &taps, 0, finish, err);
    cdk_taps_free(&taps);
    return status;
}

cd_status cdk_conv_transpose_forward(float *y, const float *x, const float *w, const float *bias,
                                     const cdk_conv *conv, const cdk_conv_finish *finish, cd_error *err)
{
    return finish->y_pixel > 0 ? transpose_apart(y, x, w, bias, conv, finish, err)
                               : convolve(y, x, w, bias, conv, 1, finish, err);
}

cd_status cdk_conv_transpose_backward_input(float *dx, const float *dy, const float *w, const cdk_conv *conv,
                                            cd_error *err)
{
    return convolve(dx, dy, w, NULL, conv, 0, &as_it_is, err);
}

cd_status cdk_conv_transpose_backward_weight(float *dw, float *dbias, const float *dy, const float *x,
                                             const cdk_conv *conv, cd_error *err)
{
    return weight_gradient(dw, NULL, dbias, x, dy, conv, err);
}

typedef struct channel_sums {
    float *partial; /* [chunks][channels] */
    const float *x;
    int64_t pixels, channels;
    const cdk_isa *isa;
} channel_sums;

static void sum_chunks(void *context, int64_t begin, int64_t end, int thread)
{
    const channel_sums *sums = context;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        const int64_t first = i * SUM_CHUNK_PIXELS, left = sums->pixels - first;
        float *sum = sums->partial + i * sums->channels;
        memset(sum, 0, (size_t)sums->channels * sizeof(float));
        sums->isa->channel_sum(sum, sums->x + first * sums->channels, sums->channels,
                               left < SUM_CHUNK_PIXELS ? left : SUM_CHUNK_PIXELS, sums->channels);
    }
}

cd_status cdk_channel_sums(float *sums, const float *x, int64_t pixels, int64_t channels, cd_error *err)
{
    const int64_t chunks = (pixels + SUM_CHUNK_PIXELS - 1) / SUM_CHUNK_PIXELS;
    channel_sums job = {.x = x, .pixels = pixels, .channels = channels, .isa = cdk_isa_current()};
    void *partial = NULL;
    size_t bytes = 0;
    CD_TRY(cd_memory_size(&bytes, (size_t)chunks, (size_t)channels, sizeof(float), err));
    CD_TRY(cd_memory_alloc(&partial, bytes, err));
    job.partial = partial;
    cd_parallel_for(chunks, 1, sum_chunks, &job);
    memset(sums, 0, (size_t)channels * sizeof(float));
    for (int64_t i = 0; i < chunks; i++) {
        for (int64_t c = 0; c < channels; c++) {
            sums[c] += job.partial[i * channels + c];
        }
    }
    cd_memory_free(partial);
    return CD_OK;
}
