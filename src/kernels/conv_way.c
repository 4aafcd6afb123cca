#include "kernels/conv_way.h"

#include <math.h>

#include "kernels/conv_depthwise.h"
#include "kernels/conv_phase.h"
#include "kernels/dispatch.h"
#include "kernels/sizes.h"
#include "kernels/winograd_grid.h"

/* Share of the peak that tiles of products reach. */
#define DENSE_SPEED 0.92
/* A tap of a group is a run of its own, which costs a tile about so many steps more. */
#define DENSE_RUN_STEPS 2.5
/* The same for products of transformed tiles, and for a tile and channel what the transforms of inputs and of
 * outputs take, and for a weight. */
#define WINOGRAD_SPEED 0.88
#define WINOGRAD_INPUT 60
#define WINOGRAD_OUTPUT 40
#define WINOGRAD_WEIGHT 80
/* What does not stay in a second-level cache of so many floats is fetched again for every block of tiles, a
 * float in the time of so many multiply-adds. */
#define CACHE_FLOATS (256.0 * 1024)
#define WINOGRAD_FETCH 14
/* Rows read an input from memory for every product, and where to find it. */
#define ROWS_SPEED 0.25
/* Lanes read an input for every product; to spread one takes a few, and to write an output far from the
 * next. */
#define LANES_SPEED 0.6
#define LANES_SPREAD 4
#define LANES_WRITE 12

/* Pairs of an output and a tap that exists, along an axis. */
static int64_t valid_pairs(const cdk_axis *axis)
{
    int64_t pairs = 0, first, last;
    for (int64_t phase = 0; phase < axis->phases; phase++) {
        for (int64_t i = axis->start[phase]; i < axis->start[phase + 1]; i++) {
            cdk_axis_valid(axis, i, cdk_axis_count(axis, phase), &first, &last);
            pairs += last - first;
        }
    }
    return pairs;
}

static double pairs_of_images(const cdk_taps *taps)
{
    return (double)(taps->N * valid_pairs(&taps->h) * valid_pairs(&taps->w));
}

static double dense_cost(const cdk_taps *taps)
{
    const cdk_panels columns = cdk_panels_make(cdk_isa_current(), taps->out_group);
    const double steps = (double)taps->in_group + (taps->groups > 1 ? DENSE_RUN_STEPS : 0);
    return pairs_of_images(taps) * steps * (double)(taps->groups * columns.width) / DENSE_SPEED;
}

/* Floats that a block of tiles fetches: panels of weights, and its transformed inputs for every panel. */
static double winograd_fetched(double C, double K)
{
    const double panels = CDK_WINOGRAD_POINTS * C * K, inputs = CDK_WINOGRAD_POINTS * C * CDK_WINOGRAD_TILES;
    const double blocks = K / cdk_isa_current()->kind[0].width;
    return (panels > CACHE_FLOATS ? panels : 0) + (inputs > CACHE_FLOATS ? inputs * blocks : 0);
}

static double winograd_cost(const cdk_taps *taps)
{
    if (!cdk_winograd_serves(taps)) {
        return INFINITY;
    }
    const cdk_winograd_grid grid = cdk_winograd_grid_make(taps);
    const cdk_panels columns = cdk_panels_make(cdk_isa_current(), taps->out_channels);
    const double C = (double)taps->in_channels, K = (double)columns.width, tiles = (double)grid.tiles;
    return tiles * (CDK_WINOGRAD_POINTS * C * K / WINOGRAD_SPEED + WINOGRAD_INPUT * C + WINOGRAD_OUTPUT * K) +
           ceil(tiles / CDK_WINOGRAD_TILES) * WINOGRAD_FETCH * winograd_fetched(C, K) +
           WINOGRAD_WEIGHT * C * K;
}

/* Nothing does less: it is the way of all taps it serves. */
static double strips_cost(const cdk_taps *taps)
{
    return taps->in_group == 1 && taps->out_group == 1 && cdk_suits_strips(taps) ? 0 : INFINITY;
}

static double rows_cost(const cdk_taps *taps)
{
    const double channels = (double)cdk_round_up(taps->groups, cdk_isa_current()->lanewise.width);
    return taps->in_group == 1 && taps->out_group == 1 ? pairs_of_images(taps) * channels / ROWS_SPEED
                                                       : INFINITY;
}

static double lanes_cost(const cdk_taps *taps)
{
    const int64_t width = cdk_isa_current()->lanewise.width, outputs = cdk_lanes_outputs(taps, (int)width);
    if (outputs == 0 || taps->groups == 1) {
        return INFINITY;
    }
    const double lanes = (double)(cdk_ceil_div(taps->out_channels, outputs) * width);
    const double read = (double)(taps->N * taps->h.inputs * taps->w.inputs);
    const double written = (double)(taps->N * taps->h.outputs * taps->w.outputs);
    return lanes * ((double)taps->in_group * (pairs_of_images(taps) / LANES_SPEED + LANES_SPREAD * read) +
                    LANES_WRITE * written);
}

double cdk_way_cost(cdk_way way, const cdk_taps *taps)
{
    static double (*const cost[CDK_WAYS])(const cdk_taps *) = {
        [CDK_WAY_DENSE] = dense_cost, [CDK_WAY_WINOGRAD] = winograd_cost, [CDK_WAY_STRIPS] = strips_cost,
        [CDK_WAY_ROWS] = rows_cost,   [CDK_WAY_LANES] = lanes_cost,
    };
    return cost[way](taps);
}

cdk_way cdk_way_of(const cdk_taps *taps)
{
    cdk_way best = CDK_WAY_DENSE;
    double least = INFINITY;
    for (int way = 0; way < CDK_WAYS; way++) {
        const double cost = cdk_way_cost((cdk_way)way, taps);
        if (cost < least) {
            least = cost;
            best = (cdk_way)way;
        }
    }
    return best;
}

/* Vectors a pixel and tap of the gradient of the weights takes: a row of a tile for each channel that is not
 * a column, and a tile waits for its own results where it has few rows. Every tap of every group starts
 * anew. */
#define WEIGHT_TILE_ROWS 8
#define WEIGHT_GROUP_VECTORS 4

static double dense_weight_cost(const cdk_taps *taps)
{
    const int64_t widest = cdk_isa_current()->kind[0].width, vector = cdk_isa_current()->lanewise.width;
    const int64_t width = cdk_min(cdk_panels_make(cdk_isa_current(), taps->out_group).width,
                                  cdk_round_up(taps->out_group, widest));
    return (double)taps->groups *
           ((double)cdk_ceil_div(width, vector) * (double)cdk_max(taps->in_group, WEIGHT_TILE_ROWS) +
            WEIGHT_GROUP_VECTORS);
}

static double lanes_weight_cost(const cdk_taps *taps)
{
    const int64_t outputs = cdk_lanes_outputs(taps, cdk_isa_current()->lanewise.width);
    return outputs == 0 || taps->groups == 1
               ? INFINITY
               : (double)(cdk_ceil_div(taps->out_channels, outputs) * taps->in_group) / LANES_SPEED;
}

cdk_way cdk_weight_way_of(const cdk_taps *taps)
{
    if (cdk_winograd_pays_for_weights(taps)) {
        return CDK_WAY_WINOGRAD;
    }
    if (taps->in_group == 1 && taps->out_group == 1) {
        return cdk_suits_strips(taps) ? CDK_WAY_STRIPS : CDK_WAY_ROWS;
    }
    return lanes_weight_cost(taps) < dense_weight_cost(taps) ? CDK_WAY_LANES : CDK_WAY_DENSE;
}

const char *cdk_way_name(cdk_way way)
{
    static const char *const name[CDK_WAYS] = {"dense", "winograd", "strips", "rows", "lanes"};
    return name[way];
}
