/* The vectorised inner kernels, one table for each instruction set.
 *
 * Every dense product of the engine (matrix product, convolution forward and backward) is made of one tile:
 * up to `rows` rows times `width` columns of y, kept in registers while a reduction runs over t:
 *
 *     y[i][j] (+)= sum_run sum_{t < length} x[x_run + i x_row + t x_step] w[w_run w_unit + t w_step + j]
 *
 * The strides tell what it is. Matrix product: i a row of A, t along K, w a panel of B. Convolution: i a
 * pixel, t a channel, runs the kernel's taps. Gradient of the weights: i an input channel, t a pixel, w the
 * output's gradient as it lies in memory.
 */
#ifndef CANDELA_KERNELS_ISA_H
#define CANDELA_KERNELS_ISA_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/epilogue.h"

typedef struct cdk_tile {
    float *y;
    const float *x, *w;
    const float *bias;      /* [lanes], added to every row, or NULL */
    const ptrdiff_t *x_run; /* [runs] in elements */
    const ptrdiff_t *w_run; /* [runs] in units of w_unit elements */
    ptrdiff_t w_unit;
    int64_t runs, length;      /* runs = 0 gives y = 0 (+ bias) */
    ptrdiff_t y_row;           /* elements from row i to row i + 1 of y */
    ptrdiff_t x_row, x_step;   /* elements in x for i + 1 and for t + 1 */
    ptrdiff_t w_step;          /* elements in w for t + 1 */
    cdk_activation activation; /* applied last */
    int lanes;                 /* columns of y, 1 .. width */
    int accumulate;            /* add to what y holds */
    int w_bounded;             /* columns of w from `lanes` on must not be read (w is not a padded panel) */
    int stream;                /* y is too large to stay in a cache: write past it */
    const float *ahead;        /* fetched into the cache meanwhile, a little at every step, or NULL */
    ptrdiff_t ahead_step;      /* elements of it for t + 1 */
} cdk_tile;

typedef void (*cdk_tile_kernel)(const cdk_tile *tile);

/* kernel[n - 1] computes n rows, n = 1 .. rows. */
typedef struct cdk_tile_kind {
    int width, rows;
    const cdk_tile_kernel *kernel;
} cdk_tile_kind;

/* One channel at a time: y[i][c] = sum_tap w[w_tap + c] x[x_tap + i x_pixel + c]
 * for pixels i and channels c. */
typedef struct cdk_depthwise {
    float *y;
    const float *x, *w;
    const float *bias;              /* [channels] or NULL */
    const ptrdiff_t *x_tap, *w_tap; /* [taps] in elements */
    int64_t taps, pixels, channels;
    ptrdiff_t y_pixel, x_pixel;
    cdk_activation activation;
    int stream; /* as in cdk_tile */
} cdk_depthwise;

/* A strip: some channels of `pixels` neighbouring outputs in each of `rows` rows of one image, and what a
 * kernel of 3 x 3 reads for them. Output (h, i) reads rows first + h stride + r, r < 3, of x_rows and columns
 * i stride + s, s < 3; x points to column 1 of row 0. Rows outside the image do not exist, nor does the first
 * column unless `left` and the last unless `right`: they are taken for 0. */
typedef struct cdk_strip {
    const float *x, *zeros; /* zeros [channels] */
    ptrdiff_t pixel, x_row; /* elements from pixel to pixel, of any image, and from row to row of x */
    int64_t first, x_rows, rows, channels;
    int pixels, stride, left, right; /* pixels 1, 2, 4 or isa->depthwise3_pixels, stride 1 or 2 */
    int fetch;                       /* what the strip to the right of it reads into the cache, meanwhile */
} cdk_strip;

/* Where results leave what mean and M2 are made of: sums of d = y + minus_shift and of d d are added,
 * [channels] each, unless sum is NULL. A kernel that starts a part of the images makes minus_shift its first
 * output with the sign changed. */
typedef struct cdk_piece {
    float *sum, *squares, *minus_shift;
    int starts_part;
} cdk_piece;

/* y[h y_row + i pixel + c] = min(high, max(low, bias[c] + sum_{r, s < 3} w[(3 r + s) w_tap + c] x[..][c])) */
typedef struct cdk_depthwise3 {
    cdk_strip strip;
    float *y;
    const float *w, *bias; /* bias [channels] or NULL */
    ptrdiff_t w_tap, y_row;
    int bounded; /* low and high count */
    float low, high;
    int stream;            /* as in cdk_tile */
    const float *ahead[2]; /* laid out as y, fetched into the second cache meanwhile, or NULL */
    cdk_piece piece;
} cdk_depthwise3;

/* sum[(3 r + s) sum_tap + c] += sum_{h, i} dy[h dy_row + i pixel + c] x[..][c], and
 * dy_sum[c] += sum_{h, i} dy[h dy_row + i pixel + c] unless it is NULL */
typedef struct cdk_dots3 {
    cdk_strip strip;
    float *sum, *dy_sum;
    const float *dy;
    ptrdiff_t sum_tap, dy_row;
} cdk_dots3;

/* The 2 x 2 outputs of a tile, y[i][c] = act(bias[c] + (A^T M A)_i) for M_p = m[p m_point + c], p < 16; see
 * kernels/conv_winograd.h. m has room for a vector behind its last lane. */
typedef struct cdk_winograd_output {
    float *y[4];
    const float *m, *bias; /* bias [lanes] or NULL */
    ptrdiff_t m_point;
    int64_t lanes;
    cdk_activation activation;
    int stream; /* as in cdk_tile; every y[i] then starts a cache line */
} cdk_winograd_output;

/* The gradient of one channel's weights at a time: for every tap r, s (r < rows, s < columns) and channel c
 *     sum[r sum_row + s sum_column + c] += sum_{i < pixels} x[r x_row + s x_column + i x_pixel + c] y[i
 * y_pixel + c]
 */
typedef struct cdk_channel_dots {
    float *sum;
    const float *x, *y;
    ptrdiff_t sum_row, sum_column, x_row, x_column, x_pixel, y_pixel;
    ptrdiff_t x_ahead,
        y_ahead; /* elements from the last row of x and from y to those fetched into the cache */
    int64_t rows, columns, pixels, channels;
} cdk_channel_dots;

/* Outputs of more bytes than this are written past the caches: the next reader would not find them there. */
#define CDK_STREAM_BYTES (8 * 1024 * 1024)

/* Multiply-adds below which a second thread costs more than it gives. */
#define CDK_SERIAL_WORK (256 * 1024)

/* What isa->spread reads. */
typedef struct cdk_spread {
    const float *from;
    ptrdiff_t pixel; /* elements from pixel to pixel of `from` */
    int64_t pixels, steps;
    int inputs;           /* floats of a pixel that may be read */
    const int32_t *index; /* [width] */
} cdk_spread;

#define CDK_THIN_COLUMNS 4
#define CDK_THIN_PIXELS 3 /* at once */

/* Floats of a cache line. */
#define CDK_LINE_FLOATS 16

#define CDK_TILE_KINDS 3

/* Columns of the widest tile of any instruction set. */
#define CDK_TILE_MAX_WIDTH 32

typedef struct cdk_isa {
    int kinds; /* of tiles, widest first; each at most half as wide as the one before */
    cdk_tile_kind kind[CDK_TILE_KINDS];
    /* One vector wide, where x is as wide as y:
     * y[i][j] (+)= sum_run sum_{t < length} x[x_run + i x_row + t x_step + j] w[w_run w_unit + t w_step +
     * j] */
    cdk_tile_kind lanewise;
    /* slide_pixels such rows where x_row = x_step, which share what they read; tile->ahead goes on. */
    void (*slide)(cdk_tile *tile);
    int slide_pixels;
    /* to[(i steps + t) width + j] = from[i pixel + index[j] + t] for pixels i, t < steps and the j < width of
     * `lanewise`. Inputs from `inputs` on, which is at most the
     * width, are 0, and lanes that no block has may hold any of them. */
    void (*spread)(float *to, const cdk_spread *spread);
    /* n rows of at most CDK_THIN_COLUMNS columns, where x_step = 1 and w has the reduction contiguous:
     * y[i][j] = sum_run sum_{t < length} x[x_run + i x_row + t] w[w_run + j w_step + t], then bias,
     * activation. */
    void (*thin)(const cdk_tile *tile, int64_t n);
    int thin_width; /* the steps of t it does at once */
    void (*depthwise)(const cdk_depthwise *row);
    void (*depthwise3)(const cdk_depthwise3 *task);
    void (*dots3)(const cdk_dots3 *task);
    int depthwise3_pixels; /* outputs of a row that fit the registers of both */
    void (*channel_dots)(const cdk_channel_dots *dots);
    /* sum[c] += sum_{i < pixels} x[i x_pixel + c] */
    void (*channel_sum)(float *sum, const float *x, ptrdiff_t x_pixel, int64_t pixels, int64_t channels);
    /* sum[c] += sum_{i < pixels} d, squares[c] += sum_{i < pixels} d d,
     * d = x[i x_pixel + c] + minus_shift[c] */
    void (*channel_statistics)(float *sum, float *squares, const float *minus_shift, const float *x,
                               ptrdiff_t x_pixel, int64_t pixels, int64_t channels);
    /* to[i] = from[i], i < n, past the caches */
    void (*move_out)(float *to, const float *from, int64_t n);
    /* v[p v_point + c] = (B^T d B)_p for the 4 x 4 inputs d[i][first + c], i < 16, c < channels */
    void (*winograd_input)(float *v, ptrdiff_t v_point, const float *const *d, int64_t first,
                           int64_t channels);
    /* u[p u_point + c] = (G g G^T)_p for the 3 x 3 weights g[i width + c], i < 9, c < width */
    void (*winograd_weight)(float *u, ptrdiff_t u_point, const float *g, int64_t width);
    void (*winograd_output)(const cdk_winograd_output *tile);
    /* v[p v_point + c] = (A dy A^T)_p for the 2 x 2 gradients dy[i][first + c], i < 4, c < channels */
    void (*winograd_gradient)(float *v, ptrdiff_t v_point, const float *const *dy, int64_t first,
                              int64_t channels);
    /* dg[i width + c] = (G^T U G)_i for U_p = u[p u_point + c], i < 9, c < width */
    void (*winograd_weight_gradient)(float *dg, int64_t width, const float *u, ptrdiff_t u_point);
} cdk_isa;

/* The entries of a table that the templates define under the same names. */
#define CDK_ISA_KERNELS                                                                                   \
    .slide = slide, .slide_pixels = SLIDE_PIXELS, .thin = thin, .spread = spread, .depthwise = depthwise, \
    .depthwise3 = depthwise3, .dots3 = dots3, .depthwise3_pixels = DEPTHWISE3_PIXELS,                     \
    .channel_dots = channel_dots, .channel_sum = channel_sum, .channel_statistics = channel_statistics,   \
    .move_out = move_out, .winograd_input = winograd_input, .winograd_output = winograd_output,           \
    .winograd_weight = winograd_weight, .winograd_gradient = winograd_gradient,                           \
    .winograd_weight_gradient = winograd_weight_gradient

extern const cdk_isa cdk_isa_plain, cdk_isa_neon, cdk_isa_avx2, cdk_isa_avx512;

#endif
