#include "kernels/dropout.h"

void cdk_draw_dropout(float *factor, int64_t n, double p, cd_generator *generator)
{
    const float scale = p < 1 ? (float)(1 / (1 - p)) : 0;
    for (int64_t i = 0; i < n; i++) {
        factor[i] = cd_random_double(generator) < 1 - p ? scale : 0;
    }
}
