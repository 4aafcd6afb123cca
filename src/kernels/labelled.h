/* What losses of segmentation compare predictions with.
 *
 * Predictions are seen as [outer][D][inner] (kernels/vectors.h), of which each image is the same number of
 * vectors, one image after the other. The truth is either a class for each vector, or a label of yes (1) or
 * no (0) for each element. What equals `ignore` does not count.
 */
#ifndef CANDELA_KERNELS_LABELLED_H
#define CANDELA_KERNELS_LABELLED_H

#include <stdint.h>

typedef struct cdk_labelled {
    int64_t images;
    const int64_t *target; /* [outer * inner], from 1 to D; or NULL: labels are given */
    const void *labels;    /* [outer][D][inner], of the predictions' type */
    int64_t ignore;
} cdk_labelled;

#endif
