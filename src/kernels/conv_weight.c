/* Gradients of a convolution's weights and bias: sums over all pixels of all images.
 *
 * The rows of all images, one after the other, are cut into chunks, a number that does not depend on the
 * threads; each chunk has its own partial sums, which are added in order at the end. Within a chunk the work
 * goes band by band, so that the rows of x and dy a band needs stay in cache for all taps, and the next
 * band's are fetched meanwhile. For every tap only the pixels that exist are summed: nothing is padded. */
#include "kernels/conv_taps.h"
#include "kernels/dispatch.h"

#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/panels.h"
#include "kernels/sizes.h"

/* Floats all partial sums together may take (unless one chunk needs more). */
#define WEIGHT_PARTIAL_FLOATS (1024 * 1024)
#define WEIGHT_MAX_CHUNKS 32
/* Pixels of a chunk, at least: its sums are cleared once and added once. */
#define WEIGHT_CHUNK_PIXELS 384
/* Items of work wanted at least; where the memory does not allow so many chunks, the columns are cut. */
#define WEIGHT_ITEMS 16
/* Bytes of x and dy a band should read, and pixels it should have at least: its sums are loaded and stored
 * once for every tap. */
#define WEIGHT_BAND_BYTES (64 * 1024)
#define WEIGHT_BAND_PIXELS 64
#define WEIGHT_BAND_ROWS 128
/* Weights a thread should have to put in order. */
#define WEIGHT_GRAIN 16384
/* A tile of fewer rows than this waits for its own results. */
#define WEIGHT_TILE_ROWS 6
/* Pixels a whole number of lines apart share sets of the first cache, where all those of a band are wanted
 * again and again: columns are packed where a pixel has so many channels, each used so often. */
#define WEIGHT_PACK_CHANNELS 64
#define WEIGHT_PACK_ROWS 128
/* Images of no more pixels are one row where the kernel is 1 x 1. */
#define WEIGHT_FLAT_PIXELS 256

typedef enum { LANES_OUT, LANES_IN } lanes;

typedef struct weight_job {
    float *dw, *y_sums, *x_sums;
    const float *dy, *x;
    cdk_conv conv;
    cdk_taps taps;
    const cdk_isa *isa;
    lanes lanes; /* what the columns of a tile are: output channels or input channels */
    int joined;  /* the taps of a row of the kernel are rows of one tile; for LANES_IN the last first */
    cdk_panels columns; /* of one group */
    /* [chunks][partial_size]: products as they are computed, [groups][blocks][taps][rows][width of the
     * block], then [K] sums of dy, [C] of x. */
    float *partial;
    int64_t c_group, k_group, products, partial_size;
    int64_t image_rows, band_rows, bands, chunks, column_groups;
    int64_t rows;  /* of a tile: the channels that are not columns */
    float *panels; /* [threads][pixels of a band][widest block], or NULL: columns are read as they lie */
} weight_job;

/* Rows first .. last of the images of y, one image after the other, and what to fetch meanwhile. */
typedef struct band {
    int64_t first, last;
    const float *panel; /* the columns of one block, [pixels][width], where they are packed */
    const float *ahead, *ahead_end, *then, *then_end;
} band;

/* Pixels that taps of one row of the kernel sum: columns q0 .. q1 of y. */
typedef struct tap_range {
    int64_t h, w; /* the tap, the first one where taps are joined */
    int64_t q0, q1;
    int64_t slot, rows; /* of the products */
} tap_range;

/* Where the products of a tap lie. */
static int64_t slot_of(const weight_job *job, int64_t h, int64_t w)
{
    return h * job->conv.S + (job->joined && job->lanes == LANES_IN ? job->conv.S - 1 - w : w);
}

static float *products_of(const weight_job *job, float *partial, int64_t group, const cdk_panel *block,
                          int64_t slot)
{
    const int64_t column = group * job->columns.width + block->panel;
    return partial + (column * job->taps.kernel_size + slot * block->kind->width) * job->rows;
}

/* Where tiles read pixels. */
typedef struct source {
    const float *data;      /* the first channel wanted of pixel first_pixel */
    int64_t first_pixel;    /* of all images */
    int64_t channels, step; /* elements between pixels, and between those of neighbouring outputs */
} source;

static ptrdiff_t offset_of(const source *s, int64_t pixel)
{
    return (pixel - s->first_pixel) * s->channels;
}

/* Where the rows of a band that the tap can read start in x and in dy; how many. */
static int64_t list_runs(const weight_job *job, const band *b, const tap_range *range, const source *x,
                         ptrdiff_t *x_run, const source *dy, ptrdiff_t *dy_run)
{
    const cdk_conv *conv = &job->conv;
    const int64_t offset = job->taps.h.offset[range->h];
    const int64_t column = range->q0 * conv->stride_w + job->taps.w.offset[range->w];
    int64_t count = 0, p0 = 0, p1 = 0, p = b->first % conv->OH, n = b->first / conv->OH;
    cdk_axis_valid(&job->taps.h, range->h, conv->OH, &p0, &p1);
    for (int64_t row = b->first; row < b->last; row++) {
        if (p >= p0 && p < p1) {
            x_run[count] = offset_of(x, (n * conv->H + p * conv->stride_h + offset) * conv->W + column);
            dy_run[count++] = offset_of(dy, row * conv->OW + range->q0);
        }
        if (++p == conv->OH) {
            p = 0;
            n++;
        }
    }
    return count;
}

static void fetched(band *b, int64_t lines)
{
    b->ahead += lines * CDK_LINE_FLOATS;
    if (b->ahead >= b->ahead_end) {
        b->ahead = b->then;
        b->ahead_end = b->then_end;
        b->then = NULL;
    }
}

static void multiply_range(const weight_job *job, float *partial, band *b, const tap_range *range,
                           int64_t group, const cdk_panel *block)
{
    const cdk_conv *conv = &job->conv;
    const int out = job->lanes == LANES_OUT;
    source x = {job->x + group * job->c_group, 0, conv->C, conv->stride_w * conv->C};
    source dy = {job->dy + group * job->k_group, 0, conv->K, conv->K};
    source *rows = out ? &x : &dy, *columns = out ? &dy : &x;
    const int width = block->kind->width;
    if (b->panel) {
        *columns = (source){b->panel, b->first * conv->OW, width, width};
    } else {
        columns->data += block->first;
    }
    ptrdiff_t x_run[WEIGHT_BAND_ROWS], dy_run[WEIGHT_BAND_ROWS];
    cdk_tile tile = {
        .y = products_of(job, partial, group, block, range->slot),
        .x = rows->data,
        .w = columns->data,
        .x_run = out ? x_run : dy_run,
        .w_run = out ? dy_run : x_run,
        .w_unit = 1,
        .runs = list_runs(job, b, range, &x, x_run, &dy, dy_run),
        .length = range->q1 - range->q0,
        .y_row = width,
        .x_row = 1,
        .x_step = rows->step,
        .w_step = columns->step,
        .ahead = b->ahead,
        .ahead_step = CDK_LINE_FLOATS,
        .lanes = block->lanes,
        .accumulate = 1,
        .w_bounded = b->panel == NULL,
    };
    if (tile.runs > 0 && tile.length > 0) {
        cdk_tile_strip(block, &tile, range->rows);
        fetched(b, b->ahead ? (tile.ahead - b->ahead) / CDK_LINE_FLOATS : 0);
    }
}

static tap_range range_of_tap(const weight_job *job, int64_t h, int64_t w, int64_t q0, int64_t q1)
{
    return (tap_range){h, w, q0, q1, slot_of(job, h, w), job->rows};
}

/* All taps of row h of the kernel at once where all exist, then each by itself at the borders. For LANES_IN
 * the rows of the tile are pixels of dy, and tap w reads column q + shift of y where the last one reads q. */
static void multiply_joined(const weight_job *job, float *partial, band *b, int64_t h, int64_t group,
                            const cdk_panel *block)
{
    const int64_t S = job->conv.S, OW = job->conv.OW, in = job->lanes == LANES_IN;
    tap_range all = {h, in ? S - 1 : 0, 0, OW, h * S, S * job->rows};
    int64_t first = 0, last = 0;
    for (int64_t w = 0; w < S; w++) {
        const int64_t shift = in ? S - 1 - w : 0;
        cdk_axis_valid(&job->taps.w, w, OW, &first, &last);
        all.q0 = cdk_max(all.q0, first - shift);
        all.q1 = cdk_min(all.q1, last - shift);
    }
    all.q1 = cdk_max(all.q0, all.q1);
    multiply_range(job, partial, b, &all, group, block);
    for (int64_t w = 0; w < S; w++) {
        const int64_t shift = in ? S - 1 - w : 0;
        cdk_axis_valid(&job->taps.w, w, OW, &first, &last);
        const int64_t left = cdk_min(all.q0 + shift, last), right = cdk_max(all.q1 + shift, left);
        const tap_range before = range_of_tap(job, h, w, first, left);
        const tap_range behind = range_of_tap(job, h, w, cdk_max(right, first), last);
        multiply_range(job, partial, b, &before, group, block);
        multiply_range(job, partial, b, &behind, group, block);
    }
}

static void multiply_band(const weight_job *job, float *partial, band *b, int64_t group,
                          const cdk_panel *block)
{
    for (int64_t h = 0; h < job->conv.R; h++) {
        if (job->joined) {
            multiply_joined(job, partial, b, h, group, block);
            continue;
        }
        for (int64_t w = 0; w < job->conv.S; w++) {
            int64_t q0 = 0, q1 = 0;
            cdk_axis_valid(&job->taps.w, w, job->conv.OW, &q0, &q1);
            const tap_range range = range_of_tap(job, h, w, q0, q1);
            multiply_range(job, partial, b, &range, group, block);
        }
    }
}

/* The first pixel of x that belongs to row `row` of the images of y: every one belongs to one row. */
static int64_t first_of_x(const weight_job *job, int64_t row)
{
    const cdk_conv *conv = &job->conv;
    const int64_t n = row / conv->OH, p = row % conv->OH;
    return (n * conv->H + cdk_min(p * conv->stride_h, conv->H)) * conv->W;
}

static void sum_band(const weight_job *job, float *partial, const band *b)
{
    const cdk_conv *conv = &job->conv;
    float *sums = partial + job->products;
    if (job->y_sums) {
        job->isa->channel_sum(sums, job->dy + b->first * conv->OW * conv->K, conv->K,
                              (b->last - b->first) * conv->OW, conv->K);
    }
    if (job->x_sums) {
        const int64_t first = first_of_x(job, b->first), last = first_of_x(job, b->last);
        job->isa->channel_sum(sums + conv->K, job->x + first * conv->C, conv->C, last - first, conv->C);
    }
}

static band get_band(const weight_job *job, int64_t i)
{
    const int64_t first = i * job->band_rows;
    return (band){.first = first, .last = cdk_min(first + job->band_rows, job->image_rows)};
}

static void fetch_band(const weight_job *job, band *b, const band *next)
{
    const cdk_conv *conv = &job->conv;
    b->ahead = job->x + first_of_x(job, next->first) * conv->C;
    b->ahead_end = job->x + first_of_x(job, next->last) * conv->C;
    b->then = job->dy + next->first * conv->OW * conv->K;
    b->then_end = job->dy + next->last * conv->OW * conv->K;
}

/* The blocks of a column group lie one behind the other. */
static void clear_products(const weight_job *job, float *partial, int64_t group, int64_t first, int64_t last)
{
    const cdk_panel from = cdk_panels_get(&job->columns, first), to = cdk_panels_get(&job->columns, last - 1);
    float *begin = products_of(job, partial, group, &from, 0);
    float *end = products_of(job, partial, group, &to, job->taps.kernel_size);
    memset(begin, 0, (size_t)(end - begin) * sizeof(float));
}

static void clear_item(const weight_job *job, float *partial, int64_t column_group, int64_t first,
                       int64_t last)
{
    for (int64_t group = 0; group < job->conv.groups; group++) {
        clear_products(job, partial, group, first, last);
    }
    if (column_group == 0) {
        memset(partial + job->products, 0, (size_t)(job->conv.K + job->conv.C) * sizeof(float));
    }
}

static void pack_band(const weight_job *job, float *panel, band *b, int64_t group, const cdk_panel *block)
{
    const cdk_conv *conv = &job->conv;
    const int out = job->lanes == LANES_OUT;
    const int64_t channels = out ? conv->K : conv->C, first = b->first * conv->OW;
    const float *from = out ? job->dy + group * job->k_group : job->x + group * job->c_group;
    b->panel = panel;
    cdk_panels_pack(panel, block, from + first * channels + block->first, channels,
                    b->last * conv->OW - first);
}

static void multiply_item(const weight_job *job, int64_t item, float *panel)
{
    const int64_t chunk = item / job->column_groups, column_group = item % job->column_groups;
    const int64_t first = column_group * job->columns.count / job->column_groups;
    const int64_t last = (column_group + 1) * job->columns.count / job->column_groups;
    const int64_t end = (chunk + 1) * job->bands / job->chunks;
    float *partial = job->partial + chunk * job->partial_size;
    clear_item(job, partial, column_group, first, last);
    for (int64_t i = chunk * job->bands / job->chunks; i < end; i++) {
        band b = get_band(job, i);
        if (i + 1 < end) {
            const band next = get_band(job, i + 1);
            fetch_band(job, &b, &next);
        }
        for (int64_t group = 0; group < job->conv.groups; group++) {
            for (int64_t j = first; j < last; j++) {
                const cdk_panel block = cdk_panels_get(&job->columns, j);
                if (panel) {
                    pack_band(job, panel, &b, group, &block);
                }
                multiply_band(job, partial, &b, group, &block);
            }
        }
        if (column_group == 0) {
            sum_band(job, partial, &b);
        }
    }
}

static int64_t panel_size(const weight_job *job)
{
    return job->band_rows * job->conv.OW * job->columns.widest->width;
}

static void multiply_items(void *context, int64_t begin, int64_t end, int thread)
{
    const weight_job *job = context;
    float *panel = job->panels ? job->panels + thread * panel_size(job) : NULL;
    for (int64_t item = begin; item < end; item++) {
        multiply_item(job, item, panel);
    }
}

/* sum[i] = the chunks' values at `from`, added in an order of their own. */
static void add_chunks(const weight_job *job, float *sum, const float *from, int64_t n)
{
    memset(sum, 0, (size_t)n * sizeof(float));
    job->isa->channel_sum(sum, from, job->partial_size, job->chunks, n);
}

/* Puts the sums of one row of one block of columns into PyTorch's order. */
static void order_row(const weight_job *job, int64_t group, const cdk_panel *block, int64_t row)
{
    const int64_t S = job->conv.S, taps = job->taps.kernel_size, width = block->kind->width;
    const int64_t row_stride = job->lanes == LANES_OUT ? taps : job->c_group * taps;
    const int64_t lane_stride = job->lanes == LANES_OUT ? job->c_group * taps : taps;
    float *dw = job->dw + group * job->k_group * job->c_group * taps + block->first * lane_stride;
    const float *products = products_of(job, job->partial, group, block, 0);
    float sum[CDK_TILE_MAX_WIDTH];
    for (int64_t tap = 0; tap < taps; tap++) {
        const int64_t slot = slot_of(job, tap / S, tap % S);
        add_chunks(job, sum, products + (slot * job->rows + row) * width, block->lanes);
        for (int lane = 0; lane < block->lanes; lane++) {
            dw[row * row_stride + lane * lane_stride + tap] = sum[lane];
        }
    }
}

static void order_rows(void *context, int64_t begin, int64_t end, int thread)
{
    const weight_job *job = context;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        const int64_t j = i / job->rows;
        const cdk_panel block = cdk_panels_get(&job->columns, j % job->columns.count);
        order_row(job, j / job->columns.count, &block, i % job->rows);
    }
}

/* Of a pixel, relative: the products, and those a tile of few rows has time for. */
static int64_t cost(int64_t width, int64_t rows, int64_t joined)
{
    return width * cdk_max(rows, (WEIGHT_TILE_ROWS + joined - 1) / joined);
}

static void choose_lanes(weight_job *job)
{
    const cdk_conv *conv = &job->conv;
    const cdk_panels out = cdk_panels_make(job->isa, job->k_group),
                     in = cdk_panels_make(job->isa, job->c_group);
    const int side_by_side = conv->groups == 1 && conv->dilation_w == 1 && conv->S > 1;
    const int join_out = side_by_side && job->c_group < WEIGHT_TILE_ROWS;
    const int join_in = side_by_side && conv->stride_w == 1 && job->k_group < WEIGHT_TILE_ROWS;
    const int64_t out_cost = cost(out.width, job->c_group, join_out ? conv->S : 1);
    const int64_t in_cost = cost(in.width, job->k_group, join_in ? conv->S : 1);
    /* Columns are read once, rows for each group of columns: those of fewer channels. */
    const int fewer_rows = cdk_conv_is_pointwise(conv) && in_cost == out_cost && job->k_group < job->c_group;
    job->lanes = in_cost < out_cost || fewer_rows ? LANES_IN : LANES_OUT;
    job->joined = job->lanes == LANES_IN ? join_in : join_out;
    job->columns = job->lanes == LANES_IN ? in : out;
    job->rows = job->lanes == LANES_IN ? job->k_group : job->c_group;
    job->products = conv->groups * job->columns.width * job->rows * job->taps.kernel_size;
}

static void plan_bands(weight_job *job)
{
    const cdk_conv *conv = &job->conv;
    const int64_t row_bytes =
        (conv->W * conv->stride_h * conv->C + conv->OW * conv->K) * (int64_t)sizeof(float);
    const int64_t wanted = (WEIGHT_BAND_PIXELS + conv->OW - 1) / conv->OW;
    job->image_rows = conv->N * conv->OH;
    job->band_rows = cdk_max(WEIGHT_BAND_BYTES / row_bytes, wanted);
    job->band_rows = cdk_min(job->band_rows, cdk_min(job->image_rows, WEIGHT_BAND_ROWS));
    job->bands = (job->image_rows + job->band_rows - 1) / job->band_rows;
}

static void plan_chunks(weight_job *job)
{
    const int64_t pixels = job->image_rows * job->conv.OW;
    job->partial_size = cdk_round_up(job->products + job->conv.K + job->conv.C, CDK_LINE_FLOATS);
    const int64_t allowed = cdk_max(1, WEIGHT_PARTIAL_FLOATS / job->partial_size);
    const int64_t useful = cdk_max(1, pixels / WEIGHT_CHUNK_PIXELS);
    job->chunks = cdk_min(cdk_min(WEIGHT_MAX_CHUNKS, job->bands), cdk_min(allowed, useful));
    const int64_t groups = cdk_ceil_div(WEIGHT_ITEMS, job->chunks);
    const int64_t blocks_of_group = cdk_max(1, job->columns.count / groups);
    job->column_groups = cdk_ceil_div(job->columns.count, blocks_of_group);
}

static void run(weight_job *job)
{
    const cdk_conv *conv = &job->conv;
    const int64_t items = job->chunks * job->column_groups;
    const int64_t weights = conv->K * job->c_group * job->taps.kernel_size;
    const int64_t rows = conv->groups * job->columns.count * job->rows;
    const int serial = job->image_rows * conv->OW * weights <= CDK_SERIAL_WORK;
    cd_parallel_chunks(items, serial ? items : 1, multiply_items, job);
    cd_parallel_for(rows, 1 + WEIGHT_GRAIN * rows / weights, order_rows, job);
    if (job->y_sums) {
        add_chunks(job, job->y_sums, job->partial + job->products, conv->K);
    }
    if (job->x_sums) {
        add_chunks(job, job->x_sums, job->partial + job->products + conv->K, conv->C);
    }
}

/* Where pixels of x are those of dy. With several taps packing does not pay. */
static int packing_pays(const weight_job *job)
{
    const int64_t channels = job->lanes == LANES_OUT ? job->conv.K : job->conv.C;
    return cdk_conv_is_pointwise(&job->conv) && channels >= WEIGHT_PACK_CHANNELS &&
           job->rows >= WEIGHT_PACK_ROWS;
}

/* Where every pixel is summed by itself, the shape of the images is of no matter. */
static cdk_conv flatten(const cdk_conv *conv)
{
    cdk_conv flat = *conv;
    const int64_t pixels = conv->H * conv->W;
    if (cdk_conv_is_pointwise(conv) && pixels <= WEIGHT_FLAT_PIXELS) {
        flat.H = flat.OH = 1;
        flat.W = flat.OW = pixels;
    }
    return flat;
}

cd_status cdk_conv_weight(float *dw, float *y_sums, float *x_sums, const float *dy, const float *x,
                          const cdk_conv *conv, cd_error *err)
{
    weight_job job = {.dw = dw, .y_sums = y_sums, .x_sums = x_sums, .dy = dy, .x = x, .conv = flatten(conv)};
    CD_TRY(cdk_taps_make(&job.taps, &job.conv, 0, err));
    job.isa = cdk_isa_current();
    job.c_group = conv->C / conv->groups;
    job.k_group = conv->K / conv->groups;
    choose_lanes(&job);
    plan_bands(&job);
    plan_chunks(&job);
    cd_status status = cd_memory_floats(&job.partial, job.chunks, job.partial_size, 1, err);
    if (status == CD_OK && packing_pays(&job)) {
        status = cd_memory_floats(&job.panels, cd_threads(), panel_size(&job), 1, err);
    }
    if (status == CD_OK) {
        run(&job);
    }
    cd_memory_free(job.panels);
    cd_memory_free(job.partial);
    cdk_taps_free(&job.taps);
    return status;
}
