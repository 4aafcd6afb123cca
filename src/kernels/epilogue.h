/* What a kernel does to a result while it is still in a register, or to an input on its way there. */
#ifndef CANDELA_KERNELS_EPILOGUE_H
#define CANDELA_KERNELS_EPILOGUE_H

#include <math.h>
#include <stdint.h>

typedef enum {
    CDK_ACTIVATION_NONE = 0,
    CDK_ACTIVATION_RELU, /* max(0, y); NaN stays NaN */
    CDK_ACTIVATION_RELU6 /* min(6, max(0, y)); NaN stays NaN */
} cdk_activation;

/* What happens to results on their way to memory: the activation and, unless mask is NULL, bit i % 8 of
 * mask[i / 8] becomes 0 < y[i] < high (kernels/mask.h), where y[i] is the activated result number i in
 * memory. */
typedef struct cdk_epilogue {
    cdk_activation activation;
    uint8_t *mask;
    float high;
} cdk_epilogue;

/* act(scale[c] v + shift[c]) for each channel c: what is done to an input before it is used. */
typedef struct cdk_affine {
    const double *scale, *shift;
    cdk_activation activation;
} cdk_affine;

/* What activated results lie between. */
static inline float cdk_activation_low(cdk_activation activation)
{
    return activation == CDK_ACTIVATION_NONE ? -INFINITY : 0;
}

static inline float cdk_activation_high(cdk_activation activation)
{
    return activation == CDK_ACTIVATION_RELU6 ? 6 : INFINITY;
}

/* The one activation that does what `first` and `then` do. */
static inline cdk_activation cdk_activation_both(cdk_activation first, cdk_activation then)
{
    return first > then ? first : then;
}

#endif
