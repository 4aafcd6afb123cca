#include "kernels/mean_m2.h"
#include "kernels/dispatch.h"
#include "kernels/sizes.h"

#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"

/* Pixels summed in float32, and moved while they are in the first cache. */
#define PIECE_PIXELS 64

static int64_t scratch_floats(const cdk_mean_m2 *m)
{
    return cdk_round_up(2 * m->channels + m->block_floats, CDK_LINE_FLOATS);
}

cd_status cdk_mean_m2_begin(cdk_mean_m2 *m, int64_t images, int64_t image_pixels, int64_t part_pixels,
                            int64_t block_pixels, int64_t channels, cd_error *err)
{
    *m = (cdk_mean_m2){.isa = cdk_isa_current(),
                       .channels = channels,
                       .images = images,
                       .image_pixels = image_pixels,
                       .part_pixels = part_pixels,
                       .image_parts = (image_pixels + part_pixels - 1) / part_pixels};
    if (images * image_pixels * channels * (int64_t)sizeof(float) > CDK_STREAM_BYTES) {
        m->block_floats = block_pixels * channels;
    }
    const size_t sums = (size_t)(images * m->image_parts * channels) * 2 * sizeof(double);
    const size_t scratch = (size_t)(scratch_floats(m) * cd_threads()) * sizeof(float);
    CD_TRY(cd_memory_alloc(&m->memory, scratch + sums + sums / 4, err));
    m->scratch = m->memory;
    m->sums = (double *)((char *)m->memory + scratch);
    m->minus_shift = (float *)((char *)m->sums + sums);
    return CD_OK;
}

void cdk_mean_m2_free(cdk_mean_m2 *m)
{
    cd_memory_free(m->memory);
    m->memory = NULL;
}

static float *scratch_of(const cdk_mean_m2 *m, int thread)
{
    return m->scratch + thread * scratch_floats(m);
}

float *cdk_mean_m2_block(const cdk_mean_m2 *m, int thread, float *y)
{
    return m->block_floats > 0 ? scratch_of(m, thread) : y;
}

static void clear_part(const cdk_mean_m2 *m, int64_t part, int64_t first, int64_t channels)
{
    double *sums = m->sums + part * 2 * m->channels + first;
    memset(sums, 0, (size_t)channels * sizeof(double));
    memset(sums + m->channels, 0, (size_t)channels * sizeof(double));
}

static cdk_piece new_piece(const cdk_mean_m2 *m, int64_t part, int thread, int64_t first, int64_t channels)
{
    float *scratch = scratch_of(m, thread) + m->block_floats;
    memset(scratch, 0, 2 * (size_t)channels * sizeof(float));
    return (cdk_piece){scratch, scratch + channels, m->minus_shift + part * m->channels + first, 0};
}

static void add_piece(const cdk_mean_m2 *m, int64_t part, const cdk_piece *piece, int64_t first,
                      int64_t channels)
{
    double *sums = m->sums + part * 2 * m->channels + first, *squares = sums + m->channels;
    for (int64_t c = 0; c < channels; c++) {
        sums[c] += piece->sum[c];
    }
    for (int64_t c = 0; c < channels; c++) {
        squares[c] += piece->squares[c];
    }
}

cdk_piece cdk_mean_m2_piece(const cdk_mean_m2 *m, int64_t part, int starts_part, int thread)
{
    cdk_piece piece = new_piece(m, part, thread, 0, m->channels);
    piece.starts_part = starts_part;
    if (starts_part) {
        clear_part(m, part, 0, m->channels);
    }
    return piece;
}

void cdk_mean_m2_add_piece(const cdk_mean_m2 *m, int64_t part, const cdk_piece *piece)
{
    add_piece(m, part, piece, 0, m->channels);
}

static void start_part(const cdk_mean_m2 *m, int64_t part, const float *y, int64_t first, int64_t channels)
{
    float *minus_shift = m->minus_shift + part * m->channels + first;
    clear_part(m, part, first, channels);
    for (int64_t c = 0; c < channels; c++) {
        minus_shift[c] = -y[c];
    }
}

void cdk_mean_m2_add(const cdk_mean_m2 *m, int64_t part, int starts_part, int thread, const float *y,
                     int64_t pixels, int64_t first_channel, int64_t channels)
{
    if (starts_part) {
        start_part(m, part, y, first_channel, channels);
    }
    for (int64_t i = 0; i < pixels; i += PIECE_PIXELS) {
        const cdk_piece piece = new_piece(m, part, thread, first_channel, channels);
        m->isa->channel_statistics(piece.sum, piece.squares, piece.minus_shift, y + i * m->channels,
                                   m->channels, cdk_min(PIECE_PIXELS, pixels - i), channels);
        add_piece(m, part, &piece, first_channel, channels);
    }
}

void cdk_mean_m2_finish(const cdk_mean_m2 *m, int64_t part, int starts_part, int thread, float *y,
                        const float *block, int64_t pixels)
{
    for (int64_t i = 0; i < pixels; i += PIECE_PIXELS) {
        const int64_t at = i * m->channels, count = cdk_min(PIECE_PIXELS, pixels - i);
        cdk_mean_m2_add(m, part, starts_part && i == 0, thread, block + at, count, 0, m->channels);
        if (block != y) {
            m->isa->move_out(y + at, block + at, count * m->channels);
        }
    }
}

/* Joins part number `part` of `count` pixels to the `before` pixels that came before it. */
static void join_part(double *mean, double *sum_squares, const cdk_mean_m2 *m, int64_t part, double before,
                      double count)
{
    const double share = count / (before + count), one = 1 / count;
    const float *minus_shift = m->minus_shift + part * m->channels;
    const double *sums = m->sums + part * 2 * m->channels, *squares = sums + m->channels;
    for (int64_t c = 0; c < m->channels; c++) {
        const double part_mean = sums[c] * one - (double)minus_shift[c];
        const double part_squares = squares[c] - sums[c] * sums[c] * one;
        const double delta = part_mean - mean[c];
        mean[c] += delta * share;
        sum_squares[c] += (part_squares < 0 ? 0 : part_squares) + delta * delta * before * share;
    }
}

void cdk_mean_m2_join(double *mean, double *sum_squares, const cdk_mean_m2 *m)
{
    memset(mean, 0, (size_t)m->channels * sizeof(double));
    memset(sum_squares, 0, (size_t)m->channels * sizeof(double));
    for (int64_t part = 0; part < m->images * m->image_parts; part++) {
        const int64_t image = part / m->image_parts, first = part % m->image_parts * m->part_pixels;
        const int64_t count = cdk_min(m->part_pixels, m->image_pixels - first);
        join_part(mean, sum_squares, m, part, (double)(image * m->image_pixels + first), (double)count);
    }
}
