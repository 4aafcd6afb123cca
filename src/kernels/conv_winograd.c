#include "kernels/conv_winograd.h"
#include "kernels/conv_packed.h"
#include "kernels/dispatch.h"

#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/masking.h"
#include "kernels/panels.h"
#include "kernels/sizes.h"
#include "kernels/transpose.h"
#include "kernels/winograd_grid.h"

/* Channels whose products are summed in one register: few, for the sake of rounding errors. */
#define WINOGRAD_CHAIN 64
/* Items of work wanted at least; where there are few tiles the columns are cut. */
#define WINOGRAD_ITEMS 16
/* Weights a thread should have to transform. */
#define WINOGRAD_PACK_GRAIN 2048
/* Channels whose weights are collected together, in lines of memory. */
#define PACK_CHANNELS 16
#define TAPS 9

typedef struct winograd {
    float *y;
    const float *x, *w, *bias;
    const cdk_taps *taps;
    const cdk_isa *isa;
    const cdk_epilogue *end;
    cdk_masking masking; /* where end->mask is not NULL */
    int stream;
    cdk_panels columns;
    cdk_winograd_grid grid;
    int64_t block_tiles, blocks, column_groups;
    int64_t chunk, chunks;      /* channels of a chain, but the last; chains */
    ptrdiff_t v_point, m_point; /* elements from point to point of a thread's scratch */
    float *panels;              /* [block][chunk][point][channel][lane] */
    float *zeros;               /* [in_channels] */
    float *scratch; /* [threads]: V [point][chunk][tile][channel], M [point][tile][lane], unused output */
    int64_t scratch_floats;
} winograd;

static int64_t chunk_channels(const winograd *f, int64_t chunk)
{
    return cdk_min(f->chunk, f->taps->in_channels - chunk * f->chunk);
}

/* Where the lanes of input channel `channel` are at point 0; *point is the distance to the next point. */
static float *weights_of(const winograd *f, const cdk_panel *block, int64_t channel, ptrdiff_t *point)
{
    const int64_t chunk = channel / f->chunk, width = block->kind->width;
    *point = chunk_channels(f, chunk) * width;
    return f->panels +
           CDK_WINOGRAD_POINTS * (block->panel * f->taps->in_channels + chunk * f->chunk * width) +
           channel % f->chunk * width;
}

/* Weights of some channels of a block, [channel][tap][lane], taps in the order of PyTorch. */
static void collect_weights(const winograd *f, float *g, const cdk_panel *block, int64_t channel,
                            int64_t count)
{
    const cdk_taps *taps = f->taps;
    const int width = block->kind->width;
    const float *from = f->w + block->first * taps->weight_out + channel * taps->weight_in;
    if (block->lanes < width) {
        memset(g, 0, (size_t)(count * TAPS * width) * sizeof(float));
    }
    if (taps->weight_in == TAPS) {
        cdk_transpose(g, width, from, taps->weight_out, block->lanes, count * TAPS);
        return;
    }
    for (int64_t c = 0; c < count; c++) {
        cdk_transpose(g + c * TAPS * width, width, from + c * taps->weight_in, taps->weight_out, block->lanes,
                      TAPS);
    }
}

/* Swaps the first tap with the last, and so on. */
static void reverse_taps(float *g, int width)
{
    for (int tap = 0; tap < TAPS / 2; tap++) {
        float *a = g + tap * width, *b = g + (TAPS - 1 - tap) * width;
        for (int lane = 0; lane < width; lane++) {
            const float kept = a[lane];
            a[lane] = b[lane];
            b[lane] = kept;
        }
    }
}

static void pack_channels(const winograd *f, const cdk_panel *block, int64_t channel, int64_t count)
{
    const int width = block->kind->width;
    const int backwards = f->taps->h.tap[0] > 0;
    float g[PACK_CHANNELS * TAPS * CDK_TILE_MAX_WIDTH];
    collect_weights(f, g, block, channel, count);
    for (int64_t c = 0; c < count; c++) {
        ptrdiff_t point;
        float *u = weights_of(f, block, channel + c, &point);
        if (backwards) {
            reverse_taps(g + c * TAPS * width, width);
        }
        f->isa->winograd_weight(u, point, g + c * TAPS * width, width);
    }
}

static int64_t packs_of_block(const winograd *f)
{
    return cdk_ceil_div(f->taps->in_channels, PACK_CHANNELS);
}

static void pack_panels(void *context, int64_t begin, int64_t end, int thread)
{
    const winograd *f = context;
    const int64_t packs = packs_of_block(f);
    (void)thread;
    for (int64_t item = begin; item < end; item++) {
        const cdk_panel block = cdk_panels_get(&f->columns, item / packs);
        const int64_t channel = item % packs * PACK_CHANNELS;
        pack_channels(f, &block, channel, cdk_min(PACK_CHANNELS, f->taps->in_channels - channel));
    }
}

static void transform_inputs(const winograd *f, float *v, int64_t first_tile, int64_t count)
{
    const float *d[16];
    for (int64_t tile = 0; tile < count; tile++) {
        cdk_winograd_inputs(d, &f->grid, first_tile + tile, f->x, f->taps->in_channels, f->zeros);
        for (int64_t q = 0; q < f->chunks; q++) {
            const int64_t channels = chunk_channels(f, q);
            f->isa->winograd_input(v + q * f->chunk * f->block_tiles + tile * channels, f->v_point, d,
                                   q * f->chunk, channels);
        }
    }
}

static void multiply_point(const winograd *f, float *m, const float *v, int64_t point, int64_t count,
                           const cdk_panel *block)
{
    const ptrdiff_t start = 0;
    for (int64_t q = 0; q < f->chunks; q++) {
        ptrdiff_t u_point;
        const float *u = weights_of(f, block, q * f->chunk, &u_point);
        const int64_t channels = chunk_channels(f, q);
        cdk_tile tile = {
            .y = m + point * f->m_point,
            .x = v + point * f->v_point + q * f->chunk * f->block_tiles,
            .w = u + point * u_point,
            .x_run = &start,
            .w_run = &start,
            .runs = 1,
            .length = channels,
            .y_row = block->kind->width,
            .x_row = channels,
            .x_step = 1,
            .w_step = block->kind->width,
            .lanes = block->kind->width,
            .accumulate = q > 0,
        };
        cdk_tile_stream(block, &tile, count);
    }
}

static void transform_outputs(const winograd *f, float *m, int64_t first_tile, int64_t count,
                              const cdk_panel *block)
{
    float *unused = m + CDK_WINOGRAD_POINTS * f->m_point;
    cdk_winograd_output out = {.bias = f->bias ? f->bias + block->first : NULL,
                               .m_point = f->m_point,
                               .lanes = block->lanes,
                               .activation = f->end->activation,
                               .stream = f->stream};
    for (int64_t tile = 0; tile < count; tile++) {
        ptrdiff_t at[4];
        cdk_winograd_outputs(at, &f->grid, first_tile + tile, f->taps->out_channels);
        for (int i = 0; i < 4; i++) {
            out.y[i] = at[i] < 0 ? unused : f->y + at[i] + block->first;
        }
        out.m = m + tile * block->kind->width;
        f->isa->winograd_output(&out);
    }
}

/* The channels of some blocks, of the pixels of some tiles, which are still in the cache. They are whole
 * bytes: no tile is narrower than 8 but where it is the last. */
static void mask_outputs(const winograd *f, int64_t first_tile, int64_t count, int64_t first_channel,
                         int64_t channels)
{
    for (int64_t tile = first_tile; tile < first_tile + count; tile++) {
        ptrdiff_t at[4];
        cdk_winograd_outputs(at, &f->grid, tile, f->taps->out_channels);
        for (int i = 0; i < 4; i++) {
            float *y = f->y + at[i] + first_channel;
            if (at[i] >= 0) {
                cdk_masking_finish(&f->masking, y, y, channels);
            }
        }
    }
}

static int64_t first_channel(const winograd *f, int64_t block)
{
    return block < f->columns.count ? cdk_panels_get(&f->columns, block).first : f->taps->out_channels;
}

static void convolve_block(const winograd *f, float *scratch, int64_t item)
{
    const int64_t first_tile = item / f->column_groups * f->block_tiles, group = item % f->column_groups;
    const int64_t count = cdk_min(f->block_tiles, f->grid.tiles - first_tile);
    float *v = scratch, *m = scratch + CDK_WINOGRAD_POINTS * f->v_point;
    const int64_t first = group * f->columns.count / f->column_groups,
                  last = (group + 1) * f->columns.count / f->column_groups;
    transform_inputs(f, v, first_tile, count);
    for (int64_t b = first; b < last; b++) {
        const cdk_panel block = cdk_panels_get(&f->columns, b);
        for (int64_t point = 0; point < CDK_WINOGRAD_POINTS; point++) {
            multiply_point(f, m, v, point, count, &block);
        }
        transform_outputs(f, m, first_tile, count, &block);
    }
    if (f->end->mask) {
        const int64_t channel = first_channel(f, first);
        mask_outputs(f, first_tile, count, channel, first_channel(f, last) - channel);
    }
}

static void convolve_blocks(void *context, int64_t begin, int64_t end, int thread)
{
    const winograd *f = context;
    for (int64_t item = begin; item < end; item++) {
        convolve_block(f, f->scratch + thread * f->scratch_floats, item);
    }
}

static void plan(winograd *f)
{
    const cdk_taps *taps = f->taps;
    const int64_t rows = f->columns.widest->rows, C = taps->in_channels;
    f->grid = cdk_winograd_grid_make(taps);
    f->block_tiles = cdk_min(cdk_max(1, CDK_WINOGRAD_TILES / rows) * rows, f->grid.tiles);
    f->blocks = (f->grid.tiles + f->block_tiles - 1) / f->block_tiles;
    f->column_groups = cdk_min(f->columns.count, (WINOGRAD_ITEMS + f->blocks - 1) / f->blocks);
    f->chunks = (C + WINOGRAD_CHAIN - 1) / WINOGRAD_CHAIN;
    f->chunk = cdk_round_up((C + f->chunks - 1) / f->chunks, CDK_LINE_FLOATS);
    f->chunks = (C + f->chunk - 1) / f->chunk;
    f->v_point = cdk_winograd_point_distance(f->block_tiles * C);
    f->m_point = cdk_winograd_point_distance(f->block_tiles * f->columns.widest->width);
    f->scratch_floats = CDK_WINOGRAD_POINTS * (f->v_point + f->m_point) + CDK_TILE_MAX_WIDTH;
}

/* Only whole cache lines are worth it; what a mask is made of must stay in the cache. */
static int is_streamed(const winograd *f)
{
    const cdk_taps *taps = f->taps;
    const int64_t floats = taps->N * taps->h.outputs * taps->w.outputs * taps->out_channels;
    return !f->end->mask && floats * (int64_t)sizeof(float) > CDK_STREAM_BYTES &&
           taps->out_channels % CDK_LINE_FLOATS == 0 &&
           (uintptr_t)f->y % (CDK_LINE_FLOATS * sizeof(float)) == 0;
}

static cd_status alloc_scratch(winograd *f, cd_error *err)
{
    const int64_t C = f->taps->in_channels, scratch = cd_threads() * f->scratch_floats;
    CD_TRY(f->panels ? CD_OK : cd_memory_floats(&f->panels, CDK_WINOGRAD_POINTS, f->columns.width, C, err));
    CD_TRY(cd_memory_floats(&f->scratch, scratch + C, 1, 1, err));
    f->zeros = f->scratch + scratch;
    memset(f->zeros, 0, (size_t)C * sizeof(float));
    return CD_OK;
}

static void pack(winograd *f)
{
    cd_parallel_for(f->columns.count * packs_of_block(f),
                    1 + WINOGRAD_PACK_GRAIN / (f->columns.widest->width * PACK_CHANNELS), pack_panels, f);
}

cd_status cdk_conv_winograd(float *y, const float *x, const float *w, const float *bias, const cdk_taps *taps,
                            const cdk_conv_finish *finish, cd_error *err)
{
    const int64_t floats = taps->N * taps->h.outputs * taps->w.outputs * taps->out_channels;
    winograd f = {.y = y, .x = x, .w = w, .bias = bias, .taps = taps, .end = &finish->end};
    f.isa = cdk_isa_current();
    f.columns = cdk_panels_make(f.isa, taps->out_channels);
    f.stream = is_streamed(&f);
    plan(&f);
    CD_TRY(cdk_masking_begin(&f.masking, f.end, y, floats, 0, err));
    f.panels = cdk_packed_panels(finish->packed, CDK_WAY_WINOGRAD);
    const int packed = f.panels != NULL;
    const cd_status status = alloc_scratch(&f, err);
    if (status == CD_OK && !packed) {
        pack(&f);
    }
    if (status == CD_OK) {
        cd_parallel_chunks(f.blocks * f.column_groups, 1, convolve_blocks, &f);
    }
    cd_memory_free(f.scratch);
    cdk_packed_done(finish->packed, CDK_WAY_WINOGRAD, f.panels, status);
    return status;
}
