/* Objects in masks: connected components, their numbers and their measures.
 *
 * Masks and labels are [H][W], row-major; labels count from 1, 0 is no object. R's matrices are the other way
 * round, so that the glue exchanges H and W; nothing here depends on which of the two is called a row.
 */
#ifndef CANDELA_KERNELS_OBJECTS_H
#define CANDELA_KERNELS_OBJECTS_H

#include <stdint.h>

#include "base/status.h"

typedef struct cdk_mask_shape {
    int64_t H, W;
    int neighbours; /* of a pixel: 4, or 8 with those at its corners */
} cdk_mask_shape;

/* label[H][W]: pixels of the same class > 0 that neighbours connect have the same number of 1 to *count;
 * pixels of other classes have 0. Numbers follow the first pixel of each object, down the first column, then
 * the next (Rosenfeld and Pfaltz 1966: two passes, with a forest of equivalent labels). Errors: CD_EALLOC,
 * CD_EINTERRUPT, CD_EVALUE where there are too many objects for 32 bits. */
cd_status cdk_components(int32_t *label, int64_t *count, const int32_t *class, cdk_mask_shape s,
                         cd_error *err);

/* Numbers objects again: 1 to *count, in the order above; numbers without a pixel are given up. label holds 0
 * to
 * *count. Errors: CD_EALLOC, CD_EINTERRUPT. */
cd_status cdk_number_objects(int32_t *label, int64_t *count, cdk_mask_shape s, cd_error *err);

/* What is added up of one object. Positions are (row, column) from 0. */
typedef struct cdk_object {
    int64_t area;              /* pixels */
    int64_t first;             /* place of its first pixel in memory, -1 where it has none */
    int64_t least[2], most[2]; /* rows and columns */
    double sum[2];             /* of positions, from that of the first pixel */
    double square[3];          /* of their squares: rows, columns, row times column */
    int64_t crossings[4];      /* ends of runs along columns, along rows, and along both diagonals */
} cdk_object;

/* object[count]; object[k] is that of label k + 1. label holds 0 to count. The picture ends objects. */
void cdk_measure_objects(cdk_object *object, int64_t count, const int32_t *label, cdk_mask_shape s);

/* The largest label, or -1 where one is negative. */
int64_t cdk_largest_label(const int32_t *label, int64_t n);

#endif
