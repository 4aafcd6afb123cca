/* Dropout: what elements are multiplied with. */
#ifndef CANDELA_KERNELS_DROPOUT_H
#define CANDELA_KERNELS_DROPOUT_H

#include <stdint.h>

#include "base/random.h"

/* factor[i] = 0 with probability p, else 1 / (1 - p), i < n; one number of the generator is drawn for each. */
void cdk_draw_dropout(float *factor, int64_t n, double p, cd_generator *generator);

#endif
