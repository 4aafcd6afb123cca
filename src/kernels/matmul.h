/* Matrix products by element type: float32 by this package's own product (kernels/gemm.h), float64 by R's
 * BLAS, int64 by a plain loop whose sums wrap around.
 */
#ifndef CANDELA_KERNELS_MATMUL_H
#define CANDELA_KERNELS_MATMUL_H

#include <stdint.h>

#include "base/status.h"
#include "kernels/by_dtype.h"
#include "kernels/matrix.h"

/* C[i][M][N] = A[i][M][K] B[i][K][N] for all i of the batch. Errors: CD_EALLOC; CD_EVALUE for float64 sizes
 * beyond BLAS's 32-bit integers. */
typedef cd_status cdk_matmul_run(void *C, const cdk_matrix *A, const cdk_matrix *B, const cdk_batch *batch,
                                 int64_t M, int64_t N, int64_t K, cd_error *err);
extern cdk_matmul_run *const cdk_matmul[CD_DTYPES];

/* C[M][N] = A[M][K] B[K][N] + bias[N] in each row (NULL: none), in one pass: float32 only. Errors:
 * CD_EALLOC. */
typedef cd_status cdk_matmul_bias_run(void *C, const cdk_matrix *A, const cdk_matrix *B, const void *bias,
                                      int64_t M, int64_t N, int64_t K, cd_error *err);
extern cdk_matmul_bias_run *const cdk_matmul_bias[CD_DTYPES];

#endif
