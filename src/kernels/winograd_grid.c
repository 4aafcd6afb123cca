#include "kernels/winograd_grid.h"

#include "kernels/isa.h"

/* Narrower layers spend more on the transforms than they save. */
#define WINOGRAD_MIN_CHANNELS 24
/* With fewer pixels than this the transform of the weights does not pay. */
#define WINOGRAD_MIN_PIXELS 192

/* The distance of three taps of outputs side by side, or 0. */
static int64_t distance_of_taps(const cdk_axis *axis)
{
    const int three = axis->phases == 1 && axis->in_step == 1 && axis->start[1] == 3;
    return three ? axis->offset[1] - axis->offset[0] : 0;
}

int cdk_winograd_serves(const cdk_taps *taps)
{
    return distance_of_taps(&taps->h) > 0 && distance_of_taps(&taps->w) > 0 && taps->groups == 1 &&
           taps->in_channels >= WINOGRAD_MIN_CHANNELS && taps->out_channels >= WINOGRAD_MIN_CHANNELS;
}

int cdk_winograd_pays_for_weights(const cdk_taps *taps)
{
    return cdk_winograd_serves(taps) && distance_of_taps(&taps->h) == 1 && distance_of_taps(&taps->w) == 1 &&
           taps->N * taps->h.outputs * taps->w.outputs >= WINOGRAD_MIN_PIXELS;
}

/* Outputs `distance` apart make pairs; of every `distance` neighbours each starts a row of pairs. */
static int64_t tiles_along(int64_t outputs, int64_t distance)
{
    const int64_t longer = outputs % distance, shorter = outputs / distance;
    return longer * ((shorter + 2) / 2) + (distance - longer) * ((shorter + 1) / 2);
}

/* The first output of a tile along an axis. */
static int64_t first_output(int64_t tile, int64_t outputs, int64_t distance)
{
    const int64_t longer = outputs % distance, pairs = (outputs / distance + 2) / 2,
                  fewer = (outputs / distance + 1) / 2;
    return tile < longer * pairs
               ? tile / pairs + 2 * distance * (tile % pairs)
               : longer + (tile - longer * pairs) / fewer + 2 * distance * ((tile - longer * pairs) % fewer);
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
        .step_h = distance_of_taps(&taps->h),
        .step_w = distance_of_taps(&taps->w),
    };
    grid.tiles_h = tiles_along(grid.OH, grid.step_h);
    grid.tiles_w = tiles_along(grid.OW, grid.step_w);
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
    const tile_place place = {tile / image_tiles,
                              first_output(in_image / grid->tiles_w, grid->OH, grid->step_h),
                              first_output(in_image % grid->tiles_w, grid->OW, grid->step_w)};
    return place;
}

void cdk_winograd_inputs(const float **d, const cdk_winograd_grid *grid, int64_t tile, const float *x,
                         int64_t C, const float *zeros)
{
    const tile_place place = place_of(grid, tile);
    const int64_t h0 = place.h + grid->low_h, w0 = place.w + grid->low_w;
    for (int64_t i = 0; i < 4; i++) {
        const int64_t h = h0 + i * grid->step_h, row = (place.n * grid->H + h) * grid->W;
        const int row_exists = h >= 0 && h < grid->H;
        for (int64_t j = 0; j < 4; j++) {
            const int64_t w = w0 + j * grid->step_w;
            d[4 * i + j] = row_exists && w >= 0 && w < grid->W ? x + (row + w) * C : zeros;
        }
    }
}

void cdk_winograd_outputs(ptrdiff_t *at, const cdk_winograd_grid *grid, int64_t tile, int64_t K)
{
    const tile_place place = place_of(grid, tile);
    const ptrdiff_t first = ((place.n * grid->OH + place.h) * grid->OW + place.w) * K;
    const ptrdiff_t row = grid->step_h * grid->OW * K, pixel = grid->step_w * K;
    const int below = place.h + grid->step_h < grid->OH, right = place.w + grid->step_w < grid->OW;
    at[0] = first;
    at[1] = right ? first + pixel : -1;
    at[2] = below ? first + row : -1;
    at[3] = below && right ? first + row + pixel : -1;
}
