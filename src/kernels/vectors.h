/* Arrays seen as vectors of numbers that belong together: [outer][D][inner] are outer * inner vectors of
 * length D. Channels-last images with the channels as D have outer = N H W and inner = 1.
 */
#ifndef CANDELA_KERNELS_VECTORS_H
#define CANDELA_KERNELS_VECTORS_H

#include <stdint.h>

typedef struct cdk_vectors {
    int64_t outer, D, inner;
} cdk_vectors;

#endif
