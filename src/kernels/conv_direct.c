/* Convolution by taps as a product of pixels and panels of weights, without building the matrix of patches.
 *
 * A band of output rows of one image is one item of work. Where the kernel leaves the image, the rows of the
 * input that the band reads are first copied into a zero-padded scratch; then every tile reads its pixels at
 * a constant distance, and taps that lie side by side are one long run. */
#include "kernels/conv_taps.h"
#include "kernels/dispatch.h"

#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/masking.h"
#include "kernels/mean_m2.h"
#include "kernels/panels.h"
#include "kernels/sizes.h"

/* Bytes of input a band should read: half of a common second-level cache. */
#define DENSE_BAND_BYTES (256 * 1024)
/* Bytes of output of a band whose mean and M2 or mask are wanted: it must still be in the cache when it is
 * looked at. */
#define DENSE_BLOCK_BYTES (256 * 1024)
/* Bands wanted at least where their number must not depend on the threads. */
#define DENSE_ITEMS 16
/* Bands a thread takes one after the other where there are many: it fetches the next one meanwhile. */
#define DENSE_TOGETHER 4
/* Weights a thread should have to pack. */
#define PACK_GRAIN 16384
/* Products summed in a register before they are added to y: rounding errors grow with the length of such a
 * sum, and a panel of so many steps stays in the first cache. */
#define DENSE_STEPS 128

typedef struct dense {
    float *y;
    const float *x, *w, *bias;
    const cdk_taps *taps;
    int64_t y_pixel; /* elements between pixels of y */
    cdk_activation activation;
    const cdk_mean_m2 *statistics; /* or NULL */
    const cdk_masking *masking;    /* or NULL */
    cdk_panels columns;
    float *panels;
    float *scratch; /* [threads][scratch_rows][scratch_w][in_channels], or NULL: read x */
    ptrdiff_t *x_run, *w_run;
    int stream;
    const cdk_isa *isa;
    int64_t rows, cols; /* of the largest phase */
    int64_t band_rows, bands;
    int64_t scratch_rows, scratch_w;
    int64_t row_length;       /* elements of a row of what is read */
    int64_t shift_h, shift_w; /* offset of the first row and column of what is read */
} dense;

/* Rows first .. last of a phase, and the input that is needed next (or NULL): a row's share is fetched while
 * a row is computed. */
typedef struct row_range {
    int64_t first, last;
    const float *next;
} row_range;

typedef struct phase {
    int64_t h, w; /* of the axes */
    int64_t taps_h, taps_w;
    int64_t before; /* taps of all phases before */
    int64_t runs, length;
} phase;

/* Taps side by side read one contiguous run where a pixel's channels are all of one group. */
static int side_by_side(const cdk_taps *taps, int64_t w)
{
    const cdk_axis *axis = &taps->w;
    for (int64_t j = axis->start[w] + 1; j < axis->start[w + 1]; j++) {
        if (axis->offset[j] != axis->offset[j - 1] + 1) {
            return 0;
        }
    }
    return taps->groups == 1;
}

static phase make_phase(const cdk_taps *taps, int64_t index)
{
    phase p = {.h = index / taps->w.phases, .w = index % taps->w.phases};
    p.taps_h = taps->h.start[p.h + 1] - taps->h.start[p.h];
    p.taps_w = taps->w.start[p.w + 1] - taps->w.start[p.w];
    p.before = taps->h.start[p.h] * taps->kernel_w + p.taps_h * taps->w.start[p.w];
    const int joined = p.taps_w > 0 && side_by_side(taps, p.w);
    p.runs = joined ? p.taps_h : p.taps_h * p.taps_w;
    p.length = joined ? p.taps_w * taps->in_group : taps->in_group;
    return p;
}

static int64_t phase_count(const cdk_taps *taps)
{
    return taps->h.phases * taps->w.phases;
}

static float *panel_of(const dense *d, const phase *p, int64_t group, const cdk_panel *block)
{
    const int64_t taps = p->taps_h * p->taps_w, depth = d->taps->in_group;
    return d->panels + (p->before * d->taps->groups + taps * group) * d->columns.width * depth +
           block->panel * taps * depth;
}

static void pack_taps(const dense *d, const phase *p, const float *w, const cdk_panel *block, float *panel)
{
    const cdk_taps *taps = d->taps;
    const int width = block->kind->width;
    for (int64_t i = 0; i < p->taps_h; i++) {
        for (int64_t j = 0; j < p->taps_w; j++) {
            const float *from = w + taps->h.tap[taps->h.start[p->h] + i] * taps->kernel_w +
                                taps->w.tap[taps->w.start[p->w] + j];
            float *to = panel + (i * p->taps_w + j) * taps->in_group * width;
            for (int lane = 0; lane < block->lanes; lane++) {
                to[lane] = from[lane * taps->weight_out];
            }
            for (int lane = block->lanes; lane < width; lane++) {
                to[lane] = 0.0f;
            }
        }
    }
}

/* A block of few columns is left to isa->thin: the lanes that fills, against those a tile leaves empty. */
static int is_thin(const dense *d, const phase *p, const cdk_panel *block)
{
    const int64_t vectors = (p->length + d->isa->thin_width - 1) / d->isa->thin_width;
    return d->taps->groups == 1 && block->lanes <= CDK_THIN_COLUMNS &&
           block->lanes * vectors * d->isa->thin_width < p->length * block->kind->width;
}

/* For isa->thin: an output channel's weights one after the other. */
static void pack_thin(const dense *d, const phase *p, const float *w, const cdk_panel *block, float *panel)
{
    const cdk_taps *taps = d->taps;
    for (int64_t k = 0; k < block->lanes; k++) {
        for (int64_t tap = 0; tap < p->taps_h * p->taps_w; tap++) {
            const float *from = w + k * taps->weight_out +
                                taps->h.tap[taps->h.start[p->h] + tap / p->taps_w] * taps->kernel_w +
                                taps->w.tap[taps->w.start[p->w] + tap % p->taps_w];
            for (int64_t c = 0; c < taps->in_group; c++) {
                *panel++ = from[c * taps->weight_in];
            }
        }
    }
}

static void pack_panels(void *context, int64_t begin, int64_t end, int thread)
{
    const dense *d = context;
    const cdk_taps *taps = d->taps;
    (void)thread;
    for (int64_t item = begin; item < end; item++) {
        const cdk_panel block = cdk_panels_get(&d->columns, item % d->columns.count);
        const int64_t group = item / d->columns.count % taps->groups;
        const phase p = make_phase(taps, item / d->columns.count / taps->groups);
        float *panel = panel_of(d, &p, group, &block);
        const float *w = d->w + group * taps->weight_group + block.first * taps->weight_out;
        if (is_thin(d, &p, &block)) {
            pack_thin(d, &p, w, &block, panel);
            continue;
        }
        for (int64_t c = 0; c < taps->in_group; c++) {
            pack_taps(d, &p, w + c * taps->weight_in, &block, panel + c * block.kind->width);
        }
    }
}

static void make_runs(dense *d)
{
    const cdk_taps *taps = d->taps;
    for (int64_t index = 0; index < phase_count(taps); index++) {
        const phase p = make_phase(taps, index);
        const int64_t across = p.taps_h ? p.runs / p.taps_h : 0;
        for (int64_t run = 0; run < p.runs; run++) {
            const int64_t h = taps->h.offset[taps->h.start[p.h] + run / across];
            const int64_t w = taps->w.offset[taps->w.start[p.w] + run % across];
            d->x_run[p.before + run] =
                (h - d->shift_h) * d->row_length + (w - d->shift_w) * taps->in_channels;
            d->w_run[p.before + run] = run * p.length;
        }
    }
}

/* Copies input rows h0 .. h0 + scratch_rows into the scratch, zeros where there is no image. */
static void fill_scratch(const dense *d, float *scratch, int64_t n, int64_t h0, int64_t rows)
{
    const cdk_taps *taps = d->taps;
    const int64_t C = taps->in_channels, W = taps->w.inputs;
    const int64_t left = cdk_min(cdk_max(-d->shift_w, 0), d->scratch_w);
    const int64_t skip = cdk_max(d->shift_w, 0);
    const int64_t middle = cdk_max(0, cdk_min(W - skip, d->scratch_w - left));
    const int64_t right = d->scratch_w - left - middle;
    for (int64_t i = 0; i < rows; i++, scratch += d->row_length) {
        const int64_t h = h0 + i;
        if (h < 0 || h >= taps->h.inputs) {
            memset(scratch, 0, (size_t)d->row_length * sizeof(float));
            continue;
        }
        memset(scratch, 0, (size_t)(left * C) * sizeof(float));
        memcpy(scratch + left * C, d->x + ((n * taps->h.inputs + h) * W + skip) * C,
               (size_t)(middle * C) * sizeof(float));
        memset(scratch + (left + middle) * C, 0, (size_t)(right * C) * sizeof(float));
    }
}

/* What the rows of a block have in common. */
static cdk_tile make_tile(const dense *d, const phase *p, int64_t group, const cdk_panel *block, float *y,
                          const float *x)
{
    const cdk_taps *taps = d->taps;
    const int64_t column = group * taps->out_group + block->first;
    return (cdk_tile){
        .y = y + p->w * d->y_pixel + column,
        .x = x + group * taps->in_group,
        .w = panel_of(d, p, group, block),
        .bias = d->bias ? d->bias + column : NULL,
        .x_run = d->x_run + p->before,
        .w_run = d->w_run + p->before,
        .runs = p->runs,
        .length = p->length,
        .y_row = taps->w.out_step * d->y_pixel,
        .x_row = taps->w.in_step * taps->in_channels,
        .x_step = 1,
        .w_step = block->kind->width,
        .w_unit = block->kind->width,
        .lanes = block->lanes,
        .activation = d->activation,
        .stream = d->stream,
    };
}

/* Floats of x that the rows of a phase read, for each of them. */
static int64_t fresh_input(const dense *d)
{
    return d->taps->h.in_step * d->taps->w.inputs * d->taps->in_channels;
}

/* Elements to fetch at a step, so that enough is fetched: a power of two, at most a line. */
static int64_t fetch_step(int64_t floats, int64_t steps)
{
    int64_t step = 1;
    while (step < CDK_LINE_FLOATS && step * steps < floats) {
        step *= 2;
    }
    return step;
}

/* Part of the runs of a phase. */
static void convolve_rows(const dense *d, const phase *p, const cdk_panel *block, cdk_tile tile,
                          const row_range *rows, int thin)
{
    const cdk_taps *taps = d->taps;
    const int64_t cols = cdk_axis_count(&taps->w, p->w), fresh = fresh_input(d);
    const int64_t tiles =
        thin ? cdk_ceil_div(cols, CDK_THIN_PIXELS) * cdk_ceil_div(tile.length, d->isa->thin_width)
             : cdk_ceil_div(cols, block->kind->rows) * tile.length;
    float *y = tile.y + p->h * taps->w.outputs * d->y_pixel;
    const float *x = tile.x, *next = rows->next;
    tile.ahead_step = fetch_step(fresh, tiles * tile.runs);
    for (int64_t j = rows->first; j < rows->last; j++) {
        tile.y = y;
        tile.x = x;
        tile.ahead = next;
        if (thin) {
            d->isa->thin(&tile, cols);
        } else {
            cdk_tile_strip(block, &tile, cols);
        }
        y += taps->h.out_step * taps->w.outputs * d->y_pixel;
        x += taps->h.in_step * d->row_length;
        next = next ? next + fresh : NULL;
    }
}

static void convolve_thin(const dense *d, const phase *p, const cdk_panel *block, cdk_tile tile,
                          const row_range *rows)
{
    tile.w_step = p->taps_h * p->taps_w * d->taps->in_group;
    tile.w_unit = 1;
    convolve_rows(d, p, block, tile, rows, 1);
}

/* By parts of at most DENSE_STEPS: some runs, or steps t of one run. */
static void convolve_parts(const dense *d, const phase *p, const cdk_panel *block, cdk_tile tile,
                           row_range rows)
{
    const int64_t together = cdk_max(1, DENSE_STEPS / cdk_max(p->length, 1));
    const float *x = tile.x, *w = tile.w;
    int64_t run = 0, t = 0;
    do {
        const int64_t parts = (p->length - t + DENSE_STEPS - 1) / DENSE_STEPS;
        tile.x = x + t;
        tile.w = w + t * tile.w_step;
        tile.runs = cdk_min(together, p->runs - run);
        tile.length = parts > 1 ? (p->length - t + parts - 1) / parts : p->length - t;
        tile.x_run = d->x_run + p->before + run;
        tile.w_run = d->w_run + p->before + run;
        t = parts > 1 ? t + tile.length : 0;
        run += t == 0 ? tile.runs : 0;
        tile.activation = run == p->runs ? d->activation : CDK_ACTIVATION_NONE;
        tile.stream = run == p->runs && !tile.accumulate && d->stream;
        convolve_rows(d, p, block, tile, &rows, 0);
        tile.bias = NULL;
        tile.accumulate = 1;
        rows.next = NULL;
    } while (run < p->runs);
}

/* All of y for some rows of every phase; y and x are their first rows. */
static void convolve_phases(const dense *d, float *y, const float *x, const row_range *rows)
{
    const cdk_taps *taps = d->taps;
    for (int64_t index = 0; index < phase_count(taps); index++) {
        const phase p = make_phase(taps, index);
        row_range own = *rows;
        own.last = cdk_min(rows->last, cdk_axis_count(&taps->h, p.h));
        for (int64_t i = 0; i < taps->groups * d->columns.count; i++) {
            const cdk_panel block = cdk_panels_get(&d->columns, i % d->columns.count);
            const cdk_tile tile = make_tile(d, &p, i / d->columns.count, &block, y, x);
            own.next = index == 0 && i == 0 ? rows->next : NULL;
            if (is_thin(d, &p, &block)) {
                convolve_thin(d, &p, &block, tile, &own);
            } else {
                convolve_parts(d, &p, &block, tile, own);
            }
        }
    }
}

static const float *input_row(const dense *d, int64_t item, int64_t row)
{
    const cdk_taps *taps = d->taps;
    const int64_t n = item / d->bands, j = item % d->bands * d->band_rows + row;
    return d->x + (n * taps->h.inputs + j * taps->h.in_step) * taps->w.inputs * taps->in_channels;
}

/* What is read from memory next: the row behind, or all of the next band, which
 * is copied before it is used. */
static const float *input_ahead(const dense *d, int64_t item, int64_t last_item)
{
    if (!d->scratch) {
        return input_row(d, item, 1);
    }
    return item + 1 < last_item ? input_row(d, item + 1, 0) : NULL;
}

static void convolve_band(const dense *d, int64_t item, const float *next, int thread)
{
    const cdk_taps *taps = d->taps;
    const int64_t n = item / d->bands, j0 = item % d->bands * d->band_rows;
    const row_range rows = {j0, cdk_min(j0 + d->band_rows, d->rows), next};
    const float *x = input_row(d, item, 0);
    if (d->scratch) {
        float *scratch = d->scratch + thread * d->scratch_rows * d->row_length;
        const int64_t count = (rows.last - j0 - 1) * taps->h.in_step + taps->h.high - taps->h.low + 1;
        fill_scratch(d, scratch, n, j0 * taps->h.in_step + d->shift_h, count);
        x = scratch;
    }
    float *y = d->y + (n * taps->h.outputs + j0 * taps->h.out_step) * taps->w.outputs * d->y_pixel;
    if (d->statistics) {
        float *block = cdk_mean_m2_block(d->statistics, thread, y);
        convolve_phases(d, block, x, &rows);
        cdk_mean_m2_finish(d->statistics, item, 1, thread, y, block, (rows.last - j0) * taps->w.outputs);
    } else if (d->masking) {
        const int64_t end = cdk_min(rows.last * taps->h.out_step, taps->h.outputs) - j0 * taps->h.out_step;
        float *block = cdk_masking_block(d->masking, thread, y);
        convolve_phases(d, block, x, &rows);
        cdk_masking_finish(d->masking, y, block, end * taps->w.outputs * taps->out_channels);
    } else {
        convolve_phases(d, y, x, &rows);
    }
}

static void convolve_bands(void *context, int64_t begin, int64_t end, int thread)
{
    const dense *d = context;
    for (int64_t item = begin; item < end; item++) {
        convolve_band(d, item, input_ahead(d, item, end), thread);
    }
}

static int leaves_image(const cdk_axis *axis, int64_t count)
{
    return axis->low < 0 || (count - 1) * axis->in_step + axis->high >= axis->inputs;
}

static int64_t row_floats(const dense *d)
{
    return d->taps->w.outputs * d->taps->out_channels;
}

/* Results that are looked at when a band is done must fit the cache; the number of bands must not depend
 * on the threads where mean and M2 are taken. */
static int64_t rows_of_band(const dense *d, int64_t row_bytes, const cdk_conv_finish *finish)
{
    const cdk_taps *taps = d->taps;
    const int64_t fitting = cdk_max(1, DENSE_BAND_BYTES / cdk_max(row_bytes, 1));
    const int64_t out_bytes = row_floats(d) * taps->h.out_step * (int64_t)sizeof(float);
    const int looked_at = finish->mean || finish->end.mask;
    const int64_t fitting_out = looked_at ? cdk_max(1, DENSE_BLOCK_BYTES / out_bytes) : fitting;
    const int64_t share = d->rows * taps->N / (finish->mean ? DENSE_ITEMS : 4 * cd_threads());
    return cdk_min(cdk_min(d->rows, fitting_out), cdk_max(1, cdk_min(fitting, share)));
}

static void plan_bands(dense *d, const cdk_conv_finish *finish)
{
    const cdk_taps *taps = d->taps;
    const int padded = leaves_image(&taps->h, d->rows) || leaves_image(&taps->w, d->cols);
    d->scratch_w = (d->cols - 1) * taps->w.in_step + taps->w.high - taps->w.low + 1;
    d->row_length = (padded ? d->scratch_w : taps->w.inputs) * taps->in_channels;
    d->shift_h = padded ? taps->h.low : 0;
    d->shift_w = padded ? taps->w.low : 0;
    const int64_t row_bytes = d->row_length * taps->h.in_step * (int64_t)sizeof(float);
    d->band_rows = rows_of_band(d, row_bytes, finish);
    d->bands = (d->rows + d->band_rows - 1) / d->band_rows;
    d->scratch_rows = padded ? (d->band_rows - 1) * taps->h.in_step + taps->h.high - taps->h.low + 1 : 0;
}

static cd_status alloc_scratch(dense *d, cd_error *err)
{
    const cdk_taps *taps = d->taps;
    void *runs = NULL;
    CD_TRY(cd_memory_alloc(&runs, (size_t)taps->kernel_size * 2 * sizeof(ptrdiff_t), err));
    d->x_run = runs;
    d->w_run = d->x_run + taps->kernel_size;
    CD_TRY(cd_memory_floats(&d->panels, d->columns.width * taps->groups, taps->in_group, taps->kernel_size,
                            err));
    if (d->scratch_rows > 0) {
        CD_TRY(cd_memory_floats(&d->scratch, cd_threads(), d->scratch_rows, d->row_length, err));
    }
    return CD_OK;
}

static void run(dense *d)
{
    const cdk_taps *taps = d->taps;
    const int64_t weights = taps->in_group * taps->out_channels * taps->kernel_size;
    const int64_t panels = phase_count(taps) * taps->groups * d->columns.count, items = taps->N * d->bands;
    const int serial = taps->N * d->rows * d->cols * weights <= CDK_SERIAL_WORK;
    make_runs(d);
    cd_parallel_for(panels, 1 + PACK_GRAIN * panels / weights, pack_panels, d);
    const int64_t together = cdk_max(1, cdk_min(DENSE_TOGETHER, items / (8 * cd_threads())));
    cd_parallel_chunks(items, serial ? items : together, convolve_bands, d);
}

static cd_status run_with_statistics(dense *d, const cdk_conv_finish *finish, cd_error *err)
{
    const cdk_taps *taps = d->taps;
    const int64_t cols = taps->w.outputs, part = d->band_rows * cols;
    cdk_mean_m2 statistics;
    CD_TRY(cdk_mean_m2_begin(&statistics, taps->N, d->rows * cols, part, part, taps->out_channels, err));
    d->statistics = &statistics;
    run(d);
    cdk_mean_m2_join(finish->mean, finish->M2, &statistics);
    cdk_mean_m2_free(&statistics);
    return CD_OK;
}

static cd_status run_with_mask(dense *d, const cdk_conv_finish *finish, cd_error *err)
{
    const cdk_taps *taps = d->taps;
    cdk_masking masking;
    CD_TRY(cdk_masking_begin(&masking, &finish->end, d->y, taps->N * taps->h.outputs * row_floats(d),
                             d->band_rows * taps->h.out_step * row_floats(d), err));
    d->masking = &masking;
    run(d);
    cdk_masking_free(&masking);
    return CD_OK;
}

static cd_status run_and_finish(dense *d, const cdk_conv_finish *finish, cd_error *err)
{
    if (finish->mean) {
        return run_with_statistics(d, finish, err);
    }
    if (finish->end.mask) {
        return run_with_mask(d, finish, err);
    }
    run(d);
    return CD_OK;
}

cd_status cdk_conv_direct(float *y, const float *x, const float *w, const float *bias, const cdk_taps *taps,
                          const cdk_conv_finish *finish, cd_error *err)
{
    dense d = {.y = y, .x = x, .w = w, .bias = bias, .taps = taps, .activation = finish->end.activation};
    d.y_pixel = finish->y_pixel > 0 ? finish->y_pixel : taps->out_channels;
    d.isa = cdk_isa_current();
    d.columns = cdk_panels_make(d.isa, taps->out_group);
    d.rows = cdk_axis_count(&taps->h, 0);
    d.cols = cdk_axis_count(&taps->w, 0);
    d.stream = !finish->mean && !finish->end.mask &&
               taps->N * taps->h.outputs * row_floats(&d) * (int64_t)sizeof(float) > CDK_STREAM_BYTES;
    plan_bands(&d, finish);
    cd_status status = alloc_scratch(&d, err);
    if (status == CD_OK) {
        status = run_and_finish(&d, finish, err);
    }
    cd_memory_free(d.scratch);
    cd_memory_free(d.panels);
    cd_memory_free(d.x_run);
    return status;
}
