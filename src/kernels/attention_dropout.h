/* Which weights of attention are dropped: a function of the seed and of head, query and key alone, so that
 * backward draws what forward drew, whatever the blocks and threads. */
#ifndef CANDELA_KERNELS_ATTENTION_DROPOUT_H
#define CANDELA_KERNELS_ATTENTION_DROPOUT_H

#include "kernels/attention_shape.h"

/* factor[k] = 0 with probability a->p, else 1 / (1 - p), for keys j .. j + keys - 1 of query i. */
void cdk_attention_kept(float *factor, const cdk_attention *a, int64_t h, int64_t i, int64_t j, int64_t keys);

#endif
