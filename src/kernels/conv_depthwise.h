/* Depthwise convolution row by row, for those who have more to do with a row than to compute it.
 *
 * Rows are those of the outputs of `taps` (the gradient of the input, where the taps are those of a backward
 * pass). Begin allocates and packs the weights, which are [C][R][S]; end frees. bias is [C] or NULL. Between
 * them any thread may compute any row; `thread` is the one of cd_parallel_for.
 */
#ifndef CANDELA_KERNELS_CONV_DEPTHWISE_H
#define CANDELA_KERNELS_CONV_DEPTHWISE_H

#include "kernels/conv_taps.h"
#include "kernels/isa.h"

typedef struct cdk_depthwise_rows {
    float *y;
    const float *x, *bias;
    float *weights;   /* [R][S][C], in the order of the offsets where `three` */
    float *zeros;     /* [C], where `three` */
    ptrdiff_t *lists; /* [threads][2][R S], unless `three` */
    const cdk_taps *taps;
    const cdk_isa *isa;
    cdk_activation activation;
    int stream;
    int three; /* 3 x 3 with neighbouring taps: isa->depthwise3 does it */
} cdk_depthwise_rows;

cd_status cdk_depthwise_begin(cdk_depthwise_rows *rows, float *y, const float *x, const float *w,
                              const float *bias, const cdk_taps *taps, cdk_activation activation,
                              cd_error *err);

/* Row h of image n, into y [W][C]. */
void cdk_depthwise_row(const cdk_depthwise_rows *rows, int thread, float *y, int64_t n, int64_t h);

/* Where that row belongs. */
float *cdk_depthwise_place(const cdk_depthwise_rows *rows, int64_t n, int64_t h);

void cdk_depthwise_end(cdk_depthwise_rows *rows);

#endif
