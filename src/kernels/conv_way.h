/* Which way a convolution goes: the one place that decides. Every way is told by its cost, the multiply-adds
 * of full vectors it takes and what it does besides in the time of so many of them, and the cheapest that can
 * is taken. Costs depend on shapes and the instruction set alone, never on the number of threads.
 */
#ifndef CANDELA_KERNELS_CONV_WAY_H
#define CANDELA_KERNELS_CONV_WAY_H

#include "kernels/conv_taps.h"

typedef enum {
    CDK_WAY_DENSE = 0, /* conv_dense.c: products of pixels and panels, the taps that exist */
    CDK_WAY_WINOGRAD,  /* conv_winograd.c: minimal filtering */
    CDK_WAY_STRIPS,    /* conv_depthwise.c: 3 x 3 of each channel in registers */
    CDK_WAY_ROWS,      /* conv_depthwise.c: rows of pixels, all channels, each by itself */
    CDK_WAY_LANES,     /* conv_lanes.c: lanes are channels, any kernel, groups of few channels */
    CDK_WAYS
} cdk_way;

/* What a way costs, or infinity where it cannot. */
double cdk_way_cost(cdk_way way, const cdk_taps *taps);
cdk_way cdk_way_of(const cdk_taps *taps);

/* The way of the gradient of the weights; the taps are those of the forward pass. Groups of one channel each
 * go by strips or rows. */
cdk_way cdk_weight_way_of(const cdk_taps *taps);

/* "dense", "winograd", "strips", "rows", "lanes" */
const char *cdk_way_name(cdk_way way);

#endif
