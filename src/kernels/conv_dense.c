/* Direct convolution of dense groups: products of pixels and panels of weights.
 *
 * Outputs that read the same taps form boxes: those in the middle of the images, which read all, and those at
 * each border and corner. A box is computed with its taps alone: nothing is padded. Its rows of tiles run
 * along whichever of its columns, rows and images takes the fewest tiles. */
#include "kernels/conv_phase.h"

#include "base/memory.h"
#include "kernels/sizes.h"

/* Products summed in a register before they are added to y: rounding errors grow with the length of such a
 * sum, and a panel of so many steps stays in the first cache. */
#define DENSE_STEPS 256

/* Outputs first .. last of an axis' phase that read the taps tap .. end of it, by their place in the
 * phase. */
typedef struct stretch {
    int64_t first, last, tap, end;
} stretch;

/* One direction of a box: outputs, elements of x and y from each to the next. */
typedef struct side {
    int64_t count;
    ptrdiff_t x, y;
} side;

typedef struct box {
    side along, across[2]; /* tiles run along the first */
    float *y;
    const float *x; /* what tap offset 0, 0 reads for the first output */
    stretch h, w;
} box;

static float *panel_of(const cdk_direct *d, const cdk_phase *p, int64_t group, const cdk_panel *block)
{
    const int64_t taps = p->taps_h * p->taps_w, depth = d->taps->in_group;
    return d->panels + (p->before * d->taps->groups + taps * group) * d->columns.width * depth +
           block->panel * taps * depth;
}

/* Steps of the reduction that lie side by side where all taps exist. */
static int64_t run_length(const cdk_direct *d, const cdk_phase *p)
{
    return (p->joined ? p->taps_w : 1) * d->taps->in_group;
}

/* A block of few columns is left to isa->thin: the lanes that fills, against those a tile leaves empty. */
static int is_thin(const cdk_direct *d, const cdk_phase *p, const cdk_panel *block)
{
    const int64_t length = run_length(d, p), width = d->isa->thin_width;
    return d->taps->groups == 1 && block->lanes <= CDK_THIN_COLUMNS &&
           block->lanes * cdk_ceil_div(length, width) * width < length * block->kind->width;
}

/* The weights of tap i, j of a phase, of the first channel in and out. */
static const float *weights_of(const cdk_direct *d, const cdk_phase *p, int64_t i, int64_t j)
{
    const cdk_taps *taps = d->taps;
    return d->w + taps->h.tap[taps->h.start[p->h] + i] * taps->kernel_w +
           taps->w.tap[taps->w.start[p->w] + j];
}

static void pack_tap(const cdk_taps *taps, const cdk_panel *block, float *to, const float *from)
{
    const int width = block->kind->width;
    for (int64_t c = 0; c < taps->in_group; c++, to += width, from += taps->weight_in) {
        for (int lane = 0; lane < block->lanes; lane++) {
            to[lane] = from[lane * taps->weight_out];
        }
        for (int lane = block->lanes; lane < width; lane++) {
            to[lane] = 0.0f;
        }
    }
}

/* For isa->thin: an output channel's weights one after the other. */
static void pack_thin_tap(const cdk_taps *taps, const cdk_panel *block, float *to, const float *from,
                          int64_t taps_of_phase)
{
    for (int64_t k = 0; k < block->lanes; k++) {
        for (int64_t c = 0; c < taps->in_group; c++) {
            to[k * taps_of_phase * taps->in_group + c] = from[k * taps->weight_out + c * taps->weight_in];
        }
    }
}

void cdk_dense_pack(const cdk_direct *d, const cdk_phase *p, int64_t index)
{
    const cdk_taps *taps = d->taps;
    const int64_t group = index / d->columns.count, count = p->taps_h * p->taps_w;
    const cdk_panel block = cdk_panels_get(&d->columns, index % d->columns.count);
    const int64_t at = group * taps->weight_group + block.first * taps->weight_out;
    const int thin = is_thin(d, p, &block);
    float *panel = panel_of(d, p, group, &block);
    for (int64_t i = 0; i < count; i++) {
        const float *from = weights_of(d, p, i / p->taps_w, i % p->taps_w) + at;
        if (thin) {
            pack_thin_tap(taps, &block, panel + i * taps->in_group, from, count);
        } else {
            pack_tap(taps, &block, panel + i * taps->in_group * block.kind->width, from);
        }
    }
}

/* The stretch of outputs from `first` on, below `last`. Taps ascend, so that those an output reads follow
 * each other; where there are none tap = end. */
static stretch next_stretch(const cdk_axis *axis, int64_t phase, int64_t first, int64_t last)
{
    stretch s = {first, last, axis->start[phase], axis->start[phase + 1]};
    const int64_t high = axis->inputs - 1 - first * axis->in_step;
    while (s.tap < s.end && axis->offset[s.tap] + first * axis->in_step < 0) {
        s.tap++;
    }
    while (s.end > s.tap && axis->offset[s.end - 1] > high) {
        s.end--;
    }
    /* The next tap to appear, and the first to go. */
    if (s.tap > axis->start[phase]) {
        s.last = cdk_min(s.last, cdk_ceil_div(-axis->offset[s.tap - 1], axis->in_step));
    }
    if (s.end > s.tap) {
        s.last = cdk_min(s.last, (axis->inputs - 1 - axis->offset[s.end - 1]) / axis->in_step + 1);
    }
    return s;
}

static int64_t tiles_of(int64_t along, int64_t others, int height)
{
    return cdk_ceil_div(along, height) * others;
}

/* Puts first the side that takes the fewest tiles. */
static void choose_side(box *b, const side sides[3], int height)
{
    int best = 0;
    int64_t fewest = 0;
    for (int i = 0; i < 3; i++) {
        const int64_t tiles =
            tiles_of(sides[i].count, sides[(i + 1) % 3].count * sides[(i + 2) % 3].count, height);
        if (i == 0 || tiles < fewest) {
            fewest = tiles;
            best = i;
        }
    }
    b->along = sides[best];
    b->across[0] = sides[best == 0 ? 1 : 0];
    b->across[1] = sides[best == 2 ? 1 : 2];
}

typedef struct work {
    const cdk_direct *d;
    const cdk_band *band;
    const cdk_phase *p;
    const float *x;  /* image band->n as it is read */
    int64_t x_first; /* its first row there */
    int64_t group;
    cdk_panel block;
    int thin, fetches;
} work;

static box make_box(const work *k, stretch h, stretch w)
{
    const cdk_direct *d = k->d;
    const cdk_taps *taps = d->taps;
    const int64_t C = taps->in_channels, row = taps->w.inputs * C, y_row = taps->w.outputs * d->y_pixel;
    const int64_t y_first = k->p->h + (h.first - k->band->first) * taps->h.out_step;
    const side sides[3] = {
        {w.last - w.first, taps->w.in_step * C, taps->w.out_step * d->y_pixel},
        {h.last - h.first, taps->h.in_step * row, taps->h.out_step * y_row},
        {k->band->images, taps->h.inputs * row, taps->h.outputs * y_row},
    };
    box b = {.h = h, .w = w};
    choose_side(&b, sides, k->thin ? CDK_THIN_PIXELS : k->block.kind->rows);
    b.y = k->band->y + y_first * y_row + (k->p->w + w.first * taps->w.out_step) * d->y_pixel +
          k->group * taps->out_group + k->block.first;
    b.x = k->x + (h.first * taps->h.in_step - k->x_first) * row + w.first * taps->w.in_step * C +
          k->group * taps->in_group;
    return b;
}

/* Where the taps of a box read and where their weights are; how many runs. */
static int64_t list_runs(const work *k, const box *b, ptrdiff_t *x_run, ptrdiff_t *w_run)
{
    const cdk_taps *taps = k->d->taps;
    const cdk_phase *p = k->p;
    const int64_t across = p->joined ? 1 : b->w.end - b->w.tap;
    int64_t runs = 0;
    for (int64_t i = b->h.tap; i < b->h.end; i++) {
        for (int64_t j = 0; j < across; j++, runs++) {
            const int64_t tap = (i - taps->h.start[p->h]) * p->taps_w + b->w.tap + j - taps->w.start[p->w];
            x_run[runs] =
                (taps->h.offset[i] * taps->w.inputs + taps->w.offset[b->w.tap + j]) * taps->in_channels;
            w_run[runs] = tap * taps->in_group;
        }
    }
    return b->w.end > b->w.tap ? runs : 0;
}

/* All outputs of a box for part of the taps. The row of images behind the one at hand is fetched
 * meanwhile. */
static void compute_part(const work *k, const box *b, cdk_tile tile, int fetches)
{
    const cdk_direct *d = k->d;
    const cdk_taps *taps = d->taps;
    const int64_t fresh = taps->h.in_step * taps->w.inputs * taps->in_channels;
    const int along_row = b->along.x == taps->w.in_step * taps->in_channels;
    const int64_t tiles = k->thin ? cdk_ceil_div(b->along.count, CDK_THIN_PIXELS)
                                  : cdk_ceil_div(b->along.count, k->block.kind->rows);
    const int64_t steps = k->thin ? cdk_ceil_div(tile.length, d->isa->thin_width) : tile.length;
    const float *x = tile.x;
    tile.y_row = b->along.y;
    tile.x_row = b->along.x;
    tile.ahead_step = cdk_fetch_step(fresh, tiles * tile.runs * steps);
    for (int64_t i = 0; i < b->across[0].count; i++) {
        for (int64_t j = 0; j < b->across[1].count; j++) {
            tile.y = b->y + i * b->across[0].y + j * b->across[1].y;
            tile.x = x + i * b->across[0].x + j * b->across[1].x;
            tile.ahead = fetches && along_row ? tile.x + fresh : NULL;
            if (k->thin) {
                d->isa->thin(&tile, b->along.count);
            } else {
                cdk_tile_strip(&k->block, &tile, b->along.count);
            }
        }
    }
}

/* By parts of at most DENSE_STEPS: some runs, or steps t of one run. */
static void compute_parts(const work *k, const box *b, cdk_tile tile)
{
    const cdk_direct *d = k->d;
    const int64_t runs = tile.runs, length = tile.length;
    const int64_t fitting = cdk_max(1, k->thin ? runs : DENSE_STEPS / cdk_max(length, 1));
    const int64_t together = cdk_ceil_div(runs, cdk_max(1, cdk_ceil_div(runs, fitting)));
    const int64_t parts = k->thin ? 1 : cdk_max(1, cdk_ceil_div(length, DENSE_STEPS));
    const ptrdiff_t *x_run = tile.x_run, *w_run = tile.w_run;
    const float *x = tile.x, *w = tile.w;
    int64_t run = 0, t = 0;
    do {
        tile.x = x + t;
        tile.w = w + t * tile.w_unit;
        tile.runs = cdk_min(together, runs - run);
        tile.length = parts > 1 ? cdk_min(cdk_ceil_div(length, parts), length - t) : length;
        tile.x_run = x_run + run;
        tile.w_run = w_run + run;
        const int fetches = k->fetches && run == 0 && t == 0;
        t = t + tile.length < length ? t + tile.length : 0;
        run += t == 0 ? tile.runs : 0;
        tile.activation = run == runs ? d->activation : CDK_ACTIVATION_NONE;
        tile.stream = run == runs && !tile.accumulate && d->stream;
        compute_part(k, b, tile, fetches);
        tile.bias = NULL;
        tile.accumulate = 1;
    } while (run < runs);
}

static void compute_box(const work *k, stretch h, stretch w)
{
    const cdk_direct *d = k->d;
    const cdk_taps *taps = d->taps;
    const box b = make_box(k, h, w);
    ptrdiff_t *x_run = d->runs + 2 * taps->kernel_size * k->band->thread, *w_run = x_run + taps->kernel_size;
    const int64_t column = k->group * taps->out_group + k->block.first;
    const cdk_tile tile = {
        .x = b.x,
        .w = panel_of(d, k->p, k->group, &k->block),
        .bias = d->bias ? d->bias + column : NULL,
        .x_run = x_run,
        .w_run = w_run,
        .runs = list_runs(k, &b, x_run, w_run),
        .length = (k->p->joined ? w.end - w.tap : 1) * taps->in_group,
        .x_step = 1,
        .w_step = k->thin ? k->p->taps_h * k->p->taps_w * taps->in_group : k->block.kind->width,
        .w_unit = k->thin ? 1 : k->block.kind->width,
        .lanes = k->block.lanes,
    };
    compute_parts(k, &b, tile);
}

/* All boxes of one block of columns of a phase. */
static void compute_block(const work *k)
{
    const cdk_taps *taps = k->d->taps;
    const int64_t rows = cdk_min(k->band->last, cdk_axis_count(&taps->h, k->p->h));
    const int64_t cols = cdk_axis_count(&taps->w, k->p->w);
    for (int64_t i = k->band->first; i < rows;) {
        const stretch h = next_stretch(&taps->h, k->p->h, i, rows);
        for (int64_t j = 0; j < cols;) {
            const stretch w = next_stretch(&taps->w, k->p->w, j, cols);
            compute_box(k, h, w);
            j = w.last;
        }
        i = h.last;
    }
}

void cdk_dense_band(const cdk_direct *d, const cdk_band *band)
{
    const cdk_taps *taps = d->taps;
    const int64_t image = taps->h.inputs * taps->w.inputs * taps->in_channels;
    work k = {.d = d, .band = band, .x = d->x + band->n * image};
    for (int64_t index = 0; index < cdk_phase_count(taps); index++) {
        const cdk_phase p = cdk_phase_make(taps, index, 0);
        k.p = &p;
        for (int64_t i = 0; i < d->blocks; i++) {
            k.group = i / d->columns.count;
            k.block = cdk_panels_get(&d->columns, i % d->columns.count);
            k.thin = is_thin(d, &p, &k.block);
            k.fetches = index == 0 && i == 0;
            compute_block(&k);
        }
    }
}

cd_status cdk_dense_begin(cdk_direct *d, cd_error *err)
{
    const cdk_taps *taps = d->taps;
    d->columns = cdk_panels_make(d->isa, taps->out_group);
    d->blocks = d->columns.count * taps->groups;
    return d->packed ? CD_OK
                     : cd_memory_floats(&d->panels, d->columns.width * taps->groups, taps->in_group,
                                        taps->kernel_size, err);
}
