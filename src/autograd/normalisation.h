/* What other operators do with a batch norm that is still pending. */
#ifndef CANDELA_AUTOGRAD_NORMALISATION_H
#define CANDELA_AUTOGRAD_NORMALISATION_H

#include <stdbool.h>

#include "kernels/epilogue.h"
#include "tensor/tensor.h"

/* act(scale[c] x + shift[c]) for each channel c; scale and shift are vectors of float64. */
typedef struct cd_normalised {
    cd_tensor *x, *scale, *shift; /* borrowed */
    cdk_activation activation;
} cd_normalised;

/* If t is waiting to be normalised and nobody else has taken it so yet, makes *n what it is made of, *taken
 * true, and leaves t as it is: the caller computes for itself what t would be. Otherwise *taken is false. */
void cd_take_normalised(bool *taken, cd_normalised *n, cd_tensor *t);

#endif
