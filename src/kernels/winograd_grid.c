#include "kernels/winograd_grid.h"

#include "kernels/isa.h"

/* Narrower layers spend more on the transforms than they save. */
#define WINOGRAD_MIN_CHANNELS 24
/* With fewer pixels than this the transform of the weights does not pay. */
#define WINOGRAD_MIN_PIXELS 192

static int is_unit_axis(const cdk_axis *axis)
{
    return axis->phases == 1 && axis->in_step == 1 && axis->start[1] == 3 && axis->high - axis->low == 2;
}

int cdk_winograd_suits(const cdk_taps *taps)
{
    return is_unit_axis(&taps->h) && is_unit_axis(&taps->w) && taps->groups == 1 &&
           taps->in_channels >= WINOGRAD_MIN_CHANNELS && taps->out_channels >= WINOGRAD_MIN_CHANNELS &&
           taps->N * taps->h.outputs * taps->w.outputs >= WINOGRAD_MIN_PIXELS;
}

cdk_winograd_grid cdk_winograd_grid_make(const cdk_taps *taps)
{
    cdk_winograd_grid grid = {
        .H = taps->h.inputs,
        .W = taps->w.inputs,
        .OH = taps->h.outputs,
        .OW = taps->w.outputs,
        .low_h = taps->h.low,
        .low_w = taps->w.low,
        .tiles_h = (taps->h.outputs + 1) / 2,
        .tiles_w = (taps->w.outputs + 1) / 2,
    };
    grid.tiles = taps->N * grid.tiles_h * grid.tiles_w;
    return grid;
}

ptrdiff_t cdk_winograd_point_distance(int64_t floats)
{
    const ptrdiff_t lines = (floats + CDK_LINE_FLOATS - 1) / CDK_LINE_FLOATS;
    return (lines | 1) * CDK_LINE_FLOATS;
}

typedef struct tile_place {
    int64_t n, h, w; /* of the first output */
} tile_place;

static tile_place place_of(const cdk_winograd_grid *grid, int64_t tile)
{
    const int64_t image_tiles = grid->tiles_h * grid->tiles_w, in_image = tile % image_tiles;
    const tile_place place = {tile / image_tiles, 2 * (in_image / grid->tiles_w),
                              2 * (in_image % grid->tiles_w)};
    return place;
}

void cdk_winograd_inputs(const float **d, const cdk_winograd_grid *grid, int64_t tile, const float *x,
                         int64_t C, const float *zeros)
{
    const tile_place place = place_of(grid, tile);
    const int64_t h0 = place.h + grid->low_h, w0 = place.w + grid->low_w;
    for (int64_t i = 0; i < 4; i++) {
        const int64_t row = (place.n * grid->H + h0 + i) * grid->W;
        const int row_exists = h0 + i >= 0 && h0 + i < grid->H;
        for (int64_t j = 0; j < 4; j++) {
            const int exists = row_exists && w0 + j >= 0 && w0 + j < grid->W;
            d[4 * i + j] = exists ? x + (row + w0 + j) * C : zeros;
        }
    }
}

void cdk_winograd_outputs(ptrdiff_t *at, const cdk_winograd_grid *grid, int64_t tile, int64_t K)
{
    const tile_place place = place_of(grid, tile);
    const ptrdiff_t first = ((place.n * grid->OH + place.h) * grid->OW + place.w) * K;
    const int below = place.h + 1 < grid->OH, right = place.w + 1 < grid->OW;
    at[0] = first;
    at[1] = right ? first + K : -1;
    at[2] = below ? first + grid->OW * K : -1;
    at[3] = below && right ? first + (grid->OW + 1) * K : -1;
}
