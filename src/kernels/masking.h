/* The mask of an array (kernels/mask.h), made while the array is written.
 *
 * Threads hand in runs of elements they have just computed, in whole bytes of mask: for arrays whose rows of
 * channels are a multiple of CDK_MASKING_CHANNELS long. An array too large for the caches should be written
 * past them, but then its mask would have to read it back. So each thread can have a block that stays in its
 * cache: results are computed there, looked at, and only then written out.
 */
#ifndef CANDELA_KERNELS_MASKING_H
#define CANDELA_KERNELS_MASKING_H

#include "base/status.h"
#include "kernels/epilogue.h"
#include "kernels/isa.h"

#define CDK_MASKING_CHANNELS 8

typedef struct cdk_masking {
    const cdk_isa *isa;
    uint8_t *mask;
    float high;
    const float *y;       /* the array */
    float *blocks;        /* [threads][block_floats], or NULL: results are written where they belong */
    int64_t block_floats; /* a multiple of a cache line */
} cdk_masking;

/* For y of so many floats, of which at most block_floats are computed at a time (0: without blocks).
 * end->mask is where the mask belongs. Free with cdk_masking_free. Errors: CD_EALLOC. */
cd_status cdk_masking_begin(cdk_masking *masking, const cdk_epilogue *end, const float *y, int64_t floats,
                            int64_t block_floats, cd_error *err);
void cdk_masking_free(cdk_masking *masking);

/* Where `thread` is to compute what belongs at y: its own block, or y. */
float *cdk_masking_block(const cdk_masking *masking, int thread, float *y);

/* Masks the n elements computed in `block` = cdk_masking_block(..., y), and moves them to y. Their place in
 * the array, and n, are multiples of 8. */
void cdk_masking_finish(const cdk_masking *masking, float *y, const float *block, int64_t n);

#endif
