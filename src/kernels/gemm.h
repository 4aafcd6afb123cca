/* Matrix product of float32 matrices, row-major.
 *
 *     C[M][N] (+)= input(A)[M][K] B[K][N] (+ bias[N]), then the activation
 *
 * Packed in panels of B, blocked along K, split over threads by blocks of C. An element of C is summed in the
 * same order whatever the number of threads.
 */
#ifndef CANDELA_KERNELS_GEMM_H
#define CANDELA_KERNELS_GEMM_H

#include <stdint.h>

#include "base/status.h"
#include "kernels/epilogue.h"
#include "kernels/matrix.h"

typedef struct cdk_gemm_options {
    const cdk_affine *input;   /* of the columns of A, not where A is transposed; or NULL: A as it is */
    const float *bias;         /* [N], added to every row, or NULL */
    cdk_activation activation; /* applied last */
    int accumulate;            /* add to what C holds */
    /* Mean and M2 of the columns of C, to be joined by the caller, or NULL; needs parts of
     * cdk_gemm_part_rows(M) rows and no accumulate. */
    struct cdk_mean_m2 *statistics;
    /* The mask of C, or NULL; needs N a multiple of CDK_MASKING_CHANNELS, no accumulate, no mean and M2. */
    struct cdk_masking *masking;
    /* B packed: *panels, where it is not NULL, else it is packed there if it is packed at all; a block of
     * cd_memory_alloc() that belongs to the caller, also on failure. NULL: B is packed for the call alone. */
    float **panels;
} cdk_gemm_options;

/* Rows of C computed at a time. */
#define CDK_GEMM_BLOCK_ROWS 28

int64_t cdk_gemm_part_rows(int64_t M);

/* M, N or K may be 0 (K = 0 gives zeros, plus bias). options may be NULL: none. C is dense and must not
 * overlap A, B or bias. Errors: CD_EALLOC. */
cd_status cdk_gemm(float *C, const cdk_matrix *A, const cdk_matrix *B, int64_t M, int64_t N, int64_t K,
                   const cdk_gemm_options *options, cd_error *err);

/* C[i][M][N] = A[i][M][K] B[i][K][N] for all i of the batch, dense; the bits of cdk_gemm. Many small products
 * are shared by the threads as they are, few large ones each by all. Errors: CD_EALLOC. */
cd_status cdk_gemm_batch(float *C, const cdk_matrix *A, const cdk_matrix *B, const cdk_batch *batch,
                         int64_t M, int64_t N, int64_t K, cd_error *err);

#endif
