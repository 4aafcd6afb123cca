/* Dropout: elements are multiplied with 0 with probability p, else with 1 / (1 - p).
 *
 * The decision for an element is a function of a seed and the element's number alone (Salmon, Moraes, Dror,
 * Shaw 2011, Parallel random numbers: as easy as 1, 2, 3; Philox2x32 with 7 rounds, which passes BigCrush):
 * it is the same on any number of threads and in any memory order, and is made again for the gradient instead
 * of being kept.
 */
#ifndef CANDELA_KERNELS_DROPOUT_H
#define CANDELA_KERNELS_DROPOUT_H

#include <stdint.h>

#include "kernels/by_dtype.h"

/* Elements in the order of memory are rows of `length`: row r has the numbers
 * r / rows_per_image * image_step + r % rows_per_image * row_step + j * step for its elements j. */
typedef struct cdk_dropout {
    uint64_t seed;
    double p;
    int64_t rows, length, rows_per_image, image_step, row_step, step;
} cdk_dropout;

/* y[i] = x[i] times what is drawn for element i; y may be x. */
typedef void cdk_dropout_run(void *y, const void *x, const cdk_dropout *d);
extern cdk_dropout_run *const cdk_drop_out[CD_DTYPES];

#endif
