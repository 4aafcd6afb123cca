/* Gradients of a convolution's weights and bias: sums over all pixels of all images.
 *
 * The pixels are cut into chunks, a number that does not depend on the threads; each chunk has its own
 * partial sums, which are added in order at the end. Within a chunk the work goes band by band, so that the
 * rows of x and dy a band needs stay in cache for all taps. For every tap only the pixels that exist are
 * summed: nothing is padded. */
#include "kernels/conv_taps.h"

#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/columns.h"

/* Floats all partial sums together may take (unless one chunk needs more). */
#define WEIGHT_PARTIAL_FLOATS (1024 * 1024)
#define WEIGHT_MAX_CHUNKS 32
/* Items of work wanted at least; where the memory does not allow so many chunks, the columns are cut. */
#define WEIGHT_ITEMS 16
/* Bytes of x and dy a band should read. */
#define WEIGHT_BAND_BYTES (128 * 1024)
#define WEIGHT_BAND_ROWS 64
/* Partial sums a thread should have to clear or to add. */
#define WEIGHT_GRAIN 65536
/* A tile of fewer rows than this waits for its own results. */
#define WEIGHT_TILE_ROWS 4

typedef enum { LANES_OUT, LANES_IN, LANES_CHANNELS } lanes;

typedef struct weight_job {
    float *dw, *dbias;
    const float *dy, *x;
    const cdk_conv *conv;
    cdk_taps taps;
    const cdk_isa *isa;
    lanes lanes;         /* what the columns of a tile are: output channels, input channels, or depthwise */
    cdk_columns columns; /* of one group */
    /* [chunks][partial_size]: products, then [K] of the bias. Products lie as they are computed:
     * [groups][blocks][taps][rows][width of the block], or [taps][C] for depthwise. */
    float *partial;
    int64_t c_group, k_group, products, partial_size;
    int64_t band_rows, bands, chunks, column_groups;
    int64_t rows; /* of a tile: the channels that are not columns */
} weight_job;

/* Pixels one tap sums in a band: rows p0 .. p1 of y, columns q0 .. q1. */
typedef struct tap_range {
    int64_t n, p0, p1, q0, q1, h, w; /* h, w: the tap */
} tap_range;

static int64_t min_int64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max_int64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t pixel_of_y(const weight_job *job, const tap_range *range, int64_t p)
{
    return (range->n * job->conv->OH + p) * job->conv->OW + range->q0;
}

static int64_t pixel_of_x(const weight_job *job, const tap_range *range, int64_t p)
{
    const int64_t h = p * job->conv->stride_h + job->taps.h.offset[range->h];
    return (range->n * job->conv->H + h) * job->conv->W + range->q0 * job->conv->stride_w +
           job->taps.w.offset[range->w];
}

static int64_t tap_index(const weight_job *job, const tap_range *range)
{
    return job->taps.h.tap[range->h] * job->conv->S + job->taps.w.tap[range->w];
}

static float *products_of(const weight_job *job, float *partial, int64_t group, const cdk_column_block *block,
                          int64_t tap)
{
    const int64_t column = group * job->columns.width + block->panel;
    return partial + (column * job->taps.kernel_size + tap * block->kind->width) * job->rows;
}

static void multiply_tap(const weight_job *job, float *partial, const tap_range *range, int64_t group,
                         const cdk_column_block *block)
{
    const cdk_conv *conv = job->conv;
    ptrdiff_t x_run[WEIGHT_BAND_ROWS], y_run[WEIGHT_BAND_ROWS];
    const int out = job->lanes == LANES_OUT;
    const float *x = job->x + group * job->c_group, *dy = job->dy + group * job->k_group;
    const int64_t x_step = conv->stride_w * conv->C, y_step = conv->K;
    for (int64_t p = range->p0; p < range->p1; p++) {
        x_run[p - range->p0] = pixel_of_x(job, range, p) * conv->C;
        y_run[p - range->p0] = pixel_of_y(job, range, p) * conv->K;
    }
    cdk_tile tile = {
        .y = products_of(job, partial, group, block, tap_index(job, range)),
        .x = out ? x : dy,
        .w = (out ? dy : x) + block->first,
        .x_run = out ? x_run : y_run,
        .w_run = out ? y_run : x_run,
        .w_unit = 1,
        .runs = range->p1 - range->p0,
        .length = range->q1 - range->q0,
        .y_row = block->kind->width,
        .x_row = 1,
        .x_step = out ? x_step : y_step,
        .w_step = out ? y_step : x_step,
        .lanes = block->lanes,
        .accumulate = 1,
        .w_bounded = 1,
    };
    cdk_tile_strip(block, &tile, job->rows);
}

static void multiply_channels(const weight_job *job, float *partial, const tap_range *range)
{
    const int64_t C = job->conv->C;
    for (int64_t p = range->p0; p < range->p1; p++) {
        job->isa->channel_dot(partial + tap_index(job, range) * C, job->x + pixel_of_x(job, range, p) * C,
                              job->conv->stride_w * C, job->dy + pixel_of_y(job, range, p) * C, C,
                              range->q1 - range->q0, C);
    }
}

/* All taps of a band: job->lanes tells how, block and group are of no matter for depthwise. */
static void multiply_band(const weight_job *job, float *partial, int64_t n, int64_t p0, int64_t p1,
                          int64_t group, const cdk_column_block *block)
{
    const cdk_axis *h = &job->taps.h, *w = &job->taps.w;
    for (int64_t i = 0; i < h->start[1]; i++) {
        for (int64_t j = 0; j < w->start[1]; j++) {
            tap_range range = {.n = n, .h = i, .w = j};
            cdk_axis_valid(h, i, job->conv->OH, &range.p0, &range.p1);
            cdk_axis_valid(w, j, job->conv->OW, &range.q0, &range.q1);
            range.p0 = max_int64(range.p0, p0);
            range.p1 = min_int64(range.p1, p1);
            if (range.p0 >= range.p1 || range.q0 >= range.q1) {
                continue;
            }
            if (job->lanes == LANES_CHANNELS) {
                multiply_channels(job, partial, &range);
            } else {
                multiply_tap(job, partial, &range, group, block);
            }
        }
    }
}

static void multiply_columns(const weight_job *job, float *partial, int64_t n, int64_t p0, int64_t p1,
                             int64_t column_group)
{
    const int64_t blocks = job->columns.count;
    const int64_t first = column_group * blocks / job->column_groups;
    const int64_t last = (column_group + 1) * blocks / job->column_groups;
    if (job->lanes == LANES_CHANNELS) {
        multiply_band(job, partial, n, p0, p1, 0, NULL);
        return;
    }
    for (int64_t group = 0; group < job->conv->groups; group++) {
        for (int64_t b = first; b < last; b++) {
            const cdk_column_block block = cdk_columns_get(&job->columns, b);
            multiply_band(job, partial, n, p0, p1, group, &block);
        }
    }
}

static void multiply_item(const weight_job *job, int64_t item)
{
    const cdk_conv *conv = job->conv;
    const int64_t chunk = item / job->column_groups, column_group = item % job->column_groups;
    const int64_t bands = conv->N * job->bands;
    float *partial = job->partial + chunk * job->partial_size;
    for (int64_t i = chunk * bands / job->chunks; i < (chunk + 1) * bands / job->chunks; i++) {
        const int64_t n = i / job->bands, p0 = i % job->bands * job->band_rows;
        const int64_t p1 = min_int64(p0 + job->band_rows, conv->OH);
        multiply_columns(job, partial, n, p0, p1, column_group);
        if (column_group == 0 && job->dbias) {
            job->isa->channel_sum(partial + job->products, job->dy + (n * conv->OH + p0) * conv->OW * conv->K,
                                  conv->K, (p1 - p0) * conv->OW, conv->K);
        }
    }
}

static void multiply_items(void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    for (int64_t item = begin; item < end; item++) {
        multiply_item(context, item);
    }
}

static void clear_partial(void *context, int64_t begin, int64_t end, int thread)
{
    weight_job *job = context;
    (void)thread;
    memset(job->partial + begin, 0, (size_t)(end - begin) * sizeof(float));
}

/* Adds the chunks to the first one, in order. */
static void add_chunks(void *context, int64_t begin, int64_t end, int thread)
{
    const weight_job *job = context;
    float *sum = job->partial;
    (void)thread;
    for (int64_t chunk = 1; chunk < job->chunks; chunk++) {
        const float *part = job->partial + chunk * job->partial_size;
        for (int64_t i = begin; i < end; i++) {
            sum[i] += part[i];
        }
    }
}

/* Puts the sums of one block of columns into PyTorch's order. */
static void order_block(const weight_job *job, int64_t group, const cdk_column_block *block)
{
    const int64_t taps = job->taps.kernel_size, width = block->kind->width;
    const int64_t row_stride = job->lanes == LANES_OUT ? taps : job->c_group * taps;
    const int64_t lane_stride = job->lanes == LANES_OUT ? job->c_group * taps : taps;
    float *dw = job->dw + group * job->k_group * job->c_group * taps + block->first * lane_stride;
    const float *products = products_of(job, job->partial, group, block, 0);
    for (int64_t row = 0; row < job->rows; row++) {
        for (int64_t tap = 0; tap < taps; tap++) {
            for (int lane = 0; lane < block->lanes; lane++) {
                dw[row * row_stride + lane * lane_stride + tap] =
                    products[(tap * job->rows + row) * width + lane];
            }
        }
    }
}

static void order_weights(void *context, int64_t begin, int64_t end, int thread)
{
    const weight_job *job = context;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        const cdk_column_block block = cdk_columns_get(&job->columns, i % job->columns.count);
        order_block(job, i / job->columns.count, &block);
    }
}

static void order_channels(const weight_job *job)
{
    const int64_t taps = job->taps.kernel_size, C = job->conv->C;
    for (int64_t c = 0; c < C; c++) {
        for (int64_t tap = 0; tap < taps; tap++) {
            job->dw[c * taps + tap] = job->partial[tap * C + c];
        }
    }
}

static void choose_lanes(weight_job *job)
{
    const cdk_conv *conv = job->conv;
    const cdk_columns out = cdk_columns_make(job->isa, job->k_group),
                      in = cdk_columns_make(job->isa, job->c_group);
    const int64_t out_cost = out.width * max_int64(job->c_group, WEIGHT_TILE_ROWS);
    const int64_t in_cost = in.width * max_int64(job->k_group, WEIGHT_TILE_ROWS);
    job->lanes = in_cost < out_cost ? LANES_IN : LANES_OUT;
    job->columns = job->lanes == LANES_IN ? in : out;
    job->rows = job->lanes == LANES_IN ? job->k_group : job->c_group;
    job->products = conv->groups * job->columns.width * job->rows * job->taps.kernel_size;
    if (job->c_group == 1 && job->k_group == 1) {
        job->lanes = LANES_CHANNELS;
        job->columns.count = 1;
        job->products = conv->C * job->taps.kernel_size;
    }
}

static void plan(weight_job *job)
{
    const cdk_conv *conv = job->conv;
    choose_lanes(job);
    const int64_t row_bytes =
        (conv->W * conv->stride_h * conv->C + conv->OW * conv->K) * (int64_t)sizeof(float);
    job->band_rows =
        min_int64(max_int64(1, WEIGHT_BAND_BYTES / row_bytes), min_int64(conv->OH, WEIGHT_BAND_ROWS));
    job->bands = (conv->OH + job->band_rows - 1) / job->band_rows;
    job->partial_size = (job->products + conv->K + 15) / 16 * 16;
    const int64_t allowed =
        min_int64(WEIGHT_MAX_CHUNKS, max_int64(1, WEIGHT_PARTIAL_FLOATS / job->partial_size));
    job->chunks = min_int64(allowed, conv->N * job->bands);
    job->column_groups = min_int64(job->columns.count, (WEIGHT_ITEMS + job->chunks - 1) / job->chunks);
}

static void run(weight_job *job)
{
    const cdk_conv *conv = job->conv;
    const int64_t K = conv->K, items = job->chunks * job->column_groups;
    const int64_t weights = K * job->c_group * job->taps.kernel_size,
                  blocks = conv->groups * job->columns.count;
    const int serial = conv->N * conv->OH * conv->OW * weights <= CDK_SERIAL_WORK;
    cd_parallel_for(job->chunks * job->partial_size, WEIGHT_GRAIN, clear_partial, job);
    cd_parallel_chunks(items, serial ? items : 1, multiply_items, job);
    cd_parallel_for(job->partial_size, 1 + WEIGHT_GRAIN / job->chunks, add_chunks, job);
    if (job->lanes == LANES_CHANNELS) {
        order_channels(job);
    } else {
        cd_parallel_for(blocks, 1 + WEIGHT_GRAIN / 4 * blocks / weights, order_weights, job);
    }
    if (job->dbias) {
        memcpy(job->dbias, job->partial + job->products, (size_t)K * sizeof(float));
    }
}

cd_status cdk_conv_weight(float *dw, float *dbias, const float *dy, const float *x, const cdk_conv *conv,
                          cd_error *err)
{
    weight_job job = {.dw = dw, .dbias = dbias, .dy = dy, .x = x, .conv = conv, .isa = cdk_isa_current()};
    void *partial = NULL;
    size_t bytes = 0;
    CD_TRY(cdk_taps_make(&job.taps, conv, 0, err));
    job.c_group = conv->C / conv->groups;
    job.k_group = conv->K / conv->groups;
    plan(&job);
    cd_status status =
        cd_memory_size(&bytes, (size_t)job.chunks, (size_t)job.partial_size, sizeof(float), err);
    if (status == CD_OK) {
        status = cd_memory_alloc(&partial, bytes, err);
    }
    if (status == CD_OK) {
        job.partial = partial;
        run(&job);
    }
    cd_memory_free(partial);
    cdk_taps_free(&job.taps);
    return status;
}
