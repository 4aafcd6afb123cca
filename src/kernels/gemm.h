/* Matrix product of float32 matrices, row-major.
 *
 *     C[M][N] (+)= input(op(A))[M][K] op(B)[K][N] (+ bias[N]), then the activation
 *
 * Packed in panels of B, blocked along K, split over threads by blocks of C. An element of C is summed in the
 * same order whatever the number of threads.
 */
#ifndef CANDELA_KERNELS_GEMM_H
#define CANDELA_KERNELS_GEMM_H

#include <stdint.h>

#include "base/status.h"
#include "kernels/epilogue.h"

typedef struct cdk_gemm_options {
    const cdk_affine *input;   /* of the columns of A, not with trans_a; or NULL: A as it is */
    const float *bias;         /* [N], added to every row, or NULL */
    cdk_activation activation; /* applied last */
    int trans_a;               /* A is stored [K][M] */
    int trans_b;               /* B is stored [N][K] */
    int accumulate;            /* add to what C holds */
    struct cdk_mean_m2
        *statistics;             /* of the columns of C, to be joined by the caller, or NULL; needs ldc = N,
                                    no accumulate, and parts of cdk_gemm_part_rows(M) rows */
    struct cdk_masking *masking; /* of C, or NULL; needs ldc = N, a multiple of CDK_MASKING_CHANNELS, no
                                    accumulate and no mean and M2 */
} cdk_gemm_options;

/* Rows of C computed at a time. */
#define CDK_GEMM_BLOCK_ROWS 28

int64_t cdk_gemm_part_rows(int64_t M);

/* lda, ldb, ldc: elements from one stored row to the next. M, N or K may be 0 (K = 0 gives zeros, plus bias).
 * C must not overlap A, B or bias. Errors: CD_EALLOC. */
cd_status cdk_gemm_full(float *C, const float *A, const float *B, int64_t M, int64_t N, int64_t K,
                        int64_t lda, int64_t ldb, int64_t ldc, const cdk_gemm_options *options,
                        cd_error *err);

/* The common case without bias and activation. */
cd_status cdk_gemm(float *C, const float *A, const float *B, int64_t M, int64_t N, int64_t K, int64_t lda,
                   int64_t ldb, int64_t ldc, int trans_a, int trans_b, int accumulate, cd_error *err);

#endif
