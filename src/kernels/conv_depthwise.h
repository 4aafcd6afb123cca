/* Depthwise convolution by rows, for those who have more to do with rows than to compute them.
 *
 * Rows are those of the outputs of `taps` (the gradient of the input, where the taps are those of a backward
 * pass). Begin allocates and packs the weights, which are [C][R][S]; end frees. bias is [C] or NULL. Between
 * them any thread may compute any rows; `thread` is the one of cd_parallel_for.
 */
#ifndef CANDELA_KERNELS_CONV_DEPTHWISE_H
#define CANDELA_KERNELS_CONV_DEPTHWISE_H

#include "kernels/conv_taps.h"
#include "kernels/isa.h"

typedef struct cdk_depthwise_rows {
    float *y;
    const float *x, *bias;
    float *weights;      /* [R][S][C], or that of every slab where `three` */
    float *zeros;        /* [C], where `three` */
    ptrdiff_t *lists;    /* [threads][2][R S], unless `three` */
    float *coefficients; /* scale [C] and shift [C] of the input, or NULL */
    float *inputs;       /* [threads][input_size]: the affine image of what the rows at hand read */
    int64_t input_size;
    const cdk_taps *taps;
    const cdk_isa *isa;
    cdk_activation input_activation, activation;
    int stream;
    int three; /* isa->depthwise3 does it */
} cdk_depthwise_rows;

cd_status cdk_depthwise_begin(cdk_depthwise_rows *rows, float *y, const float *x, const float *w,
                              const float *bias, const cdk_taps *taps, cdk_activation activation,
                              cd_error *err);

/* Takes the affine image of x instead of x, of which at most `at_once` rows of outputs are then computed at
 * once. For taps that suit strips. */
cd_status cdk_depthwise_transform_input(cdk_depthwise_rows *rows, const cdk_affine *input, int64_t at_once,
                                        cd_error *err);

/* Rows h to `end` (exclusive) of image n, into y [end - h][W][C]. */
void cdk_depthwise_compute(const cdk_depthwise_rows *rows, int thread, float *y, int64_t n, int64_t h,
                           int64_t end);

/* Whether strips of the kernels in isa->depthwise3 and isa->dots3 serve these taps: 3 x 3, neighbours, the
 * same stride both ways, and at most one column missing on either side. */
int cdk_suits_strips(const cdk_taps *taps);

/* Rows it is best to compute at once. */
int64_t cdk_depthwise_rows_at_once(const cdk_taps *taps);

/* Rows h to `end` (exclusive) of image n of the outputs, `channels` of their channels from c on. What `ahead`
 * has for the slab, if not NULL, is fetched into the cache meanwhile: parts of images of the same shape. */
typedef struct cdk_slab {
    int64_t n, h, end, c, channels;
    const float *ahead[2];
} cdk_slab;

/* How many of C channels the slab has that starts with channel c: 0, or where the one before ends. */
int64_t cdk_slab_channels(int64_t C, int64_t c);

/* The slab's strip of the columns from k on: at most `most`. x is the slab's image. */
cdk_strip cdk_strip_of(const cdk_taps *taps, const float *x, const float *zeros, const cdk_slab *slab,
                       int64_t k, int most);

/* A slab as cdk_slab_channels() cuts them, where it belongs; for taps that suit strips. */
void cdk_depthwise_compute_slab(const cdk_depthwise_rows *rows, int thread, const cdk_slab *slab);

/* Where row h of image n belongs. */
float *cdk_depthwise_place(const cdk_depthwise_rows *rows, int64_t n, int64_t h);

void cdk_depthwise_end(cdk_depthwise_rows *rows);

#endif
