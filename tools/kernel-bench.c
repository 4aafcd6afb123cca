/* Checks and times the kernels of src/kernels without R.
 *
 *     kernel-bench check
 *         every kernel at awkward shapes against its naive twin, on every instruction set this machine has,
 *         and that 1, 2 and 4 threads give the same bits
 *     kernel-bench time [batch] [threads] [repeats] [all | decoder | encoder | kinds | general |
 *     statistics]
 *         the layers of a U-Net on a MobileNet v2, in GFLOP/s, as a share of the multiply-add peak measured
 *         in the same run, and in GB/s of the images read and written; statistics: a convolution and the
 *         mean and M2 of its output, in two passes and in one
 *
 * CANDELA_SIMD chooses the instruction set that is timed. Exit status 1 when a check fails. */
#define _POSIX_C_SOURCE 200809L

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cpu.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/conv.h"
#include "kernels/conv_packed.h"
#include "kernels/dispatch.h"
#include "kernels/gemm.h"
#include "kernels/isa.h"
#include "kernels/mask.h"
#include "kernels/normalisation.h"
#include "kernels/transpose.h"
#include "naive.h"

#define TOLERANCE 2e-5

static int checks, failures;
static cd_error error;

/* With one thread the processor's time counts, which other programs disturb less. */
static double now(void)
{
    struct timespec t;
    clock_gettime(cd_threads() == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint32_t random_state = 12345;

static float *random_floats(int64_t n)
{
    void *block = NULL;
    if (posix_memalign(&block, CD_ALIGNMENT, (size_t)(n > 0 ? n : 1) * sizeof(float)) != 0) {
        exit(1);
    }
    float *x = block;
    for (int64_t i = 0; i < n; i++) {
        random_state = random_state * 1664525u + 1013904223u;
        x[i] = (float)(random_state >> 8) / 8388608.0f - 1.0f;
    }
    return x;
}

/* Largest difference, in units of the largest value. */
static double difference(const float *a, const float *b, int64_t n)
{
    double largest = 0, scale = 1e-30;
    for (int64_t i = 0; i < n; i++) {
        const double d = fabs((double)a[i] - b[i]);
        largest = d > largest || d != d ? d : largest;
        scale = fabs(b[i]) > scale ? fabs(b[i]) : scale;
    }
    return largest / scale;
}

static void report(const char *what, const char *shape, int threads, double error_size, int same)
{
    checks++;
    if (error_size <= TOLERANCE && same) {
        return;
    }
    failures++;
    printf("FAIL %-7s %d threads %-24s %s: error %.2e%s%s\n", cd_cpu_name(cd_cpu_level()), threads, what,
           shape, error_size, same ? "" : ", differs from 1 thread", error.message);
}

typedef enum {
    FORWARD,
    PACKED, /* from weights packed by a call before */
    MASKED, /* and that the mask is that of the result */
    STATISTICS,
    NORMALISED,            /* of an affine image of x */
    NORMALISED_STATISTICS, /* both */
    BACKWARD_INPUT,
    BACKWARD_WEIGHT,
    BOTH_INPUT, /* the one or the other of both gradients computed together */
    BOTH_WEIGHT,
    TRANSPOSE,
    TRANSPOSE_PACKED,
    TRANSPOSE_MASKED,
    TRANSPOSE_WEIGHT,
    PASSES
} pass;
static const char *pass_name[PASSES] = {
    "forward",          "packed",          "masked",     "statistics",  "normalised", "normalised statistics",
    "backward input",   "backward weight", "both input", "both weight", "transpose",  "transpose packed",
    "transpose masked", "transpose weight"};

typedef struct images {
    float *x, *y, *w, *bias;
    int64_t x_size, y_size, w_size;
} images;

static images make_images(const cdk_conv *c)
{
    images im = {.x_size = c->N * c->C * c->H * c->W, .y_size = c->N * c->K * c->OH * c->OW};
    im.w_size = c->K * (c->C / c->groups) * c->R * c->S;
    im.x = random_floats(im.x_size);
    im.y = random_floats(im.y_size);
    im.w = random_floats(im.w_size);
    im.bias = random_floats(c->K + c->C);
    return im;
}

static void free_images(images *im)
{
    free(im->x);
    free(im->y);
    free(im->w);
    free(im->bias);
}

static int64_t output_size(const images *im, const cdk_conv *c, pass p)
{
    const int64_t y = im->y_size, with_statistics = y + 2 * c->K, w = im->w_size;
    const int64_t x = im->x_size;
    const int64_t sizes[PASSES] = {y, y, y + 1, with_statistics, y, with_statistics, x, w + c->K, x, w + c->K,
                                   x, x, x + 1, w + c->C};
    return sizes[p];
}

/* min(6, max(0, scale x + shift)), and what it makes of x. */
static cdk_affine some_affine(const cdk_conv *c)
{
    double *scale = malloc(2 * (size_t)c->C * sizeof *scale), *shift = scale + c->C;
    for (int64_t i = 0; i < c->C; i++) {
        scale[i] = 0.5 + (double)(i % 7);
        shift[i] = 0.3 * (double)(i % 5 - 2);
    }
    return (cdk_affine){scale, shift, CDK_ACTIVATION_RELU6};
}

static images affine_image(const images *im, const cdk_conv *c, const cdk_affine *affine)
{
    images image = *im;
    image.x = malloc((size_t)im->x_size * sizeof(float));
    for (int64_t i = 0; i < im->x_size; i++) {
        const double v = affine->scale[i % c->C] * im->x[i] + affine->shift[i % c->C];
        image.x[i] = (float)(v < 0 ? 0 : v > 6 ? 6 : v);
    }
    return image;
}

/* The output, then means and mean squared distances. */
static cd_status run_statistics(float *out, const images *im, const cdk_conv *c, const cdk_affine *input,
                                int naive)
{
    const int64_t pixels = c->N * c->OH * c->OW, K = c->K;
    double *mean = calloc((size_t)K, 2 * sizeof *mean), *squares = mean + K;
    cd_status status = CD_OK;
    if (naive) {
        cdk_conv_forward_naive(out, im->x, im->w, im->bias, c, CDK_ACTIVATION_NONE);
        for (int64_t i = 0; i < pixels * K; i++) {
            mean[i % K] += (double)out[i] / (double)pixels;
        }
        for (int64_t i = 0; i < pixels * K; i++) {
            squares[i % K] += ((double)out[i] - mean[i % K]) * ((double)out[i] - mean[i % K]);
        }
    } else {
        const cdk_conv_finish finish = {.input = input, .mean = mean, .M2 = squares};
        status = cdk_conv_forward(out, im->x, im->w, im->bias, c, &finish, &error);
    }
    for (int64_t k = 0; k < K; k++) {
        out[pixels * K + k] = (float)mean[k];
        out[pixels * K + K + k] = (float)(squares[k] / (double)pixels);
    }
    free(mean);
    return status;
}

/* The one of both gradients that p names. */
static cd_status run_both(float *out, const images *im, const cdk_conv *c, pass p)
{
    float *other = random_floats(output_size(im, c, p == BOTH_INPUT ? BOTH_WEIGHT : BOTH_INPUT));
    float *dx = p == BOTH_INPUT ? out : other, *dw = p == BOTH_INPUT ? other : out;
    const cd_status status = cdk_conv_backward(dx, dw, dw + im->w_size, im->y, im->x, im->w, c, &error);
    free(other);
    return status;
}

static int is_normalised(pass p)
{
    return p == NORMALISED || p == NORMALISED_STATISTICS;
}

static cd_status run_normalised(float *out, const images *im, const cdk_conv *c, pass p, int naive)
{
    const cdk_affine affine = some_affine(c);
    const images image = affine_image(im, c, &affine);
    cd_status status = CD_OK;
    if (p == NORMALISED_STATISTICS) {
        status = run_statistics(out, naive ? &image : im, c, naive ? NULL : &affine, naive);
    } else if (naive) {
        cdk_conv_forward_naive(out, image.x, im->w, im->bias, c, CDK_ACTIVATION_RELU);
    } else {
        const cdk_conv_finish finish = {.input = &affine, .end = {.activation = CDK_ACTIVATION_RELU}};
        status = cdk_conv_forward(out, im->x, im->w, im->bias, c, &finish, &error);
    }
    free(image.x);
    free((void *)affine.scale);
    return status;
}

/* The n elements of the result, then 1 where the mask is the one they have. */
static cd_status run_masked(float *out, const images *im, const cdk_conv *c, pass p, int64_t n)
{
    const size_t bytes = (size_t)cdk_mask_bytes(n);
    uint8_t *mask = malloc(2 * bytes), *expected = mask + bytes;
    cdk_conv_finish finish = {.end = {CDK_ACTIVATION_RELU, mask, INFINITY}};
    cd_status status;
    memset(mask, 0xAA, bytes);
    if (p == MASKED) {
        status = cdk_conv_forward(out, im->x, im->w, im->bias, c, &finish, &error);
    } else {
        finish.end.activation = CDK_ACTIVATION_RELU6;
        finish.end.high = 6;
        status = cdk_conv_transpose_forward(out, im->y, im->w, im->bias, c, &finish, &error);
    }
    cdk_mask[CD_FLOAT32](expected, out, n, finish.end.high);
    out[n] = memcmp(mask, expected, bytes) == 0;
    free(mask);
    return status;
}

/* Twice: the first call packs the weights, the second has none and no others than those. */
static cd_status run_packed(float *out, const images *im, const cdk_conv *c, pass p)
{
    cdk_packed packed = {.panels = NULL};
    const cdk_conv_finish finish = {
        .end = {.activation = p == PACKED ? CDK_ACTIVATION_RELU : CDK_ACTIVATION_RELU6}, .packed = &packed};
    float *w = malloc((size_t)im->w_size * sizeof *w);
    memcpy(w, im->w, (size_t)im->w_size * sizeof *w);
    cd_status status = CD_OK;
    for (int i = 0; i < 2 && status == CD_OK; i++) {
        status = p == PACKED ? cdk_conv_forward(out, im->x, w, im->bias, c, &finish, &error)
                             : cdk_conv_transpose_forward(out, im->y, w, im->bias, c, &finish, &error);
        if (packed.panels != NULL) {
            memset(w, 0, (size_t)im->w_size * sizeof *w);
        }
    }
    cdk_packed_free(&packed);
    free(w);
    return status;
}

static cd_status run(float *out, const images *im, const cdk_conv *c, pass p, int naive)
{
    static const cdk_conv_finish relu = {.end = {.activation = CDK_ACTIVATION_RELU}},
                                 relu6 = {.end = {.activation = CDK_ACTIVATION_RELU6}};
    float *bias_out = out + im->w_size;
    if (is_normalised(p)) {
        return run_normalised(out, im, c, p, naive);
    }
    if (naive) {
        switch (p) {
        case FORWARD:
        case PACKED:
            cdk_conv_forward_naive(out, im->x, im->w, im->bias, c, CDK_ACTIVATION_RELU);
            break;
        case MASKED:
            cdk_conv_forward_naive(out, im->x, im->w, im->bias, c, CDK_ACTIVATION_RELU);
            out[im->y_size] = 1;
            break;
        case TRANSPOSE_MASKED:
            cdk_conv_transpose_forward_naive(out, im->y, im->w, im->bias, c, CDK_ACTIVATION_RELU6);
            out[im->x_size] = 1;
            break;
        case STATISTICS:
            run_statistics(out, im, c, NULL, 1);
            break;
        case BACKWARD_INPUT:
        case BOTH_INPUT:
            cdk_conv_backward_input_naive(out, im->y, im->w, c);
            break;
        case BACKWARD_WEIGHT:
        case BOTH_WEIGHT:
            cdk_conv_backward_weight_naive(out, bias_out, im->y, im->x, c);
            break;
        case TRANSPOSE:
        case TRANSPOSE_PACKED:
            cdk_conv_transpose_forward_naive(out, im->y, im->w, im->bias, c, CDK_ACTIVATION_RELU6);
            break;
        default:
            cdk_conv_backward_weight_naive(out, NULL, im->y, im->x, c);
            cdk_channel_sums_naive(bias_out, im->x, c->N * c->H * c->W, c->C);
        }
        return CD_OK;
    }
    switch (p) {
    case FORWARD:
        return cdk_conv_forward(out, im->x, im->w, im->bias, c, &relu, &error);
    case PACKED:
    case TRANSPOSE_PACKED:
        return run_packed(out, im, c, p);
    case MASKED:
        return run_masked(out, im, c, p, im->y_size);
    case TRANSPOSE_MASKED:
        return run_masked(out, im, c, p, im->x_size);
    case STATISTICS:
        return run_statistics(out, im, c, NULL, 0);
    case BACKWARD_INPUT:
        return cdk_conv_backward_input(out, im->y, im->w, c, &error);
    case BACKWARD_WEIGHT:
        return cdk_conv_backward_weight(out, bias_out, im->y, im->x, c, &error);
    case BOTH_INPUT:
    case BOTH_WEIGHT:
        return run_both(out, im, c, p);
    case TRANSPOSE:
        return cdk_conv_transpose_forward(out, im->y, im->w, im->bias, c, &relu6, &error);
    default:
        return cdk_conv_transpose_backward_weight(out, bias_out, im->x, im->y, c, &error);
    }
}

static cdk_conv square(int64_t N, int64_t C, int64_t size, int64_t K, int64_t kernel, int64_t stride,
                       int64_t pad, int64_t groups)
{
    cdk_conv c = {.N = N, .C = C, .H = size, .W = size, .K = K, .R = kernel, .S = kernel, .groups = groups};
    c.stride_h = c.stride_w = stride;
    c.pad_top = c.pad_left = pad;
    c.dilation_h = c.dilation_w = 1;
    c.OH = c.OW = (size + 2 * pad - kernel) / stride + 1;
    return c;
}

static void set_level(cd_cpu level)
{
    setenv("CANDELA_SIMD", cd_cpu_name(level), 1);
    cd_cpu_refresh();
}

/* What is checked: 1, 2, ... threads, and every level of this machine or its best alone. */
static int most_threads = 4;
static int best_level_alone = 0;

static int is_checked(cd_cpu level)
{
    return cd_cpu_has(level) && (!best_level_alone || level == cd_cpu_best());
}

static void check_pass(const images *im, const cdk_conv *c, pass p, const char *shape)
{
    const int64_t n = output_size(im, c, p);
    float *expected = random_floats(n), *single = random_floats(n), *out = random_floats(n);
    run(expected, im, c, p, 1);
    for (cd_cpu level = CD_CPU_PLAIN; level < CD_CPU_LEVELS; level++) {
        if (!is_checked(level)) {
            continue;
        }
        set_level(level);
        for (int threads = 1; threads <= most_threads; threads *= 2) {
            cd_set_threads(threads);
            for (int64_t i = 0; i < n; i++) {
                out[i] = NAN;
            }
            error.message[0] = 0;
            const cd_status status = run(out, im, c, p, 0);
            if (threads == 1) {
                memcpy(single, out, (size_t)n * sizeof(float));
            }
            report(pass_name[p], shape, threads, status == CD_OK ? difference(out, expected, n) : INFINITY,
                   memcmp(single, out, (size_t)n * sizeof(float)) == 0);
        }
    }
    free(expected);
    free(single);
    free(out);
}

static void check_conv(cdk_conv c)
{
    char shape[200];
    images im = make_images(&c);
    snprintf(shape, sizeof shape,
             "N %d C %d %dx%d K %d kernel %dx%d out %dx%d stride %d,%d pad %d,%d dilation %d,%d groups %d",
             (int)c.N, (int)c.C, (int)c.H, (int)c.W, (int)c.K, (int)c.R, (int)c.S, (int)c.OH, (int)c.OW,
             (int)c.stride_h, (int)c.stride_w, (int)c.pad_top, (int)c.pad_left, (int)c.dilation_h,
             (int)c.dilation_w, (int)c.groups);
    for (pass p = FORWARD; p < PASSES; p++) {
        if (!is_normalised(p) || cdk_conv_takes_affine(&c)) {
            check_pass(&im, &c, p, shape);
        }
    }
    free_images(&im);
}

/* With dilation, the same on all sides. */
static cdk_conv dilated(int64_t N, int64_t C, int64_t size, int64_t K, int64_t dilation, int64_t padding,
                        int64_t groups)
{
    cdk_conv c = square(N, C, size, K, 3, 1, padding, groups);
    c.dilation_h = c.dilation_w = dilation;
    c.OH = c.OW = size + 2 * padding - 2 * dilation;
    return c;
}

/* Kernels of any size, dilation and groups: whole images in a band, borders on all sides, taps that no output
 * has, lanes that are not filled. */
static void check_any_shapes(void)
{
    check_conv(dilated(2, 40, 28, 33, 12, 12, 1));
    check_conv(dilated(2, 40, 11, 33, 2, 2, 1));
    check_conv(dilated(3, 24, 13, 40, 3, 3, 1));
    check_conv(dilated(2, 24, 5, 24, 4, 4, 1));
    check_conv(dilated(2, 24, 5, 24, 7, 7, 1));
    check_conv(dilated(5, 9, 9, 21, 2, 1, 1));
    check_conv(dilated(2, 21, 15, 21, 4, 4, 21));
    check_conv(dilated(17, 40, 14, 40, 2, 2, 40));
    check_conv(square(4, 32, 12, 40, 5, 1, 2, 1));
    check_conv(square(20, 30, 7, 35, 3, 1, 1, 1));
    check_conv(square(20, 200, 7, 35, 3, 2, 1, 1));
    check_conv(square(2, 40, 20, 40, 5, 1, 2, 40));
    check_conv(square(2, 40, 21, 40, 5, 2, 2, 40));
    check_conv(square(17, 35, 15, 35, 7, 1, 3, 35));
    check_conv(square(2, 3, 9, 3, 9, 1, 4, 3));
    check_conv(square(2, 64, 14, 64, 3, 1, 1, 16));
    check_conv(square(18, 48, 9, 48, 3, 1, 1, 16));
    check_conv(square(2, 40, 11, 40, 3, 2, 1, 20));
    check_conv(square(2, 20, 10, 60, 5, 1, 2, 20));
    check_conv(square(2, 30, 10, 20, 3, 1, 1, 10));
    check_conv(square(2, 64, 10, 64, 3, 2, 1, 8));
    check_conv(square(2, 64, 10, 96, 3, 1, 1, 4));
    check_conv(square(2, 32, 9, 32, 1, 1, 0, 8));
    cdk_conv row = {3, 50, 17, 17, 40, 1, 7, 17, 17, 1, 1, 0, 3, 1, 1, 1};
    check_conv(row);
    cdk_conv column = {3, 24, 17, 16, 24, 5, 1, 17, 16, 1, 1, 2, 0, 1, 1, 24};
    check_conv(column);
}

static void check_convs(void)
{
    check_conv(square(2, 3, 17, 32, 3, 2, 1, 1));
    check_conv(square(2, 19, 15, 16, 3, 1, 1, 1));
    check_conv(square(3, 16, 13, 3, 3, 1, 1, 1));
    check_conv(square(2, 48, 14, 32, 3, 1, 1, 1));
    check_conv(square(1, 352, 7, 40, 3, 1, 1, 1));
    check_conv(square(2, 40, 6, 88, 3, 1, 1, 1));
    check_conv(square(2, 24, 9, 24, 3, 1, 1, 24));
    check_conv(square(2, 19, 10, 19, 3, 2, 1, 19));
    check_conv(square(2, 33, 11, 33, 5, 2, 2, 33));
    for (int64_t size = 1; size <= 8; size++) {
        check_conv(square(2, 20, size, 20, 3, 1, 1, 20));
        check_conv(square(17, 5, size, 5, 3, 2, 1, 5));
    }
    check_conv(square(16, 33, 17, 33, 3, 1, 1, 33));
    check_conv(square(19, 4, 16, 4, 3, 2, 0, 4));
    check_conv(square(18, 6, 7, 6, 5, 1, 2, 6));
    check_conv(square(1, 5, 8, 15, 3, 1, 1, 5));
    check_conv(square(2, 12, 8, 20, 3, 2, 0, 4));
    check_conv(square(2, 32, 14, 64, 2, 2, 0, 1));
    check_conv(square(2, 16, 15, 32, 2, 2, 0, 1));
    check_conv(square(3, 21, 7, 50, 1, 1, 0, 1));
    check_conv(square(1, 17, 9, 6, 1, 2, 0, 1));
    check_conv(square(2, 8, 1, 12, 1, 1, 0, 1));
    check_conv(square(9, 300, 7, 70, 1, 1, 0, 1));
    check_conv(square(1, 1, 9, 1, 1, 1, 0, 1));
    check_conv(square(2, 8, 1, 12, 3, 1, 1, 1));
    check_conv(square(2, 1, 1, 1, 3, 1, 1, 1));
    check_conv(square(1, 1, 28, 1, 5, 1, 2, 1));
    check_conv(square(1, 4, 23, 7, 3, 5, 1, 1));
    check_conv(square(1, 6, 20, 6, 2, 7, 0, 6));
    check_conv(square(2, 7, 11, 9, 7, 1, 3, 1));
    check_conv(square(1, 512, 2, 19, 1, 1, 0, 1));
    check_conv(square(1, 9, 3, 5, 3, 1, 5, 1));
    /* Wide 3 x 3 layers: odd sizes, several chains of channels, borders of all kinds. */
    check_conv(square(2, 24, 17, 27, 3, 1, 1, 1));
    check_conv(square(3, 100, 11, 40, 3, 1, 0, 1));
    check_conv(square(1, 200, 17, 75, 3, 1, 2, 1));
    cdk_conv wide = {2, 33, 15, 22, 50, 3, 3, 14, 19, 1, 1, 2, -1, 1, 1, 1};
    check_conv(wide);
    check_conv(square(1, 400, 6, 20, 2, 2, 0, 1));
    check_conv(square(1, 30, 9, 400, 3, 2, 1, 1));
    check_conv(square(40, 6, 3, 9, 3, 1, 1, 1));
    check_conv(square(9, 70, 7, 40, 1, 1, 0, 1));
    check_conv(square(7, 2, 12, 40, 3, 1, 1, 1));
    cdk_conv odd = {2, 5, 11, 18, 7, 3, 2, 9, 10, 1, 2, 3, -1, 2, 3, 1};
    /* Large enough to be written past the caches, and to have several parts. */
    check_conv(square(5, 4, 112, 80, 1, 1, 0, 1));
    check_conv(square(5, 3, 112, 80, 3, 1, 1, 1));
    check_conv(square(3, 200, 90, 200, 3, 1, 1, 200));
    check_conv(square(17, 212, 9, 212, 3, 1, 1, 212));
    check_conv(square(17, 212, 9, 212, 3, 1, 2, 212));
    check_conv(square(17, 212, 9, 212, 3, 1, 0, 212));
    check_conv(square(16, 450, 8, 450, 3, 2, 1, 450));
    check_conv(square(24, 960, 7, 960, 3, 1, 1, 960));
    check_conv(odd);
    cdk_conv asymmetric = {1, 6, 10, 9, 4, 3, 3, 6, 5, 2, 2, 0, 1, 1, 1, 2};
    check_conv(asymmetric);
    cdk_conv depthwise = {2, 10, 12, 7, 10, 3, 3, 9, 9, 2, 1, 2, 3, 2, 2, 10};
    check_conv(depthwise);
    check_any_shapes();
}

static void check_gemm(int64_t M, int64_t N, int64_t K)
{
    float *A = random_floats(M * K), *B = random_floats(K * N), *bias = random_floats(N);
    float *before = random_floats(M * N), *expected = malloc((size_t)(M * N) * sizeof(float) + 1);
    float *out = malloc((size_t)(M * N) * sizeof(float) + 1),
          *single = malloc((size_t)(M * N) * sizeof(float) + 1);
    const size_t bytes = (size_t)(M * N) * sizeof(float);
    for (int form = 0; form < 8; form++) {
        char shape[80];
        const cdk_gemm_options options = {.bias = form & 4 ? NULL : bias, .accumulate = form >> 2 & 1};
        const cdk_matrix a = {A, form & 1 ? M : K, form & 1}, b = {B, form & 2 ? K : N, form >> 1 & 1};
        snprintf(shape, sizeof shape, "%d x %d x %d, form %d", (int)M, (int)N, (int)K, form);
        memcpy(expected, before, bytes);
        cdk_gemm_naive(expected, &a, &b, M, N, K, &options);
        for (cd_cpu level = CD_CPU_PLAIN; level < CD_CPU_LEVELS; level++) {
            for (int threads = 1; is_checked(level) && threads <= most_threads; threads *= 2) {
                set_level(level);
                cd_set_threads(threads);
                memcpy(out, before, bytes);
                const cd_status status = cdk_gemm(out, &a, &b, M, N, K, &options, &error);
                if (threads == 1) {
                    memcpy(single, out, bytes);
                }
                report("gemm", shape, threads, status == CD_OK ? difference(out, expected, M * N) : INFINITY,
                       memcmp(single, out, bytes) == 0);
            }
        }
    }
    free(A);
    free(B);
    free(bias);
    free(before);
    free(expected);
    free(out);
    free(single);
}

static void check_transpose(int64_t rows, int64_t columns, int64_t gap)
{
    const int64_t y_row = rows + gap, x_row = columns + gap, size = columns * y_row;
    const size_t bytes = (size_t)size * sizeof(float);
    float *x = random_floats(rows * x_row), *out = random_floats(size), *expected = random_floats(size);
    char shape[80];
    snprintf(shape, sizeof shape, "%d x %d, gaps of %d", (int)rows, (int)columns, (int)gap);
    memcpy(expected, out, bytes);
    cdk_transpose(out, y_row, x, x_row, rows, columns);
    cdk_transpose_naive(expected, y_row, x, x_row, rows, columns);
    report("transpose", shape, 1, difference(out, expected, size), memcmp(out, expected, bytes) == 0);
    free(x);
    free(out);
    free(expected);
}

static int check_all(void)
{
    const int64_t sizes[] = {1, 3, 4, 16, 19, 37};
    for (int i = 0; i < 36; i++) {
        check_transpose(sizes[i / 6], sizes[i % 6], 0);
        check_transpose(sizes[i / 6], sizes[i % 6], 5);
    }
    check_convs();
    check_gemm(1, 1, 1);
    check_gemm(5, 3, 0);
    check_gemm(32, 10, 32);
    check_gemm(7, 100, 300);
    check_gemm(130, 77, 512);
    check_gemm(100, 33, 1000);
    check_gemm(200, 1, 60);
    check_gemm(3, 1000, 1280);
    const cd_memory_counters memory = cd_memory_count();
    if (memory.in_use != 0) {
        failures++;
        printf("FAIL %lld bytes not given back\n", (long long)memory.in_use);
    }
    printf("%d checks, %d failed\n", checks, failures);
    return failures > 0;
}

/* Multiply-adds of all multiplications and additions, in GFLOP. */
static double gflop(const cdk_conv *c)
{
    return 2e-9 * (double)(c->N * c->OH * c->OW * c->K) * (double)(c->C / c->groups * c->R * c->S);
}

static float peak_x[1024], peak_w[1024];

static void peak_body(void *context, int64_t begin, int64_t end, int thread)
{
    const cdk_tile_kind *kind = &cdk_isa_current()->kind[0];
    const ptrdiff_t zero = 0;
    float y[32 * 14];
    (void)context;
    (void)thread;
    cdk_tile tile = {.y = y,
                     .x = peak_x,
                     .w = peak_w,
                     .x_run = &zero,
                     .w_run = &zero,
                     .runs = 1,
                     .length = 1000000,
                     .y_row = kind->width,
                     .x_row = 1,
                     .lanes = kind->width};
    for (int64_t i = begin; i < end; i++) {
        kind->kernel[kind->rows - 1](&tile);
    }
}

/* GFLOP/s of the tile itself with all operands in registers and the first cache: what layers can reach. */
static double peak(void)
{
    const cdk_tile_kind *kind = &cdk_isa_current()->kind[0];
    double best = 1e30;
    for (int i = 0; i < 5; i++) {
        const double start = now();
        cd_parallel_chunks(8, 1, peak_body, NULL);
        const double seconds = now() - start;
        best = seconds < best ? seconds : best;
    }
    return 2e-9 * 8 * 1e6 * kind->rows * kind->width / best;
}

static double time_pass(float *out, const images *im, const cdk_conv *c, pass p, int repeats)
{
    double best = 1e30;
    for (int i = 0; i < repeats; i++) {
        const double start = now();
        if (run(out, im, c, p, 0) != CD_OK) {
            printf("FAIL %s\n", error.message);
            exit(1);
        }
        const double seconds = now() - start;
        best = seconds < best ? seconds : best;
    }
    return best;
}

static double total_flop, total_seconds;

static void time_layer(const char *name, cdk_conv c, int transposed, int forward_only, int repeats,
                       double best)
{
    const pass passes[3] = {transposed ? TRANSPOSE : FORWARD, transposed ? FORWARD : BACKWARD_INPUT,
                            transposed ? TRANSPOSE_WEIGHT : BACKWARD_WEIGHT};
    images im = make_images(&c);
    const int64_t size = im.x_size > im.y_size ? im.x_size : im.y_size;
    float *out = random_floats(size > im.w_size + c.K + c.C ? size : im.w_size + c.K + c.C);
    printf("%-28s", name);
    for (int i = 0; i < (forward_only ? 1 : 3); i++) {
        const double seconds = time_pass(out, &im, &c, passes[i], repeats);
        printf(" %8.2f ms %6.1f (%3.0f%%) %5.1f GB/s", seconds * 1e3, gflop(&c) / seconds,
               100 * gflop(&c) / seconds / best, 4e-9 * (double)(im.x_size + im.y_size) / seconds);
        total_flop += gflop(&c);
        total_seconds += seconds;
    }
    printf("\n");
    fflush(stdout);
    free(out);
    free_images(&im);
}

static void print_total(const char *what)
{
    printf("%s: %.1f GFLOP in %.0f ms, %.1f GFLOP/s\n", what, total_flop, total_seconds * 1e3,
           total_flop / total_seconds);
    total_flop = total_seconds = 0;
}

static void time_decoder(int64_t N, int repeats, double best)
{
    static const int channels[5][4] = {
        {320, 256, 352, 14}, {256, 128, 160, 28}, {128, 64, 88, 56}, {64, 32, 48, 112}, {32, 16, 19, 224}};
    char name[100];
    for (int i = 0; i < 5; i++) {
        const int in = channels[i][0], out = channels[i][1], joined = channels[i][2], size = channels[i][3];
        snprintf(name, sizeof name, "transposed %d -> %d at %d", in, out, size);
        time_layer(name, square(N, out, size, in, 2, 2, 0, 1), 1, 0, repeats, best);
        snprintf(name, sizeof name, "conv %d -> %d at %d", joined, out, size);
        time_layer(name, square(N, joined, size, out, 3, 1, 1, 1), 0, 0, repeats, best);
    }
    time_layer("conv 16 -> 3 at 224", square(N, 16, 224, 3, 3, 1, 1, 1), 0, 0, repeats, best);
    print_total("decoder, forward and backward");
}

/* One layer of each kind of the encoder, forward and backward. */
static void time_kinds(int64_t N, int repeats, double best)
{
    time_layer("stem 3 -> 32 s2 at 224", square(N, 3, 224, 32, 3, 2, 1, 1), 0, 0, repeats, best);
    time_layer("depthwise 32 at 112", square(N, 32, 112, 32, 3, 1, 1, 32), 0, 0, repeats, best);
    time_layer("depthwise 96 s2 at 112", square(N, 96, 112, 96, 3, 2, 1, 96), 0, 0, repeats, best);
    time_layer("depthwise 144 at 56", square(N, 144, 56, 144, 3, 1, 1, 144), 0, 0, repeats, best);
    time_layer("depthwise 576 at 14", square(N, 576, 14, 576, 3, 1, 1, 576), 0, 0, repeats, best);
    time_layer("depthwise 960 at 7", square(N, 960, 7, 960, 3, 1, 1, 960), 0, 0, repeats, best);
    time_layer("expand 16 -> 96 at 112", square(N, 16, 112, 96, 1, 1, 0, 1), 0, 0, repeats, best);
    time_layer("expand 24 -> 144 at 56", square(N, 24, 56, 144, 1, 1, 0, 1), 0, 0, repeats, best);
    time_layer("expand 96 -> 576 at 14", square(N, 96, 14, 576, 1, 1, 0, 1), 0, 0, repeats, best);
    time_layer("project 96 -> 24 at 56", square(N, 96, 56, 24, 1, 1, 0, 1), 0, 0, repeats, best);
    time_layer("project 576 -> 160 at 7", square(N, 576, 7, 160, 1, 1, 0, 1), 0, 0, repeats, best);
    time_layer("project 960 -> 320 at 7", square(N, 960, 7, 320, 1, 1, 0, 1), 0, 0, repeats, best);
    print_total("kinds of encoder layers, forward and backward");
}

static void time_any(const char *name, cdk_conv c, int repeats, double best)
{
    char text[100];
    snprintf(text, sizeof text, "%s (%s)", name, cdk_conv_way_text(&c, 0));
    time_layer(text, c, 0, 0, repeats, best);
}

/* Layers of many networks; the batch of the classic comparisons is 16. */
static void time_general(int64_t N, int repeats, double best)
{
    time_any("7 x 7 s2 3-64 @224", square(N, 3, 224, 64, 7, 2, 3, 1), repeats, best);
    time_any("3 x 3 64-64 @56", square(N, 64, 56, 64, 3, 1, 1, 1), repeats, best);
    time_any("3 x 3 256-256 @14", square(N, 256, 14, 256, 3, 1, 1, 1), repeats, best);
    time_any("3 x 3 512-512 @7", square(N, 512, 7, 512, 3, 1, 1, 1), repeats, best);
    time_any("3 x 3 s2 64-128 @56", square(N, 64, 56, 128, 3, 2, 1, 1), repeats, best);
    time_any("1 x 1 256-64 @56", square(N, 256, 56, 64, 1, 1, 0, 1), repeats, best);
    time_any("1 x 1 64-256 @56", square(N, 64, 56, 256, 1, 1, 0, 1), repeats, best);
    time_any("1 x 1 1024-256 @14", square(N, 1024, 14, 256, 1, 1, 0, 1), repeats, best);
    time_any("1 x 1 s2 256-512 @56", square(N, 256, 56, 512, 1, 2, 0, 1), repeats, best);
    time_any("3 x 3 d12 256-256 @28", dilated(N, 256, 28, 256, 12, 12, 1), repeats, best);
    time_any("5 x 5 32-64 @28", square(N, 32, 28, 64, 5, 1, 2, 1), repeats, best);
    time_any("1 x 7 128-128 @17", (cdk_conv){N, 128, 17, 17, 128, 1, 7, 17, 17, 1, 1, 0, 3, 1, 1, 1}, repeats,
             best);
    time_any("3 x 3 groups 32 128 @56", square(N, 128, 56, 128, 3, 1, 1, 32), repeats, best);
    time_any("depthwise 5 x 5 240 @28", square(N, 240, 28, 240, 5, 1, 2, 240), repeats, best);
    time_any("depthwise 7 x 7 96 @56", square(N, 96, 56, 96, 7, 1, 3, 96), repeats, best);
    time_any("1-d 7 64-64 @1024", (cdk_conv){N, 64, 1, 1024, 64, 1, 7, 1, 1024, 1, 1, 0, 3, 1, 1, 1}, repeats,
             best);
    print_total("layers of many networks");
}

static void time_block(int64_t N, int in, int out, int size, int stride, int expand, int repeats, double best)
{
    char name[100];
    const int wide = in * expand;
    if (expand > 1) {
        snprintf(name, sizeof name, "expand %d -> %d at %d", in, wide, size);
        time_layer(name, square(N, in, size, wide, 1, 1, 0, 1), 0, 1, repeats, best);
    }
    snprintf(name, sizeof name, "depthwise %d s%d at %d", wide, stride, size);
    time_layer(name, square(N, wide, size, wide, 3, stride, 1, wide), 0, 1, repeats, best);
    snprintf(name, sizeof name, "project %d -> %d at %d", wide, out, size / stride);
    time_layer(name, square(N, wide, size / stride, out, 1, 1, 0, 1), 0, 1, repeats, best);
}

static void time_encoder(int64_t N, int repeats, double best)
{
    static const int blocks[17][5] = {{32, 16, 112, 1, 1}, {16, 24, 112, 2, 6}, {24, 24, 56, 1, 6},
                                      {24, 32, 56, 2, 6},  {32, 32, 28, 1, 6},  {32, 32, 28, 1, 6},
                                      {32, 64, 28, 2, 6},  {64, 64, 14, 1, 6},  {64, 64, 14, 1, 6},
                                      {64, 64, 14, 1, 6},  {64, 96, 14, 1, 6},  {96, 96, 14, 1, 6},
                                      {96, 96, 14, 1, 6},  {96, 160, 14, 2, 6}, {160, 160, 7, 1, 6},
                                      {160, 160, 7, 1, 6}, {160, 320, 7, 1, 6}};
    time_layer("stem 3 -> 32 s2 at 224", square(N, 3, 224, 32, 3, 2, 1, 1), 0, 1, repeats, best);
    for (int i = 0; i < 17; i++) {
        const int *b = blocks[i];
        time_block(N, b[0], b[1], b[2], b[3], b[4], repeats, best);
    }
    print_total("encoder, forward");
}

/* A convolution and then the mean and M2 of its output, against both at once. */
static void time_statistics(const char *name, cdk_conv c, int repeats)
{
    images im = make_images(&c);
    float *out = random_floats(im.y_size + 2 * c.K);
    double *mean = calloc((size_t)c.K, 2 * sizeof *mean), *squares = mean + c.K;
    double best[3] = {1e30, 1e30, 1e30};
    const cdk_conv_finish alone = {.mean = NULL}, with_statistics = {.mean = mean, .M2 = squares};
    for (int i = 0; i < repeats; i++) {
        const double start = now();
        cdk_conv_forward(out, im.x, im.w, NULL, &c, &alone, &error);
        const double first = now();
        const cdk_channels shape = {.rows = c.N * c.OH * c.OW, .C = c.K, .plane = 1};
        cdk_channel_mean_m2[CD_FLOAT32](mean, squares, out, shape, &error);
        const double second = now();
        cdk_conv_forward(out, im.x, im.w, NULL, &c, &with_statistics, &error);
        const double times[3] = {first - start, second - first, now() - second};
        for (int j = 0; j < 3; j++) {
            best[j] = times[j] < best[j] ? times[j] : best[j];
        }
    }
    printf("%-28s convolution %8.2f ms, then statistics %8.2f ms; together %8.2f ms (%.2f)\n", name,
           best[0] * 1e3, best[1] * 1e3, best[2] * 1e3, best[2] / (best[0] + best[1]));
    free(mean);
    free(out);
    free_images(&im);
}

static void time_all_statistics(int64_t N, int repeats)
{
    time_statistics("stem 3 -> 32 s2 at 224", square(N, 3, 224, 32, 3, 2, 1, 1), repeats);
    time_statistics("depthwise 32 s1 at 112", square(N, 32, 112, 32, 3, 1, 1, 32), repeats);
    time_statistics("project 32 -> 16 at 112", square(N, 32, 112, 16, 1, 1, 0, 1), repeats);
    time_statistics("expand 16 -> 96 at 112", square(N, 16, 112, 96, 1, 1, 0, 1), repeats);
    time_statistics("depthwise 96 s2 at 112", square(N, 96, 112, 96, 3, 2, 1, 96), repeats);
    time_statistics("project 96 -> 24 at 56", square(N, 96, 56, 24, 1, 1, 0, 1), repeats);
    time_statistics("expand 24 -> 144 at 56", square(N, 24, 56, 144, 1, 1, 0, 1), repeats);
    time_statistics("depthwise 144 s1 at 56", square(N, 144, 56, 144, 3, 1, 1, 144), repeats);
    time_statistics("depthwise 192 s1 at 28", square(N, 192, 28, 192, 3, 1, 1, 192), repeats);
    time_statistics("expand 64 -> 384 at 14", square(N, 64, 14, 384, 1, 1, 0, 1), repeats);
    time_statistics("project 384 -> 64 at 14", square(N, 384, 14, 64, 1, 1, 0, 1), repeats);
    time_statistics("depthwise 960 s1 at 7", square(N, 960, 7, 960, 3, 1, 1, 960), repeats);
    time_statistics("expand 160 -> 960 at 7", square(N, 160, 7, 960, 1, 1, 0, 1), repeats);
    time_statistics("conv 48 -> 32 at 112", square(N, 48, 112, 32, 3, 1, 1, 1), repeats);
}

static void time_gemm(int64_t n, int repeats, double peak_rate)
{
    float *A = random_floats(n * n), *B = random_floats(n * n), *C = random_floats(n * n);
    for (int form = 0; form < 4; form++) {
        const cdk_matrix a = {A, n, form & 1}, b = {B, n, form >> 1};
        double best = 1e30;
        for (int i = 0; i < repeats; i++) {
            const double start = now();
            cdk_gemm(C, &a, &b, n, n, n, NULL, &error);
            best = now() - start < best ? now() - start : best;
        }
        const double rate = 2e-9 * (double)(n * n * n) / best;
        printf("gemm %d cubed %s%s: %.1f GFLOP/s (%.0f%%)\n", (int)n, form & 1 ? "t" : "n",
               form & 2 ? "t" : "n", rate, 100 * rate / peak_rate);
    }
    free(A);
    free(B);
    free(C);
}

int main(int argc, char **argv)
{
    cd_parallel_init();
    cd_cpu_refresh();
    if (argc > 1 && strcmp(argv[1], "check") == 0) {
        most_threads = argc > 2 ? atoi(argv[2]) : most_threads;
        best_level_alone = argc > 3 && strcmp(argv[3], "best") == 0;
        return check_all();
    }
    const int64_t N = argc > 2 ? atoi(argv[2]) : 32;
    cd_set_threads(argc > 3 ? atoi(argv[3]) : 2);
    const int repeats = argc > 4 ? atoi(argv[4]) : 3;
    const double best = peak();
    printf("%s, %d threads, batch %d; tile peak %.1f GFLOP/s\n", cd_cpu_name(cd_cpu_level()), cd_threads(),
           (int)N, best);
    printf("forward, backward input, backward weight: time, GFLOP/s, share of peak, GB/s of images\n");
    const char *part = argc > 5 ? argv[5] : "all";
    const int all = strcmp(part, "all") == 0;
    if (all || strcmp(part, "decoder") == 0) {
        time_gemm(1024, repeats, best);
        time_decoder(N, repeats, best);
    }
    if (all || strcmp(part, "encoder") == 0) {
        time_encoder(N, repeats, best);
    }
    if (strcmp(part, "kinds") == 0) {
        time_kinds(N, repeats, best);
    }
    if (strcmp(part, "general") == 0) {
        time_general(N, repeats, best);
    }
    if (all || strcmp(part, "statistics") == 0) {
        time_all_statistics(N, repeats);
    }
    return 0;
}
