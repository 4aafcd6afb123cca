/* Gradients of a convolution whose channels are all by themselves. For those of weights and bias the rows of
 * all images are cut into chunks, a number that does not depend on the threads, with partial sums of their
 * own. The gradient of the input follows by a few rows, while the rows of dy it reads are in the cache. */
#include "kernels/conv_depthwise.h"
#include "kernels/dispatch.h"

#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/isa.h"
#include "kernels/sizes.h"
#include "kernels/transpose.h"

#define CHANNELS_MAX_CHUNKS 32
/* The same where every chunk has whole images: their partial sums take a while to add. */
#define CHANNELS_MAX_IMAGE_CHUNKS 8
/* Additions of partial sums a thread should have at least. */
#define CHANNELS_SUM_WORK 65536
/* Multiply-adds a chunk should have at least. */
#define CHANNELS_CHUNK_WORK (512 * 1024)

typedef struct channels_job {
    float *dw, *y_sums;
    const float *dy, *x;
    const cdk_conv *conv;
    cdk_taps taps;
    const cdk_isa *isa;
    float *partial; /* [chunks][partial_size]: the sums of all slabs */
    int64_t chunks, partial_size;
    int64_t rows_at_once;
    float *zeros;                    /* [C], where isa->dots3 serves, else NULL */
    const cdk_depthwise_rows *input; /* the gradient of the input, or NULL */
} channels_job;

/* The taps first .. last that exist for outputs a to b (inclusive) of an axis. */
static void taps_of(const cdk_axis *axis, int64_t a, int64_t b, int64_t *first, int64_t *last)
{
    const int64_t taps = axis->start[1];
    *first = 0;
    while (*first < taps && a * axis->in_step + axis->offset[*first] < 0) {
        ++*first;
    }
    *last = taps;
    while (*last > *first && b * axis->in_step + axis->offset[*last - 1] >= axis->inputs) {
        --*last;
    }
}

/* Columns q0 .. q1 of row p of image n, which read the same taps. */
static void multiply_pixels(const channels_job *job, float *partial, int64_t n, int64_t p, int64_t q0,
                            int64_t q1)
{
    const cdk_conv *conv = job->conv;
    const cdk_axis *h = &job->taps.h, *w = &job->taps.w;
    const int64_t C = conv->C;
    int64_t h0 = 0, h1 = 0, w0 = 0, w1 = 0;
    if (q0 >= q1) {
        return;
    }
    taps_of(h, p, p, &h0, &h1);
    taps_of(w, q0, q1 - 1, &w0, &w1);
    if (h0 >= h1 || w0 >= w1) {
        return;
    }
    const int64_t row = p * conv->stride_h + h->offset[h0], column = q0 * conv->stride_w + w->offset[w0];
    const cdk_channel_dots dots = {
        .sum = partial + (h0 * conv->S + w0) * C,
        .x = job->x + ((n * conv->H + row) * conv->W + column) * C,
        .y = job->dy + ((n * conv->OH + p) * conv->OW + q0) * C,
        .sum_row = conv->S * C,
        .sum_column = C,
        .x_row = conv->dilation_h * conv->W * C,
        .x_column = conv->dilation_w * C,
        .x_pixel = conv->stride_w * C,
        .y_pixel = C,
        .x_ahead = conv->stride_h * conv->W * C,
        .y_ahead = conv->OW * C,
        .rows = h1 - h0,
        .columns = w1 - w0,
        .pixels = q1 - q0,
        .channels = C,
    };
    job->isa->channel_dots(&dots);
}

/* Columns whose taps all exist together, those at the borders one by one. */
static void multiply_row(const channels_job *job, float *partial, int64_t n, int64_t p)
{
    const int64_t OW = job->conv->OW;
    int64_t inner = 0, outer = OW;
    for (int64_t w = 0; w < job->conv->S; w++) {
        int64_t first = 0, last = 0;
        cdk_axis_valid(&job->taps.w, w, OW, &first, &last);
        inner = first > inner ? first : inner;
        outer = last < outer ? last : outer;
    }
    inner = inner < outer ? inner : OW;
    outer = inner < outer ? outer : OW;
    for (int64_t q = 0; q < inner; q++) {
        multiply_pixels(job, partial, n, p, q, q + 1);
    }
    multiply_pixels(job, partial, n, p, inner, outer);
    for (int64_t q = outer; q < OW; q++) {
        multiply_pixels(job, partial, n, p, q, q + 1);
    }
}

/* [taps + 1][slab->channels]: the products of every tap, then the sums of dy. */
static float *slab_sums(const channels_job *job, float *partial, const cdk_slab *slab)
{
    return partial + (job->taps.kernel_size + 1) * slab->c;
}

/* The sums of dy, or NULL. */
static float *slab_y_sums(const channels_job *job, float *partial, const cdk_slab *slab)
{
    return job->y_sums ? slab_sums(job, partial, slab) + job->taps.kernel_size * slab->channels : NULL;
}

/* The products of a slab for all columns, strip by strip, and the sums of dy. */
static void multiply_strips(const channels_job *job, float *partial, const cdk_slab *slab)
{
    const cdk_conv *conv = job->conv;
    const int64_t C = conv->C, OW = conv->OW;
    const float *x = job->x + slab->n * conv->H * conv->W * C;
    const float *dy = job->dy + (slab->n * conv->OH + slab->h) * OW * C + slab->c;
    cdk_dots3 task = {
        .sum = slab_sums(job, partial, slab),
        .dy_sum = slab_y_sums(job, partial, slab),
        .sum_tap = slab->channels,
        .dy_row = OW * C,
    };
    for (int64_t q = 0; q < OW; q += task.strip.pixels) {
        task.strip = cdk_strip_of(&job->taps, x, job->zeros, slab, q, job->isa->depthwise3_pixels);
        task.dy = dy + q * C;
        job->isa->dots3(&task);
    }
}

/* The same row by row, of all channels. */
static void multiply_all_channels(const channels_job *job, float *partial, const cdk_slab *slab)
{
    const cdk_conv *conv = job->conv;
    float *y_sums = slab_y_sums(job, partial, slab);
    for (int64_t row = slab->h; row < slab->end; row++) {
        multiply_row(job, partial, slab->n, row);
    }
    if (y_sums) {
        job->isa->channel_sum(y_sums, job->dy + (slab->n * conv->OH + slab->h) * conv->OW * conv->C, conv->C,
                              (slab->end - slab->h) * conv->OW, conv->C);
    }
}

/* The last row of dy that row h of dx reads. */
static int64_t last_row_read(const cdk_axis *axis, int64_t h)
{
    const int64_t phase = h % axis->out_step, end = axis->start[phase + 1];
    return end > axis->start[phase] ? h / axis->out_step * axis->in_step + axis->offset[end - 1] : -1;
}

/* Of the rows of dx from `h` on, the first for which there is more of dy to come than its first p rows. */
static int64_t rows_complete(const channels_job *job, int64_t h, int64_t p)
{
    const cdk_axis *axis = &job->input->taps->h;
    while (h < axis->outputs && (p == axis->inputs || last_row_read(axis, h) < p)) {
        h++;
    }
    return h;
}

/* The gradient of the input reads nothing new: meanwhile, the next channels of x and dy, or the next rows. */
static void look_ahead(const channels_job *job, cdk_slab *slab)
{
    const cdk_conv *conv = job->conv;
    const int64_t C = conv->C, next = slab->c + slab->channels;
    const int64_t row = slab->n * conv->H + (next < C ? slab->h : slab->end);
    if (conv->OH == conv->H && conv->OW == conv->W && slab->channels < C &&
        row + slab->end - slab->h <= conv->N * conv->H) {
        const int64_t at = row * conv->W * C + (next < C ? next : 0);
        slab->ahead[0] = job->x + at;
        slab->ahead[1] = job->dy + at;
    }
}

static int64_t channels_from(const channels_job *job, int64_t c)
{
    return job->zeros ? cdk_slab_channels(job->conv->C, c) : job->conv->C;
}

/* Rows p to `end` of image n, and rows h to `h_end` of dx. */
static void multiply_rows(const channels_job *job, float *partial, int64_t n, int64_t p, int64_t end,
                          int64_t h, int64_t h_end, int thread)
{
    const int64_t C = job->conv->C;
    const cdk_depthwise_rows *input = job->input;
    const int same_slabs = job->zeros && input && input->three;
    cdk_slab slab = {.n = n, .h = p, .end = end};
    for (; slab.c < C; slab.c += slab.channels) {
        slab.channels = channels_from(job, slab.c);
        (job->zeros ? multiply_strips : multiply_all_channels)(job, partial, &slab);
        if (same_slabs) {
            cdk_slab read = {.n = n, .h = h, .end = h_end, .c = slab.c, .channels = slab.channels};
            look_ahead(job, &read);
            cdk_depthwise_compute_slab(input, thread, &read);
        }
    }
    if (input && !same_slabs) {
        cdk_depthwise_compute(input, thread, cdk_depthwise_place(input, n, h), n, h, h_end);
    }
}

/* Chunks end with an image where its other gradient is computed too. */
static int64_t first_row(const channels_job *job, int64_t chunk)
{
    const int64_t N = job->conv->N, OH = job->conv->OH;
    return job->input ? chunk * N / job->chunks * OH : chunk * N * OH / job->chunks;
}

static void multiply_chunk(const channels_job *job, int64_t chunk, int thread)
{
    const int64_t OH = job->conv->OH, end = first_row(job, chunk + 1);
    float *partial = job->partial + chunk * job->partial_size;
    int64_t h = 0, rows;
    memset(partial, 0, (size_t)job->partial_size * sizeof(float));
    for (int64_t i = first_row(job, chunk); i < end; i += rows) {
        const int64_t n = i / OH, p = i % OH;
        rows = cdk_min(job->rows_at_once, cdk_min(OH - p, end - i));
        const int64_t start = p == 0 ? 0 : h;
        h = job->input ? rows_complete(job, start, p + rows) : start;
        multiply_rows(job, partial, n, p, p + rows, start, h, thread);
    }
}

static void multiply_chunks(void *context, int64_t begin, int64_t end, int thread)
{
    for (int64_t chunk = begin; chunk < end; chunk++) {
        multiply_chunk(context, chunk, thread);
    }
}

/* Adds the chunks to the first one. */
static void add_chunks(void *context, int64_t begin, int64_t end, int thread)
{
    const channels_job *job = context;
    (void)thread;
    job->isa->channel_sum(job->partial + begin, job->partial + job->partial_size + begin, job->partial_size,
                          job->chunks - 1, end - begin);
}

/* From the first chunk, which has the sums of all. */
static void take_sums(const channels_job *job)
{
    const int64_t taps = job->taps.kernel_size, C = job->conv->C;
    cdk_slab slab = {.c = 0};
    for (; slab.c < C; slab.c += slab.channels) {
        slab.channels = channels_from(job, slab.c);
        const float *sums = slab_sums(job, job->partial, &slab);
        cdk_transpose(job->dw + slab.c * taps, taps, sums, slab.channels, taps, slab.channels);
        if (job->y_sums) {
            memcpy(job->y_sums + slab.c, sums + taps * slab.channels, (size_t)slab.channels * sizeof(float));
        }
    }
}

static void run(channels_job *job)
{
    cd_parallel_chunks(job->chunks, 1, multiply_chunks, job);
    cd_parallel_for(job->partial_size, 1 + CHANNELS_SUM_WORK / job->chunks, add_chunks, job);
    take_sums(job);
}

static void plan(channels_job *job)
{
    const cdk_conv *conv = job->conv;
    const int64_t rows = conv->N * conv->OH, work = rows * conv->OW * conv->C * job->taps.kernel_size;
    const int64_t useful = 1 + work / CHANNELS_CHUNK_WORK;
    job->partial_size = (job->taps.kernel_size + 1) * conv->C;
    job->rows_at_once = cdk_depthwise_rows_at_once(&job->taps);
    job->chunks = job->input ? cdk_min(CHANNELS_MAX_IMAGE_CHUNKS, conv->N)
                             : cdk_min(cdk_min(useful, CHANNELS_MAX_CHUNKS), rows);
}

static cd_status allocate(channels_job *job, cd_error *err)
{
    CD_TRY(cd_memory_floats(&job->partial, job->chunks, job->partial_size, 1, err));
    if (cdk_suits_strips(&job->taps)) {
        CD_TRY(cd_memory_floats(&job->zeros, job->conv->C, 1, 1, err));
        memset(job->zeros, 0, (size_t)job->conv->C * sizeof(float));
    }
    return CD_OK;
}

static cd_status weight_gradient(float *dw, float *y_sums, const float *dy, const float *x,
                                 const cdk_conv *conv, const cdk_depthwise_rows *input, cd_error *err)
{
    channels_job job = {.dw = dw, .y_sums = y_sums, .dy = dy, .x = x, .conv = conv, .input = input};
    CD_TRY(cdk_taps_make(&job.taps, conv, 0, err));
    job.isa = cdk_isa_current();
    plan(&job);
    const cd_status status = allocate(&job, err);
    if (status == CD_OK) {
        run(&job);
    }
    cd_memory_free(job.zeros);
    cd_memory_free(job.partial);
    cdk_taps_free(&job.taps);
    return status;
}

cd_status cdk_conv_weight_depthwise(float *dw, float *y_sums, const float *dy, const float *x,
                                    const cdk_conv *conv, cd_error *err)
{
    return weight_gradient(dw, y_sums, dy, x, conv, NULL, err);
}

cd_status cdk_conv_backward_depthwise(float *dx, float *dw, float *y_sums, const float *dy, const float *x,
                                      const float *w, const cdk_conv *conv, cd_error *err)
{
    cdk_taps taps;
    cdk_depthwise_rows input;
    CD_TRY(cdk_taps_make(&taps, conv, 1, err));
    cd_status status = cdk_depthwise_begin(&input, dx, dy, w, NULL, &taps, CDK_ACTIVATION_NONE, err);
    if (status == CD_OK) {
        status = weight_gradient(dw, y_sums, dy, x, conv, &input, err);
        cdk_depthwise_end(&input);
    }
    cdk_taps_free(&taps);
    return status;
}
