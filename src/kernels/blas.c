#include "kernels/blas.h"

#include <limits.h>
#include <stddef.h>

/* Fortran passes the lengths of the two character arguments behind all others. */
extern void dgemm_(const char *trans_a, const char *trans_b, const int *m, const int *n, const int *k,
                   const double *alpha, const double *a, const int *lda, const double *b, const int *ldb,
                   const double *beta, double *c, const int *ldc, size_t length_a, size_t length_b);

static int at_least_one(int64_t n)
{
    return n > 0 ? (int)n : 1;
}

/* Row-major C = A B is column-major C' = B' A': the operands change places. */
cd_status cdk_dgemm(double *C, const cdk_matrix *A, const cdk_matrix *B, int64_t M, int64_t N, int64_t K,
                    cd_error *err)
{
    const double one = 1, zero = 0;
    if (M > INT_MAX || N > INT_MAX || K > INT_MAX || A->step > INT_MAX || B->step > INT_MAX) {
        return cd_fail(err, CD_EVALUE, "matrices of float64 may have up to %d rows and columns.", INT_MAX);
    }
    const int rows = (int)N, columns = (int)M, inner = (int)K;
    const int step_a = at_least_one(A->step), step_b = at_least_one(B->step), step_c = at_least_one(N);
    if (rows > 0 && columns > 0) {
        dgemm_(B->transposed ? "T" : "N", A->transposed ? "T" : "N", &rows, &columns, &inner, &one, B->data,
               &step_b, A->data, &step_a, &zero, C, &step_c, 1, 1);
    }
    return CD_OK;
}
