/* As much of BLAS as the kernels call, for machines that have none: a cross build's emulator. Column-major, as Fortran
 * has it: C = alpha op(A) op(B) + beta C, op(A) is m x k, op(B) k x n. */
#include <stddef.h>

void dgemm_(const char *trans_a, const char *trans_b, const int *m, const int *n, const int *k,
            const double *alpha, const double *a, const int *lda, const double *b, const int *ldb,
            const double *beta, double *c, const int *ldc, size_t length_a, size_t length_b)
{
    (void)length_a;
    (void)length_b;
    const ptrdiff_t step_a = *trans_a == 'T' ? 1 : *lda, row_a = *trans_a == 'T' ? *lda : 1;
    const ptrdiff_t step_b = *trans_b == 'T' ? *ldb : 1, column_b = *trans_b == 'T' ? 1 : *ldb;
    for (ptrdiff_t j = 0; j < *n; j++) {
        for (ptrdiff_t i = 0; i < *m; i++) {
            double sum = 0;
            for (ptrdiff_t p = 0; p < *k; p++) {
                sum += a[i * row_a + p * step_a] * b[j * column_b + p * step_b];
            }
            double *to = c + i + j * (ptrdiff_t)*ldc;
            *to = *alpha * sum + (*beta == 0 ? 0 : *beta * *to);
        }
    }
}
