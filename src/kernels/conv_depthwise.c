/* Convolution by taps where every channel has its own kernel: vectorised over channels, row by row.
 *
 * Kernels of 3 x 3 go through strips of rows. For others, pixels whose taps all exist are done together;
 * those at the left and right border one by one, with the taps they have. */
#include "kernels/conv_depthwise.h"
#include "kernels/dispatch.h"

#include <stddef.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/masking.h"
#include "kernels/mean_m2.h"
#include "kernels/normalisation.h"
#include "kernels/sizes.h"
#include "kernels/transpose.h"

/* Multiply-adds a thread should have at least. */
#define GRAIN_WORK 32768
/* Pixels of the rows whose sums are taken together, at least (or all rows of an image). */
#define PART_PIXELS 512
/* Strips a thread should have at least. */
#define STRIPS_A_THREAD 4
/* Outputs of more bytes are written past the caches, sooner than others (CDK_STREAM_BYTES): strips write
 * lines that lie far apart, and to fetch such a line only to overwrite it takes longer. */
#define STREAM_BYTES (4 * 1024 * 1024)
/* Outputs of the rows computed at once, and how many rows that are at least: strips of fewer spend their time
 * on what is not fetched ahead. */
#define STRIP_FLOATS 32768
#define STRIP_ROWS 4
/* Channels of a slab, at most: neighbouring lines are read and written one after the other, which memory
 * needs (half as fast where lines are all 2 kB apart), and three rows of a strip stay in the first cache. */
#define SLAB_CHANNELS 96
/* Channels that are one slab: a strip is then all of some pixels, and the next strip follows it in memory. */
#define WHOLE_CHANNELS 192
/* Inputs whose affine image is made at once. */
#define IMAGE_FLOATS 98304

typedef struct depthwise_job {
    cdk_depthwise_rows rows;
    const cdk_mean_m2 *statistics; /* or NULL */
    const cdk_masking *masking;    /* or NULL */
    int64_t part_rows, rows_at_once;
} depthwise_job;

static int is_neighbourly(const cdk_axis *axis)
{
    return axis->phases == 1 && axis->in_step <= 2 && axis->start[1] == 3 && axis->high - axis->low == 2;
}

int cdk_suits_strips(const cdk_taps *taps)
{
    return is_neighbourly(&taps->h) && is_neighbourly(&taps->w) && taps->h.in_step == taps->w.in_step &&
           taps->w.low >= -1 && (taps->w.outputs - 1) * taps->w.in_step + taps->w.high <= taps->w.inputs;
}

/* At most `most` of `all`, so that shares are about as large. */
static int64_t even_share(int64_t all, int64_t most)
{
    return cdk_ceil_div(all, cdk_ceil_div(all, most));
}

int64_t cdk_depthwise_rows_at_once(const cdk_taps *taps)
{
    const int64_t channels = cdk_suits_strips(taps) ? cdk_slab_channels(taps->groups, 0) : taps->groups;
    const int64_t row_floats = taps->w.outputs * channels, all = taps->h.outputs;
    /* Rows two apart share little: what a strip reads again at its ends is more than what it has in the
     * cache. */
    const int64_t apart = taps->h.in_step * taps->w.in_step;
    return even_share(all, cdk_max(STRIP_ROWS, STRIP_FLOATS / cdk_max(1, row_floats)) * apart);
}

/* Rows of x that `rows` rows of outputs read. */
static int64_t rows_read(const cdk_taps *taps, int64_t rows)
{
    return (rows - 1) * taps->h.in_step + 3;
}

/* The same where the image of what they read has to stay in the second cache. */
static int64_t image_rows_at_once(const cdk_taps *taps)
{
    const int64_t inputs = IMAGE_FLOATS / cdk_max(1, taps->w.inputs * taps->groups);
    const int64_t rows = cdk_max(1, 1 + (inputs - 3) / taps->h.in_step);
    return cdk_min(even_share(taps->h.outputs, rows), cdk_depthwise_rows_at_once(taps));
}

/* The widest strip of the kernels that has no more than the outputs left. */
static int strip_pixels(int64_t left, int most)
{
    return left >= most ? most : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

int64_t cdk_slab_channels(int64_t C, int64_t c)
{
    return C <= WHOLE_CHANNELS ? C
                               : cdk_min(C - c, cdk_round_up(even_share(C, SLAB_CHANNELS), CDK_LINE_FLOATS));
}

cdk_strip cdk_strip_of(const cdk_taps *taps, const float *x, const float *zeros, const cdk_slab *slab,
                       int64_t k, int most)
{
    const int64_t C = taps->groups, W = taps->w.inputs;
    const int64_t column = k * taps->w.in_step + taps->w.low;
    cdk_strip strip = {
        .x = x + (column + 1) * C + slab->c,
        .zeros = zeros,
        .pixel = C,
        .x_row = W * C,
        .first = slab->h * taps->h.in_step + taps->h.low,
        .x_rows = taps->h.inputs,
        .rows = slab->end - slab->h,
        .channels = slab->channels,
        .pixels = strip_pixels(taps->w.outputs - k, most),
        .stride = (int)taps->w.in_step,
        .left = column >= 0,
        .fetch = slab->channels == C,
    };
    strip.right = column + (strip.pixels - 1) * strip.stride + 2 < W;
    return strip;
}

static void pack_weights(const cdk_depthwise_rows *job, const float *w)
{
    const int64_t C = job->taps->groups, size = job->taps->kernel_size;
    int64_t channels;
    for (int64_t c = 0; c < C; c += channels) {
        channels = job->three ? cdk_slab_channels(C, c) : C;
        cdk_transpose(job->weights + c * size, channels, w + c * size, size, channels, size);
    }
}

/* Columns k0 .. k1 of output row j of image n, in one phase of either axis. */
typedef struct phase_pixels {
    int64_t n, phase_h, j, phase_w, k0, k1;
} phase_pixels;

/* The taps these pixels can read, relative to the input's first pixel of row j in_step and column 0. */
static void list_taps(const cdk_depthwise_rows *job, cdk_depthwise *row, ptrdiff_t *x_tap, ptrdiff_t *w_tap,
                      const phase_pixels *p)
{
    const cdk_taps *taps = job->taps;
    int64_t count = 0;
    for (int64_t i = taps->h.start[p->phase_h]; i < taps->h.start[p->phase_h + 1]; i++) {
        const int64_t h = p->j * taps->h.in_step + taps->h.offset[i];
        for (int64_t l = taps->w.start[p->phase_w]; l < taps->w.start[p->phase_w + 1]; l++) {
            const int64_t first = p->k0 * taps->w.in_step + taps->w.offset[l];
            const int64_t last = (p->k1 - 1) * taps->w.in_step + taps->w.offset[l];
            if (h >= 0 && h < taps->h.inputs && first >= 0 && last < taps->w.inputs) {
                x_tap[count] = (h * taps->w.inputs + taps->w.offset[l]) * taps->groups;
                w_tap[count++] = (taps->h.tap[i] * taps->kernel_w + taps->w.tap[l]) * taps->groups;
            }
        }
    }
    row->x_tap = x_tap;
    row->w_tap = w_tap;
    row->taps = count;
}

static void convolve_pixels(const cdk_depthwise_rows *job, ptrdiff_t *list, float *y, const phase_pixels *p)
{
    const cdk_taps *taps = job->taps;
    const int64_t C = taps->groups;
    cdk_depthwise row = {
        .y = y + (p->phase_w + p->k0 * taps->w.out_step) * C,
        .x = job->x + (p->n * taps->h.inputs * taps->w.inputs + p->k0 * taps->w.in_step) * C,
        .w = job->weights,
        .bias = job->bias,
        .pixels = p->k1 - p->k0,
        .channels = C,
        .y_pixel = taps->w.out_step * C,
        .x_pixel = taps->w.in_step * C,
        .activation = job->activation,
        .stream = job->stream,
    };
    list_taps(job, &row, list, list + taps->kernel_size, p);
    job->isa->depthwise(&row);
}

/* Row y_h of image n, into y. */
static void convolve_any_row(const cdk_depthwise_rows *job, ptrdiff_t *list, float *y, int64_t n, int64_t y_h)
{
    const cdk_taps *taps = job->taps;
    phase_pixels pixels = {.n = n, .phase_h = y_h % taps->h.out_step, .j = y_h / taps->h.out_step};
    for (int64_t phase = 0; phase < taps->w.phases; phase++) {
        const int64_t count = cdk_axis_count(&taps->w, phase);
        int64_t inner = 0, outer = count;
        for (int64_t l = taps->w.start[phase]; l < taps->w.start[phase + 1]; l++) {
            int64_t first = 0, last = 0;
            cdk_axis_valid(&taps->w, l, count, &first, &last);
            inner = first > inner ? first : inner;
            outer = last < outer ? last : outer;
        }
        inner = inner < outer ? inner : count;
        outer = inner < outer ? outer : count;
        pixels.phase_w = phase;
        for (pixels.k0 = 0; pixels.k0 < count; pixels.k0 = pixels.k1) {
            pixels.k1 = pixels.k0 == inner && inner < outer ? outer : pixels.k0 + 1;
            convolve_pixels(job, list, y, &pixels);
        }
    }
}

/* What rows h to `end` of image n read, as a part of an image: rows `first` to `last`. */
typedef struct source_rows {
    const float *x;
    int64_t first, last;
} source_rows;

static source_rows rows_to_read(const cdk_depthwise_rows *job, int thread, int64_t n, int64_t h, int64_t end)
{
    const cdk_axis *axis = &job->taps->h;
    const int64_t C = job->taps->groups, W = job->taps->w.inputs, start = h * axis->in_step + axis->low;
    const float *image = job->x + n * axis->inputs * W * C;
    if (!job->coefficients) {
        return (source_rows){image, 0, axis->inputs};
    }
    float *inputs = job->inputs + thread * job->input_size;
    const int64_t first = cdk_max(0, start),
                  last = cdk_max(first, cdk_min(axis->inputs, start + rows_read(job->taps, end - h)));
    cdk_affine_rows(inputs, image + first * W * C, job->coefficients, job->coefficients + C,
                    job->input_activation, (last - first) * W, C);
    return (source_rows){inputs, first, last};
}

static const float *from_element(const float *p, int64_t i)
{
    return p != NULL ? p + i : NULL;
}

static cdk_piece piece_from(const cdk_piece *piece, int64_t c)
{
    if (piece == NULL) {
        return (cdk_piece){NULL, NULL, NULL, 0};
    }
    return (cdk_piece){piece->sum + c, piece->squares + c, piece->minus_shift + c, piece->starts_part};
}

/* y holds the slab's rows, all their channels. `piece` or NULL takes the slab's mean and M2. */
static void convolve_slab(const cdk_depthwise_rows *job, const source_rows *source, float *y,
                          const cdk_slab *slab, const cdk_piece *piece)
{
    const int64_t C = job->taps->groups, W = job->taps->w.outputs, size = job->taps->kernel_size;
    /* Taps go in the order of what they read: in a backward pass that is backwards. */
    const int backwards = job->taps->h.tap[0] > 0;
    cdk_depthwise3 task = {
        .w = job->weights + slab->c * size + (backwards ? (size - 1) * slab->channels : 0),
        .w_tap = backwards ? -slab->channels : slab->channels,
        .bias = from_element(job->bias, slab->c),
        .y_row = W * C,
        .bounded = job->activation != CDK_ACTIVATION_NONE,
        .low = cdk_activation_low(job->activation),
        .high = cdk_activation_high(job->activation),
        .stream = job->stream,
        .piece = piece_from(piece, slab->c),
    };
    for (int64_t k = 0; k < W; k += task.strip.pixels) {
        task.strip = cdk_strip_of(job->taps, source->x, job->zeros, slab, k, job->isa->depthwise3_pixels);
        task.strip.first -= source->first;
        task.strip.x_rows = source->last - source->first;
        task.y = y + k * C + slab->c;
        task.ahead[0] = from_element(slab->ahead[0], k * C);
        task.ahead[1] = from_element(slab->ahead[1], k * C);
        job->isa->depthwise3(&task);
        task.piece.starts_part = 0;
    }
}

static void convolve_slabs(const cdk_depthwise_rows *job, int thread, float *y, int64_t n, int64_t h,
                           int64_t end, const cdk_piece *piece)
{
    const int64_t C = job->taps->groups;
    const source_rows source = rows_to_read(job, thread, n, h, end);
    cdk_slab slab = {.n = n, .h = h, .end = end};
    for (; slab.c < C; slab.c += slab.channels) {
        slab.channels = cdk_slab_channels(C, slab.c);
        convolve_slab(job, &source, y, &slab, piece);
    }
}

void cdk_depthwise_compute_slab(const cdk_depthwise_rows *job, int thread, const cdk_slab *slab)
{
    const source_rows source = rows_to_read(job, thread, slab->n, slab->h, slab->end);
    convolve_slab(job, &source, cdk_depthwise_place(job, slab->n, slab->h), slab, NULL);
}

static ptrdiff_t *list_of(const cdk_depthwise_rows *job, int thread)
{
    return job->lists + (ptrdiff_t)thread * 2 * job->taps->kernel_size;
}

void cdk_depthwise_compute(const cdk_depthwise_rows *job, int thread, float *y, int64_t n, int64_t h,
                           int64_t end)
{
    if (job->three) {
        convolve_slabs(job, thread, y, n, h, end, NULL);
        return;
    }
    for (int64_t row = h; row < end; row++) {
        convolve_any_row(job, list_of(job, thread), y + (row - h) * job->taps->w.outputs * job->taps->groups,
                         n, row);
    }
}

float *cdk_depthwise_place(const cdk_depthwise_rows *job, int64_t n, int64_t h)
{
    const cdk_taps *taps = job->taps;
    return job->y + (n * taps->h.outputs + h) * taps->w.outputs * taps->groups;
}

static cd_status allocate(cdk_depthwise_rows *job, cd_error *err)
{
    const int64_t C = job->taps->groups, size = job->taps->kernel_size;
    void *lists = NULL;
    CD_TRY(cd_memory_floats(&job->weights, size, C, 1, err));
    if (job->three) {
        CD_TRY(cd_memory_floats(&job->zeros, C, 1, 1, err));
        memset(job->zeros, 0, (size_t)C * sizeof(float));
        return CD_OK;
    }
    CD_TRY(cd_memory_alloc(&lists, (size_t)size * 2 * (size_t)cd_threads() * sizeof(ptrdiff_t), err));
    job->lists = lists;
    return CD_OK;
}

cd_status cdk_depthwise_begin(cdk_depthwise_rows *job, float *y, const float *x, const float *w,
                              const float *bias, const cdk_taps *taps, cdk_activation activation,
                              cd_error *err)
{
    *job = (cdk_depthwise_rows){.y = y,
                                .x = x,
                                .bias = bias,
                                .taps = taps,
                                .isa = cdk_isa_current(),
                                .activation = activation,
                                .three = cdk_suits_strips(taps)};
    job->stream = taps->N * taps->h.outputs * taps->w.outputs * taps->groups * (int64_t)sizeof(float) >
                  (job->three ? STREAM_BYTES : CDK_STREAM_BYTES);
    const cd_status status = allocate(job, err);
    if (status == CD_OK) {
        pack_weights(job, w);
    } else {
        cdk_depthwise_end(job);
    }
    return status;
}

cd_status cdk_depthwise_transform_input(cdk_depthwise_rows *job, const cdk_affine *input, int64_t at_once,
                                        cd_error *err)
{
    const int64_t C = job->taps->groups;
    CD_TRY(cd_memory_floats(&job->coefficients, 2, C, 1, err));
    cdk_affine_coefficients(job->coefficients, input, C);
    job->input_activation = input->activation;
    job->input_size = cdk_round_up(rows_read(job->taps, at_once) * job->taps->w.inputs * C, CDK_LINE_FLOATS);
    return cd_memory_floats(&job->inputs, cd_threads(), job->input_size, 1, err);
}

void cdk_depthwise_end(cdk_depthwise_rows *job)
{
    cd_memory_free(job->inputs);
    cd_memory_free(job->coefficients);
    cd_memory_free(job->lists);
    cd_memory_free(job->zeros);
    cd_memory_free(job->weights);
    *job = (cdk_depthwise_rows){0};
}

static int64_t row_floats(const depthwise_job *job)
{
    return job->rows.taps->w.outputs * job->rows.taps->groups;
}

static void convolve_strips_of_rows(void *context, int64_t begin, int64_t end, int thread)
{
    const depthwise_job *job = context;
    const int64_t H = job->rows.taps->h.outputs, pieces = cdk_ceil_div(H, job->rows_at_once);
    for (int64_t i = begin; i < end; i++) {
        const int64_t n = i / pieces, h = i % pieces * job->rows_at_once;
        const int64_t last = cdk_min(H, h + job->rows_at_once);
        float *y = cdk_depthwise_place(&job->rows, n, h);
        float *block = job->masking ? cdk_masking_block(job->masking, thread, y) : y;
        cdk_depthwise_compute(&job->rows, thread, block, n, h, last);
        if (job->masking) {
            cdk_masking_finish(job->masking, y, block, (last - h) * row_floats(job));
        }
    }
}

/* Rows of a part that are in the cache together, with their mean and M2. */
static void convolve_piece(const depthwise_job *job, int64_t part, int64_t n, int64_t h, int64_t end,
                           int starts_part, int thread)
{
    const cdk_mean_m2 *statistics = job->statistics;
    float *y = cdk_depthwise_place(&job->rows, n, h);
    if (job->rows.three) {
        const cdk_piece piece = cdk_mean_m2_piece(statistics, part, starts_part, thread);
        convolve_slabs(&job->rows, thread, y, n, h, end, &piece);
        cdk_mean_m2_add_piece(statistics, part, &piece);
    } else {
        float *block = cdk_mean_m2_block(statistics, thread, y);
        cdk_depthwise_compute(&job->rows, thread, block, n, h, end);
        cdk_mean_m2_finish(statistics, part, starts_part, thread, y, block,
                           (end - h) * job->rows.taps->w.outputs);
    }
}

static void convolve_parts(void *context, int64_t begin, int64_t end, int thread)
{
    const depthwise_job *job = context;
    const int64_t H = job->rows.taps->h.outputs;
    for (int64_t part = begin; part < end; part++) {
        const int64_t n = part / job->statistics->image_parts;
        const int64_t first = part % job->statistics->image_parts * job->part_rows,
                      last = cdk_min(H, first + job->part_rows);
        for (int64_t h = first; h < last; h += job->rows_at_once) {
            convolve_piece(job, part, n, h, cdk_min(last, h + job->rows_at_once), h == first, thread);
        }
    }
}

static cd_status run_with_statistics(depthwise_job *job, const cdk_conv_finish *finish, int64_t row_work,
                                     cd_error *err)
{
    const cdk_taps *taps = job->rows.taps;
    const int64_t H = taps->h.outputs, W = taps->w.outputs;
    cdk_mean_m2 statistics;
    CD_TRY(cdk_mean_m2_begin(&statistics, taps->N, H * W, job->part_rows * W, job->rows.three ? 0 : W,
                             taps->groups, err));
    job->statistics = &statistics;
    job->rows.stream = job->rows.stream && job->rows.three;
    cd_parallel_for(taps->N * statistics.image_parts, 1 + GRAIN_WORK / (row_work * job->part_rows + 1),
                    convolve_parts, job);
    cdk_mean_m2_join(finish->mean, finish->M2, &statistics);
    cdk_mean_m2_free(&statistics);
    return CD_OK;
}

/* Strips sum what they have in registers; others go row by row, through a block where y is large. Without
 * mean and M2 fewer rows are done at once where threads would not share the strips of few images well. */
static void plan(depthwise_job *job, const cdk_conv_finish *finish)
{
    const cdk_taps *taps = job->rows.taps;
    const int64_t H = taps->h.outputs;
    job->part_rows = cdk_min(H, cdk_ceil_div(PART_PIXELS, taps->w.outputs));
    job->rows_at_once = finish->input ? image_rows_at_once(taps) : cdk_depthwise_rows_at_once(taps);
    if (!finish->mean) {
        job->rows_at_once = cdk_min(job->rows_at_once, 1 + taps->N * H / (STRIPS_A_THREAD * cd_threads()));
    } else {
        job->rows_at_once = job->rows.three ? even_share(job->part_rows, job->rows_at_once) : 1;
    }
}

static void run_strips(depthwise_job *job, int64_t row_work)
{
    const cdk_taps *taps = job->rows.taps;
    cd_parallel_for(taps->N * cdk_ceil_div(taps->h.outputs, job->rows_at_once),
                    1 + GRAIN_WORK / (row_work * job->rows_at_once + 1), convolve_strips_of_rows, job);
}

static cd_status run_with_mask(depthwise_job *job, const cdk_conv_finish *finish, int64_t row_work,
                               cd_error *err)
{
    const cdk_taps *taps = job->rows.taps;
    cdk_masking masking;
    CD_TRY(cdk_masking_begin(&masking, &finish->end, job->rows.y, taps->N * taps->h.outputs * row_floats(job),
                             job->rows_at_once * row_floats(job), err));
    job->masking = &masking;
    job->rows.stream = 0;
    run_strips(job, row_work);
    cdk_masking_free(&masking);
    return CD_OK;
}

static cd_status run(depthwise_job *job, const cdk_conv_finish *finish, cd_error *err)
{
    const cdk_taps *taps = job->rows.taps;
    const int64_t row_work = taps->w.outputs * taps->groups * taps->kernel_size;
    plan(job, finish);
    if (finish->input) {
        CD_TRY(cdk_depthwise_transform_input(&job->rows, finish->input, job->rows_at_once, err));
    }
    if (finish->mean) {
        return run_with_statistics(job, finish, row_work, err);
    }
    if (finish->end.mask) {
        return run_with_mask(job, finish, row_work, err);
    }
    run_strips(job, row_work);
    return CD_OK;
}

cd_status cdk_conv_depthwise(float *y, const float *x, const float *w, const float *bias,
                             const cdk_taps *taps, const cdk_conv_finish *finish, cd_error *err)
{
    depthwise_job job = {.statistics = NULL};
    CD_TRY(cdk_depthwise_begin(&job.rows, y, x, w, bias, taps, finish->end.activation, err));
    const cd_status status = run(&job, finish, err);
    cdk_depthwise_end(&job.rows);
    return status;
}
