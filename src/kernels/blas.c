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
cd_status cdk_dgemm(double *C, const double *A, const double *B, int64_t M, int64_t N, int64_t K, int64_t lda,
                    int64_t ldb, int64_t ldc, int trans_a, int trans_b, cd_error *err)
{
    const double one = 1, zero = 0;
    if (M > INT_MAX || N > INT_MAX || K > INT_MAX || lda > INT_MAX || ldb > INT_MAX || ldc > INT_MAX) {
        return cd_fail(err, CD_EVALUE, "matrices of float64 may have up to %d rows and columns.", INT_MAX);
    }
    const int rows = (int)N, columns = (int)M, inner = (int)K;
    const int step_a = at_least_one(lda), step_b = at_least_one(ldb), step_c = at_least_one(ldc);
    if (rows > 0 && columns > 0) {
        dgemm_(trans_b ? "T" : "N", trans_a ? "T" : "N", &rows, &columns, &inner, &one, B, &step_b, A,
               &step_a, &zero, C, &step_c, 1, 1);
    }
    return CD_OK;
}
