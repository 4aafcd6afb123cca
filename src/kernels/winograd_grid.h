/* The tiles of 2 x 2 outputs images are cut into for kernels/conv_winograd.h, and where their pixels are. */
#ifndef CANDELA_KERNELS_WINOGRAD_GRID_H
#define CANDELA_KERNELS_WINOGRAD_GRID_H

#include <stddef.h>

#include "kernels/conv_taps.h"

#define CDK_WINOGRAD_POINTS 16
/* Tiles transformed together, about: with 352 channels they take 1.2 MB, and panels of weights are used so
 * often before the next is fetched. */
#define CDK_WINOGRAD_TILES 56

typedef struct cdk_winograd_grid {
    int64_t H, W;             /* of the inputs */
    int64_t OH, OW;           /* of the outputs */
    int64_t low_h, low_w;     /* offset of the first tap */
    int64_t step_h, step_w;   /* from tap to tap, and from output to output of a tile */
    int64_t tiles_h, tiles_w; /* of an image */
    int64_t tiles;            /* of all images */
} cdk_winograd_grid;

/* Whether the taps are a 3 x 3 kernel with stride 1, and layers are wide enough; and whether the gradient of
 * the weights takes this way. */
int cdk_winograd_serves(const cdk_taps *taps);
int cdk_winograd_pays_for_weights(const cdk_taps *taps);

cdk_winograd_grid cdk_winograd_grid_make(const cdk_taps *taps);

/* Elements from one point to the next where a point takes `floats` of them: an odd number of cache lines, so
 * that the points of a tile do not share the sets of a cache. */
ptrdiff_t cdk_winograd_point_distance(int64_t floats);

/* d[16]: the 4 x 4 inputs of a tile, in x [N][H][W][C], or `zeros` [C] where there is no image. */
void cdk_winograd_inputs(const float **d, const cdk_winograd_grid *grid, int64_t tile, const float *x,
                         int64_t C, const float *zeros);

/* at[4]: the offsets of the 2 x 2 outputs of a tile in y [N][OH][OW][K], or -1 where there is no image. */
void cdk_winograd_outputs(ptrdiff_t *at, const cdk_winograd_grid *grid, int64_t tile, int64_t K);

#endif
