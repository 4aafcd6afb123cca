/* Matrix product of float64 matrices by R's BLAS. */
#ifndef CANDELA_KERNELS_BLAS_H
#define CANDELA_KERNELS_BLAS_H

#include <stdint.h>

#include "base/status.h"
#include "kernels/matrix.h"

/* C[M][N] = A[M][K] B[K][N], all float64, C row-major without gaps. Errors: CD_EVALUE for a size beyond
 * BLAS's 32-bit integers. */
cd_status cdk_dgemm(double *C, const cdk_matrix *A, const cdk_matrix *B, int64_t M, int64_t N, int64_t K,
                    cd_error *err);

#endif
