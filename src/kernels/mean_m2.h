/* Mean and sum of squared distances per channel, gathered from an array while it is written.
 *
 * The pixels of the array are cut into parts that depend on its shape alone. Every part is summed about its
 * first pixel, in float32 over short pieces and in double precision over these; the parts are joined in order
 * (Chan, Golub and LeVeque 1983). So results depend neither on the number of threads nor on how far the mean
 * is from zero.
 *
 * An array too large for the caches should be written past them, but then its sums would have to read it
 * back. So each thread can have a block that stays in its cache: results are computed there, summed, and only
 * then written out.
 */
#ifndef CANDELA_KERNELS_MEAN_M2_H
#define CANDELA_KERNELS_MEAN_M2_H

#include "base/status.h"
#include "kernels/isa.h"

typedef struct cdk_mean_m2 {
    const cdk_isa *isa;
    int64_t channels, images, image_pixels, part_pixels;
    int64_t image_parts;  /* the last of each image may be smaller */
    int64_t block_floats; /* of every thread's block; 0: results are written where they belong */
    double *sums;         /* [parts][2][channels]: distances from the part's shift, and their squares */
    float *minus_shift;   /* [parts][channels] */
    float *scratch;       /* [threads][2 channels + block] */
    void *memory;
} cdk_mean_m2;

/* For `images` times image_pixels pixels; each image is cut into parts of part_pixels. At most block_pixels
 * are computed at a time. Free with cdk_mean_m2_free. */
cd_status cdk_mean_m2_begin(cdk_mean_m2 *statistics, int64_t images, int64_t image_pixels,
                            int64_t part_pixels, int64_t block_pixels, int64_t channels, cd_error *err);
void cdk_mean_m2_free(cdk_mean_m2 *statistics);

/* Where `thread` is to compute a block that belongs to y: its own block, or y. */
float *cdk_mean_m2_block(const cdk_mean_m2 *statistics, int thread, float *y);

/* Adds pixels that have just been computed to a part; starts_part with the part's first pixels. Only one
 * thread at a time may add to the same channels of a part. y points to the first of `channels` channels from
 * first_channel on, of pixels that are statistics->channels apart. */
void cdk_mean_m2_add(const cdk_mean_m2 *statistics, int64_t part, int starts_part, int thread, const float *y,
                     int64_t pixels, int64_t first_channel, int64_t channels);

/* For kernels that sum on the way: sums of 0 for `thread` to add to, all channels of some pixels of a part,
 * and how they then become the part's. Few pixels: these sums are float32. */
cdk_piece cdk_mean_m2_piece(const cdk_mean_m2 *statistics, int64_t part, int starts_part, int thread);
void cdk_mean_m2_add_piece(const cdk_mean_m2 *statistics, int64_t part, const cdk_piece *piece);

/* Adds all channels of the pixels computed in `block` = cdk_mean_m2_block(..., y), and moves them to y. */
void cdk_mean_m2_finish(const cdk_mean_m2 *statistics, int64_t part, int starts_part, int thread, float *y,
                        const float *block, int64_t pixels);

/* Joins the parts: results are [channels]. */
void cdk_mean_m2_join(double *mean, double *sum_squares, const cdk_mean_m2 *statistics);

#endif
