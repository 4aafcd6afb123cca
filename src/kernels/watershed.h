/* Objects that touch, parted at their necks: a watershed of the distance to the outside. */
#ifndef CANDELA_KERNELS_WATERSHED_H
#define CANDELA_KERNELS_WATERSHED_H

#include "kernels/objects.h"

/* What makes two maxima of the distance two objects; they are one where any of these says so. */
typedef struct cdk_parting {
    double depth;    /* pixels: the lower maximum is less than this above the pass between them */
    double neck;     /* the pass is higher than this share of the lower maximum; 1: this rule never joins */
    double distance; /* pixels: the maxima are less than this apart */
    double smooth;   /* standard deviation, in pixels, of a bell by which the distances are smoothed first */
} cdk_parting;

/* label[H][W] holds 0 to *count, each a connected object; objects with several maxima of the exact Euclidean
 * distance to the nearest pixel outside are divided among them. Of all pixels, the highest come first; each
 * joins the basin that reaches it first, and where two basins meet, at a pass, the rules above decide whether
 * they stay two (Vincent and Soille 1991, Watersheds in digital spaces; maxima by their dynamics, Grimaud
 * 1992). Distances count in 64ths of a pixel. The labels are numbered as cdk_number_objects does. Errors:
 * CD_EALLOC, CD_EINTERRUPT, CD_EVALUE where there are too many parts for 32 bits. */
cd_status cdk_part_objects(int32_t *label, int64_t *count, const cdk_parting *rules, cdk_mask_shape s,
                           cd_error *err);

#endif
