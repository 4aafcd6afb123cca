/* Convolution by taps, without building the matrix of patches: bands of images, on threads. */
#include "kernels/conv_packed.h"
#include "kernels/conv_phase.h"
#include "kernels/dispatch.h"

#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/sizes.h"

/* Bytes of input a band should read: half of a common second-level cache. */
#define BAND_BYTES (256 * 1024)
/* Bytes of output of a band whose mean and M2 or mask are wanted: it must still be in the cache when it is
 * looked at. */
#define BLOCK_BYTES (256 * 1024)
/* Bands wanted at least where their number must not depend on the threads. */
#define BAND_ITEMS 16
/* Bands a thread takes one after the other where there are many: it fetches the next one meanwhile. */
#define BANDS_TOGETHER 4
/* Weights a thread should have to pack. */
#define PACK_GRAIN 16384

static void pack_panels(void *context, int64_t begin, int64_t end, int thread)
{
    const cdk_direct *d = context;
    (void)thread;
    for (int64_t item = begin; item < end; item++) {
        const cdk_phase p = cdk_phase_make(d->taps, item / d->blocks, d->lanewise);
        (d->lanewise ? cdk_lanes_pack : cdk_dense_pack)(d, &p, item % d->blocks);
    }
}

static int64_t image_outputs(const cdk_direct *d)
{
    return d->taps->h.outputs * d->taps->w.outputs;
}

static void compute(const cdk_direct *d, const cdk_band *band)
{
    (d->lanewise ? cdk_lanes_band : cdk_dense_band)(d, band);
}

static void convolve_band(const cdk_direct *d, int64_t item, int thread)
{
    const cdk_taps *taps = d->taps;
    const int64_t step = taps->h.out_step;
    cdk_band band = {
        .n = item / d->bands * d->images, .first = item % d->bands * d->band_rows, .thread = thread};
    band.images = cdk_min(d->images, taps->N - band.n);
    band.last = cdk_min(band.first + d->band_rows, d->rows);
    const int64_t rows = cdk_min(band.last * step, taps->h.outputs) - band.first * step;
    const int64_t pixels = band.images > 1 ? band.images * image_outputs(d) : rows * taps->w.outputs;
    float *y = d->y + (band.n * image_outputs(d) + band.first * step * taps->w.outputs) * d->y_pixel;
    band.y = d->statistics ? cdk_mean_m2_block(d->statistics, thread, y)
             : d->masking  ? cdk_masking_block(d->masking, thread, y)
                           : y;
    compute(d, &band);
    if (d->statistics) {
        cdk_mean_m2_finish(d->statistics, item, 1, thread, y, band.y, pixels);
    } else if (d->masking) {
        cdk_masking_finish(d->masking, y, band.y, pixels * taps->out_channels);
    }
}

static void convolve_bands(void *context, int64_t begin, int64_t end, int thread)
{
    for (int64_t item = begin; item < end; item++) {
        convolve_band(context, item, thread);
    }
}

static int64_t row_floats(const cdk_direct *d)
{
    return d->taps->w.outputs * d->taps->out_channels;
}

/* Results that are looked at when a band is done must fit the cache; the number of bands must not depend
 * on the threads where mean and M2 are taken. */
static void plan_bands(cdk_direct *d, const cdk_conv_finish *finish)
{
    const cdk_taps *taps = d->taps;
    const int64_t row_bytes = taps->w.inputs * taps->in_channels * taps->h.in_step * (int64_t)sizeof(float);
    const int64_t out_bytes = row_floats(d) * taps->h.out_step * (int64_t)sizeof(float);
    const int64_t in_rows = cdk_max(1, BAND_BYTES / row_bytes);
    const int64_t out_rows = finish->mean || finish->end.mask ? cdk_max(1, BLOCK_BYTES / out_bytes) : in_rows;
    const int64_t wanted = finish->mean ? BAND_ITEMS : 4 * cd_threads();
    const int64_t most = cdk_min(cdk_min(in_rows, out_rows), cdk_max(1, d->rows * taps->N / wanted));
    d->images = cdk_max(1, cdk_min(most / d->rows, taps->N));
    d->bands = cdk_ceil_div(d->rows, cdk_min(most, d->rows));
    d->band_rows = cdk_ceil_div(d->rows, d->bands);
    d->bands = cdk_ceil_div(d->rows, d->band_rows);
}

static int64_t items_of(const cdk_direct *d)
{
    return cdk_ceil_div(d->taps->N, d->images) * d->bands;
}

static void run(cdk_direct *d)
{
    const cdk_taps *taps = d->taps;
    const int64_t weights = taps->in_group * taps->out_channels * taps->kernel_size;
    const int64_t panels = cdk_phase_count(taps) * d->blocks, items = items_of(d);
    const int serial = taps->N * d->rows * d->cols * weights <= CDK_SERIAL_WORK;
    if (!d->packed) {
        cd_parallel_for(panels, serial ? panels : 1 + PACK_GRAIN * panels / weights, pack_panels, d);
    }
    const int64_t together = cdk_max(1, cdk_min(BANDS_TOGETHER, items / (8 * cd_threads())));
    cd_parallel_chunks(items, serial ? items : together, convolve_bands, d);
}

/* Pixels of a band, at most. */
static int64_t band_pixels(const cdk_direct *d)
{
    return d->images > 1 ? d->images * image_outputs(d)
                         : d->band_rows * d->taps->h.out_step * d->taps->w.outputs;
}

static cd_status run_with_statistics(cdk_direct *d, const cdk_conv_finish *finish, cd_error *err)
{
    const cdk_taps *taps = d->taps;
    const int64_t part = band_pixels(d), pixels = image_outputs(d);
    cdk_mean_m2 statistics;
    CD_TRY(d->images > 1
               ? cdk_mean_m2_begin(&statistics, 1, taps->N * pixels, part, part, taps->out_channels, err)
               : cdk_mean_m2_begin(&statistics, taps->N, pixels, part, part, taps->out_channels, err));
    d->statistics = &statistics;
    run(d);
    cdk_mean_m2_join(finish->mean, finish->M2, &statistics);
    cdk_mean_m2_free(&statistics);
    return CD_OK;
}

static cd_status run_with_mask(cdk_direct *d, const cdk_conv_finish *finish, cd_error *err)
{
    const cdk_taps *taps = d->taps;
    cdk_masking masking;
    CD_TRY(cdk_masking_begin(&masking, &finish->end, d->y, taps->N * taps->h.outputs * row_floats(d),
                             band_pixels(d) * taps->out_channels, err));
    d->masking = &masking;
    run(d);
    cdk_masking_free(&masking);
    return CD_OK;
}

static cd_status run_and_finish(cdk_direct *d, const cdk_conv_finish *finish, cd_error *err)
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

static cd_status alloc_runs(cdk_direct *d, cd_error *err)
{
    void *runs = NULL;
    size_t bytes = 0;
    CD_TRY(cd_memory_size(&bytes, (size_t)cd_threads(), (size_t)d->taps->kernel_size * 2, sizeof(ptrdiff_t),
                          err));
    CD_TRY(cd_memory_alloc(&runs, bytes, err));
    d->runs = runs;
    return CD_OK;
}

cd_status cdk_conv_direct(float *y, const float *x, const float *w, const float *bias, const cdk_taps *taps,
                          int lanewise, const cdk_conv_finish *finish, cd_error *err)
{
    cdk_direct d = {.y = y, .x = x, .w = w, .bias = bias, .taps = taps, .lanewise = lanewise};
    d.activation = finish->end.activation;
    d.y_pixel = finish->y_pixel > 0 ? finish->y_pixel : taps->out_channels;
    d.isa = cdk_isa_current();
    d.rows = cdk_axis_count(&taps->h, 0);
    d.cols = cdk_axis_count(&taps->w, 0);
    d.stream = !finish->mean && !finish->end.mask &&
               taps->N * taps->h.outputs * row_floats(&d) * (int64_t)sizeof(float) > CDK_STREAM_BYTES;
    plan_bands(&d, finish);
    cdk_packed *packed = lanewise ? NULL : finish->packed;
    d.panels = cdk_packed_panels(packed, CDK_WAY_DENSE);
    d.packed = d.panels != NULL;
    cd_status status = alloc_runs(&d, err);
    if (status == CD_OK) {
        status = (lanewise ? cdk_lanes_begin : cdk_dense_begin)(&d, err);
    }
    if (status == CD_OK) {
        status = run_and_finish(&d, finish, err);
    }
    cd_memory_free(d.scratch);
    cdk_packed_done(packed, CDK_WAY_DENSE, d.panels, status);
    cd_memory_free(d.runs);
    return status;
}
