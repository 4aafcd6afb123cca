/* Gradients of the weights and bias of a 3 x 3 convolution by minimal filtering.
 *
 * The tiles are cut into chunks, a number that does not depend on the threads; each chunk has its own partial
 * sums, which are added in order before they are transformed back. */
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/conv_winograd.h"
#include "kernels/dispatch.h"
#include "kernels/panels.h"
#include "kernels/sizes.h"
#include "kernels/winograd_grid.h"

#define POINTS CDK_WINOGRAD_POINTS
/* The point that holds the sum of the 2 x 2 gradients: the bias has no transform of its own. */
#define SUM_POINT 5
/* Tiles transformed together, summed in one register. */
#define WEIGHT_TILES 56
/* Floats all partial sums together may take (unless one chunk needs more). */
#define WEIGHT_PARTIAL_FLOATS (6 * 1024 * 1024)
#define WEIGHT_MAX_CHUNKS 32
/* Items of work wanted at least; where the memory does not allow so many chunks, the columns are cut. */
#define WEIGHT_ITEMS 16
/* Partial sums a thread should have to add. */
#define WEIGHT_GRAIN 65536

typedef struct weight_job {
    float *dw, *dbias;
    const float *dy, *x;
    const cdk_isa *isa;
    int64_t C, K;
    cdk_winograd_grid grid;
    cdk_panels columns; /* output channels */
    int64_t chunks, column_groups;
    int64_t partial_size, bias_at; /* of a chunk: products [block][point][C][width], then the bias [K] */
    float *partial;                /* [chunks][partial_size] */
    ptrdiff_t x_point, y_point;    /* elements from point to point of a thread's scratch */
    float *scratch;                /* [threads]: inputs [point][tile][C], gradients [point][tile][K] */
    int64_t scratch_floats;
    float *zeros; /* [max(C, K)] */
} weight_job;

static int64_t first_channel(const weight_job *job, int64_t block)
{
    return block < job->columns.count ? cdk_panels_get(&job->columns, block).first : job->K;
}

static float *products_of(const weight_job *job, float *partial, const cdk_panel *block, int64_t point)
{
    return partial + (POINTS * block->panel + point * block->kind->width) * job->C;
}

/* The 16 points of `count` tiles: of all channels of x and of `channels` of dy, from `first` on. */
typedef struct tile_points {
    float *x, *y;
    int64_t count, first, channels;
} tile_points;

static void transform(const weight_job *job, const tile_points *points, int64_t first_tile)
{
    const float *d[16];
    ptrdiff_t at[4];
    for (int64_t tile = 0; tile < points->count; tile++) {
        cdk_winograd_inputs(d, &job->grid, first_tile + tile, job->x, job->C, job->zeros);
        job->isa->winograd_input(points->x + tile * job->C, job->x_point, d, 0, job->C);
        cdk_winograd_outputs(at, &job->grid, first_tile + tile, job->K);
        for (int i = 0; i < 4; i++) {
            d[i] = at[i] < 0 ? job->zeros : job->dy + at[i];
        }
        job->isa->winograd_gradient(points->y + tile * points->channels, job->y_point, d, points->first,
                                    points->channels);
    }
}

static void multiply(const weight_job *job, float *partial, const tile_points *points, const cdk_panel *block,
                     int accumulate)
{
    const ptrdiff_t start = 0;
    for (int64_t point = 0; point < POINTS; point++) {
        cdk_tile tile = {
            .y = products_of(job, partial, block, point),
            .x = points->x + point * job->x_point,
            .w = points->y + point * job->y_point + block->first - points->first,
            .x_run = &start,
            .w_run = &start,
            .runs = 1,
            .length = points->count,
            .y_row = block->kind->width,
            .x_row = 1,
            .x_step = job->C,
            .w_step = points->channels,
            .lanes = block->lanes,
            .accumulate = accumulate,
            .w_bounded = 1,
        };
        cdk_tile_strip(block, &tile, job->C);
    }
}

static void multiply_tiles(const weight_job *job, float *partial, float *scratch, int64_t first_tile,
                           int64_t last_tile, int64_t group)
{
    const int64_t first_block = group * job->columns.count / job->column_groups;
    const int64_t last_block = (group + 1) * job->columns.count / job->column_groups;
    const int64_t first = first_channel(job, first_block), channels = first_channel(job, last_block) - first;
    tile_points points = {scratch, scratch + POINTS * job->x_point, 0, first, channels};
    memset(partial + job->bias_at + first, 0, (size_t)channels * sizeof(float));
    for (int64_t tile = first_tile; tile < last_tile; tile += WEIGHT_TILES) {
        points.count = cdk_min(WEIGHT_TILES, last_tile - tile);
        transform(job, &points, tile);
        for (int64_t b = first_block; b < last_block; b++) {
            const cdk_panel block = cdk_panels_get(&job->columns, b);
            multiply(job, partial, &points, &block, tile > first_tile);
        }
        if (job->dbias) {
            job->isa->channel_sum(partial + job->bias_at + first, points.y + SUM_POINT * job->y_point,
                                  channels, points.count, channels);
        }
    }
}

static void multiply_items(void *context, int64_t begin, int64_t end, int thread)
{
    const weight_job *job = context;
    for (int64_t item = begin; item < end; item++) {
        const int64_t chunk = item / job->column_groups;
        multiply_tiles(job, job->partial + chunk * job->partial_size,
                       job->scratch + thread * job->scratch_floats, chunk * job->grid.tiles / job->chunks,
                       (chunk + 1) * job->grid.tiles / job->chunks, item % job->column_groups);
    }
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

static void order_channel(const weight_job *job, const cdk_panel *block, int64_t c)
{
    const int64_t width = block->kind->width;
    float dg[9 * CDK_TILE_MAX_WIDTH];
    job->isa->winograd_weight_gradient(dg, width, products_of(job, job->partial, block, 0) + c * width,
                                       job->C * width);
    for (int lane = 0; lane < block->lanes; lane++) {
        float *dw = job->dw + ((block->first + lane) * job->C + c) * 9;
        for (int tap = 0; tap < 9; tap++) {
            dw[tap] = dg[tap * width + lane];
        }
    }
}

static void order_weights(void *context, int64_t begin, int64_t end, int thread)
{
    const weight_job *job = context;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        const cdk_panel block = cdk_panels_get(&job->columns, i / job->C);
        order_channel(job, &block, i % job->C);
    }
}

static void plan(weight_job *job)
{
    job->bias_at = POINTS * job->columns.width * job->C;
    job->partial_size = cdk_round_up(job->bias_at + job->K, CDK_LINE_FLOATS);
    const int64_t allowed = cdk_min(WEIGHT_MAX_CHUNKS, cdk_max(1, WEIGHT_PARTIAL_FLOATS / job->partial_size));
    job->chunks = cdk_min(allowed, (job->grid.tiles + WEIGHT_TILES - 1) / WEIGHT_TILES);
    job->column_groups = cdk_min(job->columns.count, (WEIGHT_ITEMS + job->chunks - 1) / job->chunks);
    job->x_point = cdk_winograd_point_distance(WEIGHT_TILES * job->C);
    job->y_point = cdk_winograd_point_distance(WEIGHT_TILES * job->K);
    job->scratch_floats = POINTS * (job->x_point + job->y_point);
}

static void run(weight_job *job)
{
    const int64_t blocks = job->columns.count;
    cd_parallel_chunks(job->chunks * job->column_groups, 1, multiply_items, job);
    cd_parallel_for(job->partial_size, 1 + WEIGHT_GRAIN / job->chunks, add_chunks, job);
    cd_parallel_for(blocks * job->C, 1 + WEIGHT_GRAIN / (POINTS * job->columns.widest->width), order_weights,
                    job);
    if (job->dbias) {
        memcpy(job->dbias, job->partial + job->bias_at, (size_t)job->K * sizeof(float));
    }
}

static cd_status alloc_scratch(weight_job *job, cd_error *err)
{
    const int64_t widest = cdk_max(job->C, job->K), scratch = cd_threads() * job->scratch_floats;
    CD_TRY(cd_memory_floats(&job->partial, job->chunks, job->partial_size, 1, err));
    CD_TRY(cd_memory_floats(&job->scratch, scratch + widest, 1, 1, err));
    job->zeros = job->scratch + scratch;
    memset(job->zeros, 0, (size_t)widest * sizeof(float));
    return CD_OK;
}

cd_status cdk_conv_winograd_weight(float *dw, float *dbias, const float *dy, const float *x,
                                   const cdk_taps *taps, cd_error *err)
{
    weight_job job = {.dw = dw, .dbias = dbias, .dy = dy, .x = x, .isa = cdk_isa_current()};
    job.C = taps->in_channels;
    job.K = taps->out_channels;
    job.grid = cdk_winograd_grid_make(taps);
    job.columns = cdk_panels_make(job.isa, job.K);
    plan(&job);
    const cd_status status = alloc_scratch(&job, err);
    if (status == CD_OK) {
        run(&job);
    }
    cd_memory_free(job.scratch);
    cd_memory_free(job.partial);
    return status;
}
