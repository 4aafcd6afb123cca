/* Weights packed for a convolution, kept by the caller from one call to the next: for weights that do not
 * change.
 *
 * A zeroed cdk_packed has nothing. It is for one array of weights, float32; what was packed for another kind
 * of convolution, way or instruction set is replaced. The caller forgets it (cdk_packed_free) when the
 * weights change.
 */
#ifndef CANDELA_KERNELS_CONV_PACKED_H
#define CANDELA_KERNELS_CONV_PACKED_H

#include "base/status.h"
#include "kernels/conv_shape.h"
#include "kernels/conv_way.h"

/* A product of pixels, beside the ways of kernels/conv_way.h. */
#define CDK_PACKED_PRODUCT CDK_WAYS

typedef struct cdk_packed {
    float *panels; /* NULL: nothing yet */
    int way;
    const void *isa;
    cdk_conv kind; /* the convolution without the sizes of its images */
    int backward;
} cdk_packed;

/* What is packed for another kind of convolution, or the other direction, goes. p may be NULL. */
void cdk_packed_begin(cdk_packed *p, const cdk_conv *conv, int backward);

/* What is packed for `way`, or NULL; p may be NULL. */
float *cdk_packed_panels(const cdk_packed *p, int way);

/* A call is done with panels that it packed for `way`, or that come from cdk_packed_panels(): they are kept
 * where it did well, else, or where p is NULL, freed. */
void cdk_packed_done(cdk_packed *p, int way, float *panels, cd_status status);

void cdk_packed_free(cdk_packed *p);

#endif
