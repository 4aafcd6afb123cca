/* Gradients of the weights of groups of few channels: lanes are output channels, as in conv_lanes.c, and each
 * is multiplied by the inputs of its own group, which a scratch holds lane by lane.
 *
 * The bands of all images, one after the other, are cut into chunks, a number that does not depend on the
 * threads; each has partial sums of its own, which are added in order at the end. */
#include "kernels/conv_phase.h"

#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/dispatch.h"
#include "kernels/sizes.h"

#define MAX_CHUNKS 32
/* Multiply-adds of vectors that a chunk should have at least. */
#define CHUNK_WORK 65536
/* Bytes of input a band should read. */
#define BAND_BYTES (256 * 1024)

typedef struct lanes_job {
    float *dw, *y_sums;
    const float *dy;
    const cdk_conv *conv;
    cdk_direct d;
    /* [chunks][partial_size]: [block][tap][input of a group][lane], then [K] sums of dy */
    float *partial;
    int64_t products, partial_size, chunks, bands; /* bands of all images */
} lanes_job;

/* Columns of one row of the kernel, `count` of them `step` apart in x and `sum_step` in the sums.
 * isa->channel_dots sums three rows of three columns at once: three, six or nine of these columns are such
 * rows, as one row of the scratch after the other stays in the first cache. */
static void multiply_columns(const lanes_job *job, cdk_channel_dots dots, int64_t count, int64_t step,
                             int64_t sum_step)
{
    dots.x_column = step;
    dots.sum_column = sum_step;
    dots.x_row = 3 * step;
    dots.sum_row = 3 * sum_step;
    while (count > 0) {
        dots.columns = cdk_min(count, 3);
        dots.rows = cdk_max(1, cdk_ceil_div(count, cdk_ceil_div(count, 9)) / 3);
        job->d.isa->channel_dots(&dots);
        const int64_t done = dots.rows * dots.columns;
        dots.x += done * step;
        dots.sum += done * sum_step;
        count -= done;
    }
}

/* The products of one row of dy with what a row of the kernel reads. Taps side by side, and their inputs, are
 * one series of columns; others go input by input. */
static void multiply_taps(const lanes_job *job, const cdk_channel_dots *row)
{
    const cdk_direct *d = &job->d;
    const int64_t width = d->isa->lanewise.width, inputs = d->taps->in_group, taps = d->taps->kernel_w;
    cdk_channel_dots dots = *row;
    if (job->conv->dilation_w == 1) {
        multiply_columns(job, dots, taps * inputs, width, width);
        return;
    }
    for (int64_t c = 0; c < inputs; c++) {
        dots.sum = row->sum + c * width;
        dots.x = row->x + c * width;
        multiply_columns(job, dots, taps, job->conv->dilation_w * cdk_lanes_pixel(d), inputs * width);
    }
}

/* Row p of image n; the scratch begins with row `first` of the image. */
static void multiply_row(const lanes_job *job, float *sums, const float *scratch, int64_t n, int64_t p,
                         int64_t first, int64_t block)
{
    const cdk_direct *d = &job->d;
    const cdk_taps *taps = d->taps;
    const cdk_axis *h = &taps->h;
    const int64_t pixel = cdk_lanes_pixel(d), K = taps->out_channels, channel = block * d->block_outputs;
    cdk_channel_dots dots = {
        .y = job->dy + ((n * h->outputs + p) * taps->w.outputs) * K + channel,
        .x_pixel = taps->w.in_step * pixel,
        .y_pixel = K,
        .y_ahead = taps->w.outputs * K,
        .pixels = taps->w.outputs,
        .channels = cdk_min(d->block_outputs, K - channel),
    };
    for (int64_t r = 0; r < h->start[1]; r++) {
        const int64_t row = p * h->in_step + h->offset[r];
        if (row >= 0 && row < h->inputs) {
            dots.x = scratch + (row - first) * cdk_lanes_row(d);
            dots.sum = sums + r * taps->kernel_w * pixel;
            multiply_taps(job, &dots);
        }
    }
}

static void multiply_band(const lanes_job *job, float *partial, int64_t item, int thread)
{
    const cdk_direct *d = &job->d;
    const cdk_taps *taps = d->taps;
    const int64_t K = taps->out_channels, block_size = taps->kernel_size * cdk_lanes_pixel(d);
    const int64_t n = item / d->bands, first = item % d->bands * d->band_rows;
    const cdk_band band = {.n = n, .first = first, .last = cdk_min(first + d->band_rows, taps->h.outputs)};
    float *scratch = d->scratch + thread * d->scratch_floats;
    for (int64_t block = 0; block < d->blocks; block++) {
        cdk_lanes_fill(d, scratch, n, &band, block);
        for (int64_t p = first; p < band.last; p++) {
            multiply_row(job, partial + block * block_size, scratch, n, p,
                         first * taps->h.in_step + taps->h.low, block);
        }
    }
    if (job->y_sums) {
        d->isa->channel_sum(partial + job->products,
                            job->dy + (n * taps->h.outputs + first) * taps->w.outputs * K, K,
                            (band.last - first) * taps->w.outputs, K);
    }
}

static void multiply_chunks(void *context, int64_t begin, int64_t end, int thread)
{
    const lanes_job *job = context;
    for (int64_t chunk = begin; chunk < end; chunk++) {
        float *partial = job->partial + chunk * job->partial_size;
        memset(partial, 0, (size_t)job->partial_size * sizeof *partial);
        for (int64_t i = chunk * job->bands / job->chunks; i < (chunk + 1) * job->bands / job->chunks; i++) {
            multiply_band(job, partial, i, thread);
        }
    }
}

/* Puts the sums of output channel k into the order of PyTorch, [input of a group][tap]. */
static void order_channel(const lanes_job *job, const float *sums, int64_t k)
{
    const cdk_direct *d = &job->d;
    const int64_t inputs = d->taps->in_group, taps = d->taps->kernel_size, width = d->isa->lanewise.width;
    const float *from = sums + k / d->block_outputs * taps * inputs * width + k % d->block_outputs;
    float *to = job->dw + k * inputs * taps;
    for (int64_t tap = 0; tap < taps; tap++) {
        for (int64_t c = 0; c < inputs; c++) {
            to[c * taps + tap] = from[(tap * inputs + c) * width];
        }
    }
}

/* All are added to the sums of the first chunk. */
static void take_sums(const lanes_job *job)
{
    const int64_t K = job->d.taps->out_channels;
    if (job->chunks > 1) {
        job->d.isa->channel_sum(job->partial, job->partial + job->partial_size, job->partial_size,
                                job->chunks - 1, job->partial_size);
    }
    for (int64_t k = 0; k < K; k++) {
        order_channel(job, job->partial, k);
    }
    if (job->y_sums) {
        memcpy(job->y_sums, job->partial + job->products, (size_t)K * sizeof *job->y_sums);
    }
}

static void plan(lanes_job *job)
{
    cdk_direct *d = &job->d;
    const cdk_taps *taps = d->taps;
    const int64_t row_bytes = taps->w.inputs * taps->in_channels * taps->h.in_step * (int64_t)sizeof(float);
    const int64_t rows = cdk_min(cdk_max(1, BAND_BYTES / row_bytes), taps->h.outputs);
    d->bands = cdk_ceil_div(taps->h.outputs, rows);
    d->band_rows = cdk_ceil_div(taps->h.outputs, d->bands);
    d->bands = cdk_ceil_div(taps->h.outputs, d->band_rows);
    cdk_lanes_plan(d);
    job->products = d->blocks * taps->kernel_size * cdk_lanes_pixel(d);
    job->partial_size = cdk_round_up(job->products + taps->out_channels, CDK_LINE_FLOATS);
    job->bands = taps->N * d->bands;
    const int64_t work =
        taps->h.outputs * taps->w.outputs * taps->N * d->blocks * taps->kernel_size * taps->in_group;
    job->chunks = cdk_min(cdk_min(MAX_CHUNKS, job->bands), 1 + work / CHUNK_WORK);
}

static cd_status allocate(lanes_job *job, cd_error *err)
{
    CD_TRY(cd_memory_floats(&job->partial, job->chunks, job->partial_size, 1, err));
    return cd_memory_floats(&job->d.scratch, cd_threads(), job->d.scratch_floats, 1, err);
}

cd_status cdk_conv_weight_lanes(float *dw, float *y_sums, const float *dy, const float *x,
                                const cdk_conv *conv, const cdk_taps *taps, cd_error *err)
{
    lanes_job job = {.dw = dw, .y_sums = y_sums, .dy = dy, .conv = conv};
    job.d = (cdk_direct){.x = x, .taps = taps, .isa = cdk_isa_current(), .cols = taps->w.outputs};
    plan(&job);
    const cd_status status = allocate(&job, err);
    if (status == CD_OK) {
        cd_parallel_chunks(job.chunks, 1, multiply_chunks, &job);
        take_sums(&job);
    }
    cd_memory_free(job.d.scratch);
    cd_memory_free(job.partial);
    return status;
}
