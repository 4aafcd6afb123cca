/* Convolution by taps where every channel has its own kernel: vectorised over channels, row by row. Pixels
 * whose taps all exist are done together; those at the left and right border one by one, with the taps they
 * have. */
#include <stddef.h>

#include "kernels/conv_taps.h"

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/isa.h"
#include "kernels/moments.h"

/* Multiply-adds a thread should have at least. */
#define GRAIN_WORK 32768
/* Pixels of the rows whose sums are taken together, at least (or all rows of an image). */
#define PART_PIXELS 512

typedef struct depthwise_job {
    float *y;
    const float *x, *bias;
    float *weights;   /* [R][S][C] */
    ptrdiff_t *lists; /* [threads][2][R S] */
    const cdk_taps *taps;
    const cdk_isa *isa;
    cdk_activation activation;
    int stream;
    const cdk_moments *moments; /* or NULL */
    int64_t part_rows;
} depthwise_job;

static void pack_weights(const depthwise_job *job, const float *w)
{
    const int64_t C = job->taps->groups, taps = job->taps->kernel_size;
    for (int64_t c = 0; c < C; c++) {
        for (int64_t tap = 0; tap < taps; tap++) {
            job->weights[tap * C + c] = w[c * taps + tap];
        }
    }
}

/* The taps output row j and columns k0 .. k1 of a phase can read, relative to the input's first pixel of row
 * j in_step and column 0. */
static void list_taps(const depthwise_job *job, cdk_depthwise *row, ptrdiff_t *x_tap, ptrdiff_t *w_tap,
                      int64_t phase_h, int64_t j, int64_t phase_w, int64_t k0, int64_t k1)
{
    const cdk_taps *taps = job->taps;
    int64_t count = 0;
    for (int64_t i = taps->h.start[phase_h]; i < taps->h.start[phase_h + 1]; i++) {
        const int64_t h = j * taps->h.in_step + taps->h.offset[i];
        for (int64_t l = taps->w.start[phase_w]; l < taps->w.start[phase_w + 1]; l++) {
            const int64_t first = k0 * taps->w.in_step + taps->w.offset[l];
            const int64_t last = (k1 - 1) * taps->w.in_step + taps->w.offset[l];
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

static void convolve_pixels(const depthwise_job *job, ptrdiff_t *list, float *y, int64_t n, int64_t phase_h,
                            int64_t j, int64_t phase_w, int64_t k0, int64_t k1)
{
    const cdk_taps *taps = job->taps;
    const int64_t C = taps->groups;
    cdk_depthwise row = {
        .y = y + (phase_w + k0 * taps->w.out_step) * C,
        .x = job->x + (n * taps->h.inputs * taps->w.inputs + k0 * taps->w.in_step) * C,
        .w = job->weights,
        .bias = job->bias,
        .pixels = k1 - k0,
        .channels = C,
        .y_pixel = taps->w.out_step * C,
        .x_pixel = taps->w.in_step * C,
        .activation = job->activation,
        .stream = job->stream,
    };
    list_taps(job, &row, list, list + taps->kernel_size, phase_h, j, phase_w, k0, k1);
    job->isa->depthwise(&row);
}

/* Row y_h of image n, into y. */
static void convolve_row(const depthwise_job *job, ptrdiff_t *list, float *y, int64_t n, int64_t y_h)
{
    const cdk_taps *taps = job->taps;
    const int64_t phase_h = y_h % taps->h.out_step, j = y_h / taps->h.out_step;
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
        for (int64_t k = 0; k < inner; k++) {
            convolve_pixels(job, list, y, n, phase_h, j, phase, k, k + 1);
        }
        if (inner < outer) {
            convolve_pixels(job, list, y, n, phase_h, j, phase, inner, outer);
        }
        for (int64_t k = outer; k < count; k++) {
            convolve_pixels(job, list, y, n, phase_h, j, phase, k, k + 1);
        }
    }
}

static ptrdiff_t *list_of(const depthwise_job *job, int thread)
{
    return job->lists + (ptrdiff_t)thread * 2 * job->taps->kernel_size;
}

static float *row_of(const depthwise_job *job, int64_t n, int64_t h)
{
    const cdk_taps *taps = job->taps;
    return job->y + (n * taps->h.outputs + h) * taps->w.outputs * taps->groups;
}

static void convolve_image_rows(void *context, int64_t begin, int64_t end, int thread)
{
    const depthwise_job *job = context;
    const int64_t H = job->taps->h.outputs;
    for (int64_t i = begin; i < end; i++) {
        convolve_row(job, list_of(job, thread), row_of(job, i / H, i % H), i / H, i % H);
    }
}

static void convolve_parts(void *context, int64_t begin, int64_t end, int thread)
{
    const depthwise_job *job = context;
    const int64_t H = job->taps->h.outputs, W = job->taps->w.outputs;
    for (int64_t part = begin; part < end; part++) {
        const int64_t n = part / job->moments->image_parts;
        const int64_t first = part % job->moments->image_parts * job->part_rows;
        for (int64_t h = first; h < H && h < first + job->part_rows; h++) {
            float *y = row_of(job, n, h), *block = cdk_moments_block(job->moments, thread, y);
            convolve_row(job, list_of(job, thread), block, n, h);
            cdk_moments_finish(job->moments, part, h == first, thread, y, block, W);
        }
    }
}

static cd_status run_with_moments(depthwise_job *job, const cdk_conv_finish *finish, int64_t row_work,
                                  cd_error *err)
{
    const cdk_taps *taps = job->taps;
    const int64_t H = taps->h.outputs, W = taps->w.outputs, wanted = (PART_PIXELS + W - 1) / W;
    cdk_moments moments;
    job->part_rows = wanted < H ? wanted : H;
    CD_TRY(cdk_moments_begin(&moments, taps->N, H * W, job->part_rows * W, W, taps->groups, err));
    job->moments = &moments;
    cd_parallel_for(taps->N * moments.image_parts, 1 + GRAIN_WORK / (row_work * job->part_rows + 1),
                    convolve_parts, job);
    cdk_moments_join(finish->mean, finish->sum_squares, &moments);
    cdk_moments_free(&moments);
    return CD_OK;
}

static cd_status run(depthwise_job *job, const cdk_conv_finish *finish, cd_error *err)
{
    const cdk_taps *taps = job->taps;
    const int64_t row_work = taps->w.outputs * taps->groups * taps->kernel_size;
    if (finish->mean) {
        return run_with_moments(job, finish, row_work, err);
    }
    job->stream = taps->N * taps->h.outputs * taps->w.outputs * taps->groups * (int64_t)sizeof(float) >
                  CDK_STREAM_BYTES;
    cd_parallel_for(taps->N * taps->h.outputs, 1 + GRAIN_WORK / (row_work + 1), convolve_image_rows, job);
    return CD_OK;
}

cd_status cdk_conv_depthwise(float *y, const float *x, const float *w, const float *bias,
                             const cdk_taps *taps, const cdk_conv_finish *finish, cd_error *err)
{
    const size_t size = (size_t)taps->kernel_size;
    depthwise_job job = {.y = y,
                         .x = x,
                         .bias = bias,
                         .taps = taps,
                         .isa = cdk_isa_current(),
                         .activation = finish->activation};
    void *weights = NULL, *lists = NULL;
    cd_status status = cd_memory_alloc(&weights, size * (size_t)taps->groups * sizeof(float), err);
    if (status == CD_OK) {
        status = cd_memory_alloc(&lists, size * 2 * (size_t)cd_threads() * sizeof(ptrdiff_t), err);
    }
    if (status == CD_OK) {
        job.weights = weights;
        job.lists = lists;
        pack_weights(&job, w);
        status = run(&job, finish, err);
    }
    cd_memory_free(lists);
    cd_memory_free(weights);
    return status;
}
