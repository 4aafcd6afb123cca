/* Direct convolution of groups of few channels, with its extreme, groups of one: every lane of a vector is an
 * output channel that reads inputs of its own.
 *
 * A block is as many whole groups as a vector has lanes for. The inputs of a band that a block reads are
 * spread into a scratch, [row][column][input of a group][lane], padded with zeros: lane j then reads its
 * inputs from lane j, at distances that are the same for all outputs. */
#include "kernels/conv_phase.h"

#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/sizes.h"

int64_t cdk_lanes_outputs(const cdk_taps *taps, int width)
{
    return width / cdk_max(taps->in_group, taps->out_group) * taps->out_group;
}

static int64_t lane_width(const cdk_direct *d)
{
    return d->isa->lanewise.width;
}

int64_t cdk_lanes_pixel(const cdk_direct *d)
{
    return d->taps->in_group * lane_width(d);
}

/* Columns or rows that `count` outputs read. */
static int64_t reach(const cdk_axis *axis, int64_t count)
{
    return (count - 1) * axis->in_step + axis->high - axis->low + 1;
}

/* An odd number of pixels, so that rows do not share the sets of a cache. */
int64_t cdk_lanes_row(const cdk_direct *d)
{
    return (reach(&d->taps->w, d->cols) | 1) * cdk_lanes_pixel(d);
}

static float *panel_of(const cdk_direct *d, const cdk_phase *p, int64_t block)
{
    return d->panels + (block * d->taps->kernel_size + p->before) * cdk_lanes_pixel(d);
}

void cdk_lanes_pack(const cdk_direct *d, const cdk_phase *p, int64_t block)
{
    const cdk_taps *taps = d->taps;
    const int64_t width = lane_width(d), first = block * d->block_outputs;
    const int64_t outputs = cdk_min(d->block_outputs, taps->out_channels - first);
    float *to = panel_of(d, p, block);
    memset(to, 0, (size_t)(p->taps_h * p->taps_w * cdk_lanes_pixel(d)) * sizeof(float));
    for (int64_t i = 0; i < p->taps_h * p->taps_w; i++) {
        const int64_t tap = taps->h.tap[taps->h.start[p->h] + i / p->taps_w] * taps->kernel_w +
                            taps->w.tap[taps->w.start[p->w] + i % p->taps_w];
        for (int64_t c = 0; c < taps->in_group; c++, to += width) {
            for (int64_t j = 0; j < outputs; j++) {
                const int64_t k = first + j;
                to[j] = d->w[k / taps->out_group * taps->weight_group +
                             k % taps->out_group * taps->weight_out + c * taps->weight_in + tap];
            }
        }
    }
}

static void fill_zero(float *to, int64_t floats)
{
    memset(to, 0, (size_t)floats * sizeof(float));
}

/* One row of an image: columns from the one that tap offset `low` of output 0 reads on. */
static void fill_row(const cdk_direct *d, float *to, const float *row, cdk_spread *spread)
{
    const cdk_axis *w = &d->taps->w;
    const int64_t pixel = cdk_lanes_pixel(d), all = reach(w, d->cols);
    const int64_t left = cdk_min(cdk_max(-w->low, 0), all), skip = cdk_max(w->low, 0);
    const int64_t middle = cdk_max(0, cdk_min(w->inputs - skip, all - left));
    fill_zero(to, left * pixel);
    spread->from = row + skip * d->taps->in_channels;
    spread->pixels = middle;
    d->isa->spread(to + left * pixel, spread);
    fill_zero(to + (left + middle) * pixel, (all - left - middle) * pixel);
}

/* Rows outside the images are not read. */
void cdk_lanes_fill(const cdk_direct *d, float *scratch, int64_t n, const cdk_band *band, int64_t block)
{
    const cdk_taps *taps = d->taps;
    const int64_t width = lane_width(d), C = taps->in_channels, first = block * d->block_inputs;
    const int64_t h0 = band->first * taps->h.in_step + taps->h.low,
                  rows = reach(&taps->h, band->last - band->first);
    int32_t index[CDK_TILE_MAX_WIDTH];
    for (int64_t j = 0; j < width; j++) {
        index[j] = (int32_t)(j < d->block_outputs ? j / taps->out_group * taps->in_group : 0);
    }
    cdk_spread spread = {.pixel = C,
                         .steps = taps->in_group,
                         .inputs = (int)cdk_min(d->block_inputs, C - first),
                         .index = index};
    const float *x = d->x + n * taps->h.inputs * taps->w.inputs * C + first;
    for (int64_t i = cdk_max(0, -h0); i < cdk_min(rows, taps->h.inputs - h0); i++) {
        fill_row(d, scratch + i * cdk_lanes_row(d), x + (h0 + i) * taps->w.inputs * C, &spread);
    }
}

/* The taps of one phase that exist for row j, as runs of a tile. */
static void list_runs(const cdk_direct *d, const cdk_phase *p, int64_t j, cdk_tile *tile, ptrdiff_t *x_run,
                      ptrdiff_t *w_run)
{
    const cdk_taps *taps = d->taps;
    const int64_t across = p->joined ? 1 : p->taps_w, pixel = cdk_lanes_pixel(d);
    int64_t runs = 0;
    for (int64_t i = 0; i < p->taps_h && p->taps_w > 0; i++) {
        const int64_t offset = taps->h.offset[taps->h.start[p->h] + i], h = j * taps->h.in_step + offset;
        for (int64_t k = 0; k < across && h >= 0 && h < taps->h.inputs; k++, runs++) {
            x_run[runs] = (offset - taps->h.low) * cdk_lanes_row(d) +
                          (taps->w.offset[taps->w.start[p->w] + k] - taps->w.low) * pixel;
            w_run[runs] = (i * p->taps_w + k) * taps->in_group;
        }
    }
    tile->x_run = x_run;
    tile->w_run = w_run;
    tile->runs = runs;
    tile->length = (p->joined ? p->taps_w : 1) * taps->in_group;
}

/* What the next band reads, fetched while this one is computed: the scratch is filled faster than memory
 * answers. */
typedef struct fetch {
    const float *at, *end;
    int64_t step;
} fetch;

static fetch fetch_behind(const cdk_direct *d, const cdk_band *band)
{
    const cdk_taps *taps = d->taps;
    const int64_t row = taps->w.inputs * taps->in_channels, all = taps->N * taps->h.inputs * row;
    const int64_t rows = band->last - band->first,
                  seen = (band->last - 1) * taps->h.in_step + taps->h.high + 1;
    const int64_t first =
        ((band->n + band->images - 1) * taps->h.inputs + cdk_max(0, cdk_min(seen, taps->h.inputs))) * row;
    const int64_t floats = cdk_min(band->images * rows * taps->h.in_step * row, all - first);
    const int64_t tiles = cdk_ceil_div(d->cols, d->isa->lanewise.rows) * rows * band->images * d->blocks;
    return (fetch){d->x + first, d->x + first + floats,
                   cdk_fetch_step(floats, tiles * taps->kernel_size * taps->in_group)};
}

/* A row of outputs. */
static void compute_row(const cdk_direct *d, const cdk_panel *panel, cdk_tile *tile, int64_t cols)
{
    const int64_t pixels = d->isa->slide_pixels;
    for (; tile->x_row == tile->x_step && cols >= pixels; cols -= pixels) {
        d->isa->slide(tile);
        tile->y += pixels * tile->y_row;
        tile->x += pixels * tile->x_row;
    }
    cdk_tile_strip(panel, tile, cols);
}

/* Rows of a phase of one image from the scratch; y is image n's first row of the band. */
static void compute_phase(const cdk_direct *d, const cdk_band *band, const cdk_phase *p, int64_t block,
                          float *y, const float *scratch, fetch *ahead)
{
    const cdk_taps *taps = d->taps;
    const int64_t width = lane_width(d), first = block * d->block_outputs;
    const int64_t rows = cdk_min(band->last, cdk_axis_count(&taps->h, p->h));
    const int64_t cols = cdk_axis_count(&taps->w, p->w);
    ptrdiff_t *x_run = d->runs + 2 * taps->kernel_size * band->thread;
    const cdk_panel panel = {.kind = &d->isa->lanewise,
                             .lanes = (int)cdk_min(d->block_outputs, taps->out_channels - first)};
    cdk_tile tile = {
        .w = panel_of(d, p, block),
        .bias = d->bias ? d->bias + first : NULL,
        .y_row = taps->w.out_step * d->y_pixel,
        .x_row = taps->w.in_step * cdk_lanes_pixel(d),
        .x_step = width,
        .w_step = width,
        .w_unit = width,
        .lanes = panel.lanes,
        .activation = d->activation,
        .stream = d->stream,
        .ahead_step = ahead->step,
    };
    for (int64_t j = band->first; j < rows; j++) {
        const int64_t row = p->h + (j - band->first) * taps->h.out_step;
        list_runs(d, p, j, &tile, x_run, x_run + taps->kernel_size);
        tile.y = y + (row * taps->w.outputs + p->w) * d->y_pixel + first;
        tile.x = scratch + (j - band->first) * taps->h.in_step * cdk_lanes_row(d);
        tile.ahead = ahead->at < ahead->end ? ahead->at : NULL;
        compute_row(d, &panel, &tile, cols);
        ahead->at = tile.ahead ? tile.ahead : ahead->at;
    }
}

void cdk_lanes_band(const cdk_direct *d, const cdk_band *band)
{
    const cdk_taps *taps = d->taps;
    float *scratch = d->scratch + band->thread * d->scratch_floats;
    fetch ahead = fetch_behind(d, band);
    for (int64_t i = 0; i < band->images; i++) {
        float *y = band->y + i * taps->h.outputs * taps->w.outputs * d->y_pixel;
        for (int64_t block = 0; block < d->blocks; block++) {
            cdk_lanes_fill(d, scratch, band->n + i, band, block);
            for (int64_t index = 0; index < cdk_phase_count(taps); index++) {
                const cdk_phase p = cdk_phase_make(taps, index, 1);
                compute_phase(d, band, &p, block, y, scratch, &ahead);
            }
        }
    }
}

void cdk_lanes_plan(cdk_direct *d)
{
    const cdk_taps *taps = d->taps;
    d->block_outputs = cdk_lanes_outputs(taps, d->isa->lanewise.width);
    d->block_inputs = d->block_outputs / taps->out_group * taps->in_group;
    d->blocks = cdk_ceil_div(taps->out_channels, d->block_outputs);
    d->scratch_floats = reach(&taps->h, d->band_rows) * cdk_lanes_row(d);
}

cd_status cdk_lanes_begin(cdk_direct *d, cd_error *err)
{
    cdk_lanes_plan(d);
    CD_TRY(cd_memory_floats(&d->panels, d->blocks, d->taps->kernel_size, cdk_lanes_pixel(d), err));
    return cd_memory_floats(&d->scratch, cd_threads(), d->scratch_floats, 1, err);
}
