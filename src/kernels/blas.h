/* Matrix product of float64 matrices by R's BLAS. */
#ifndef CANDELA_KERNELS_BLAS_H
#define CANDELA_KERNELS_BLAS_H

#include <stdint.h>

#include "base/status.h"

/* C[M][N] = op(A)[M][K] op(B)[K][N], row-major; lda, ldb, ldc: elements from one stored row to the next;
 * trans: the matrix is stored transposed. Errors: CD_EVALUE for a size beyond BLAS's 32-bit integers. */
cd_status cdk_dgemm(double *C, const double *A, const double *B, int64_t M, int64_t N, int64_t K, int64_t lda,
                    int64_t ldb, int64_t ldc, int trans_a, int trans_b, cd_error *err);

#endif
