/* What the two ways of direct convolution share: tiles of dense products (conv_dense.c) and tiles whose lanes
 * are channels by themselves (conv_lanes.c). conv_direct.c cuts the images into bands, runs them on threads
 * and takes their mean and M2 or mask.
 *
 * A band is some rows of every phase of one image, or some whole images.
 */
#ifndef CANDELA_KERNELS_CONV_PHASE_H
#define CANDELA_KERNELS_CONV_PHASE_H

#include "kernels/conv_taps.h"
#include "kernels/masking.h"
#include "kernels/mean_m2.h"
#include "kernels/panels.h"

/* The outputs (h phases j + h, w phases k + w) and the taps they read. Taps of a row that read neighbouring
 * pixels, whose channels are all read, are `joined`: one run is all of them. */
typedef struct cdk_phase {
    int64_t h, w; /* of the axes */
    int64_t taps_h, taps_w;
    int64_t before; /* taps of all phases before */
    int joined;
} cdk_phase;

typedef struct cdk_direct {
    float *y;
    const float *x, *w, *bias;
    const cdk_taps *taps;
    const cdk_isa *isa;
    int64_t y_pixel; /* elements between pixels of y */
    cdk_activation activation;
    const cdk_mean_m2 *statistics; /* or NULL */
    const cdk_masking *masking;    /* or NULL */
    int stream;
    int64_t rows, cols;               /* of the largest phase */
    int64_t images, band_rows, bands; /* of a band; bands of an image */
    int lanewise;
    int64_t blocks;                      /* of output channels, of all groups */
    cdk_panels columns;                  /* dense: of a group */
    int64_t block_outputs, block_inputs; /* lanes: channels of a block */
    float *panels;                       /* packed weights */
    int packed;                          /* by a call before */
    float *scratch;                      /* [threads][scratch_floats] */
    int64_t scratch_floats;
    ptrdiff_t *runs; /* [threads][2][kernel size] */
} cdk_direct;

/* Rows first .. last of every phase of images n .. n + images. y is where the first of these outputs goes. */
typedef struct cdk_band {
    int64_t n, images, first, last;
    float *y;
    int thread;
} cdk_band;

int64_t cdk_phase_count(const cdk_taps *taps);
cdk_phase cdk_phase_make(const cdk_taps *taps, int64_t index, int lanewise);

/* Elements to fetch into the cache at each of some steps, so that enough is fetched: a power of two, at most
 * a line. */
int64_t cdk_fetch_step(int64_t floats, int64_t steps);

/* Allocates panels and scratch of one way; packs the weights of one block of a phase; computes a band. */
cd_status cdk_dense_begin(cdk_direct *d, cd_error *err);
void cdk_dense_pack(const cdk_direct *d, const cdk_phase *p, int64_t block);
void cdk_dense_band(const cdk_direct *d, const cdk_band *band);

cd_status cdk_lanes_begin(cdk_direct *d, cd_error *err);
void cdk_lanes_pack(const cdk_direct *d, const cdk_phase *p, int64_t block);
void cdk_lanes_band(const cdk_direct *d, const cdk_band *band);

/* What lanes read: the inputs of a block for a band of image n are spread into scratch, [row][column][input
 * of a group][lane], from row first in_step + low of the image on and column low, zeros where there are none;
 * rows that are not in the image are left as they are. Plan sets blocks and the size of the scratch from
 * taps, isa, cols and band_rows. */
void cdk_lanes_plan(cdk_direct *d);
void cdk_lanes_fill(const cdk_direct *d, float *scratch, int64_t n, const cdk_band *band, int64_t block);

/* Floats of a pixel, and of a row, of the scratch. */
int64_t cdk_lanes_pixel(const cdk_direct *d);
int64_t cdk_lanes_row(const cdk_direct *d);

/* Output channels whose inputs are at most `width`, whole groups of them; 0 where a group has too many. */
int64_t cdk_lanes_outputs(const cdk_taps *taps, int width);

#endif
