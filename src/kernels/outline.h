/* The borders of objects as closed lines along the edges of pixels. */
#ifndef CANDELA_KERNELS_OUTLINE_H
#define CANDELA_KERNELS_OUTLINE_H

#include "kernels/objects.h"

/* Rings, one after the other: ring r has the corners [start[r], start[r + 1]) of `corner`, each (row, column)
 * of a corner of pixels, 0 to H and 0 to W; the last one is joined to the first. Corners lie only where the
 * line turns. The object is on the right of the way; `crossed[r]` is true where the ring may pass a corner
 * twice. Owned by the caller of cdk_outline. */
typedef struct cdk_rings {
    int64_t rings, corners, rings_room, corners_room;
    int32_t *corner;  /* [corners][2] */
    int64_t *start;   /* [rings + 1] */
    int32_t *label;   /* [rings] */
    uint8_t *crossed; /* [rings] */
} cdk_rings;

/* All borders of the objects of label[H][W]; at a corner where two pixels of an object touch, each keeps to
 * its own, so that an object whose pixels are connected by their sides has one outer ring, joined perhaps to
 * those of holes. Errors: CD_EALLOC, CD_EINTERRUPT; rings are to be freed either way. */
cd_status cdk_outline(cdk_rings *rings, const int32_t *label, cdk_mask_shape s, cd_error *err);

void cdk_rings_free(cdk_rings *rings);

#endif
