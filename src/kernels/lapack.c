#include "kernels/lapack.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* Fortran reads columns: a row-major matrix is its transpose there. It passes the lengths of character
 * arguments behind all others. */
extern void dgetrf_(const int *m, const int *n, double *a, const int *lda, int *pivot, int *info);
extern void dgetrs_(const char *trans, const int *n, const int *k, const double *a, const int *lda,
                    const int *pivot, double *b, const int *ldb, int *info, size_t length);
extern void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t length);
extern void dtrtrs_(const char *uplo, const char *trans, const char *diag, const int *n, const int *k,
                    const double *a, const int *lda, double *b, const int *ldb, int *info, size_t l1,
                    size_t l2, size_t l3);
extern void dgeqrf_(const int *m, const int *n, double *a, const int *lda, double *tau, double *work,
                    const int *lwork, int *info);
extern void dorgqr_(const int *m, const int *n, const int *k, double *a, const int *lda, const double *tau,
                    double *work, const int *lwork, int *info);
extern void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
                    double *work, const int *lwork, int *iwork, const int *liwork, int *info, size_t l1,
                    size_t l2);
extern void dgesdd_(const char *jobz, const int *m, const int *n, double *a, const int *lda, double *s,
                    double *u, const int *ldu, double *vt, const int *ldvt, double *work, const int *lwork,
                    int *iwork, int *info, size_t length);

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int at_least_one(int64_t n)
{
    return n > 0 ? (int)n : 1;
}

/* Two copies of the largest matrix, the right-hand sides, the workspace of dgesdd and dsyevd, and whole
 * numbers. */
int64_t cdk_lapack_work(int64_t m, int64_t n, int64_t k)
{
    const int64_t large = m > n ? m : n, small = smaller(m, n);
    return 2 * large * large + (m + n) * k + 4 * small * small + 2 * n * n + 80 * (large + 1) + 64 +
           8 * (large + 1);
}

static void transposed(double *to, const double *from, int64_t rows, int64_t columns)
{
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns; j++) {
            to[j * rows + i] = from[i * columns + j];
        }
    }
}

static void keep(double *to, const double *from, int64_t n)
{
    memcpy(to, from, (size_t)n * sizeof *to);
}

int cdk_lu(double *lu, double *pivot, const double *A, int64_t m, int64_t n, double *work)
{
    int rows = (int)m, columns = (int)n, lda = at_least_one(m), info = 0;
    int *exchanged = (int *)(void *)(work + m * n);
    transposed(work, A, m, n);
    dgetrf_(&rows, &columns, work, &lda, exchanged, &info);
    transposed(lu, work, n, m);
    for (int64_t i = 0; i < smaller(m, n); i++) {
        pivot[i] = exchanged[i];
    }
    return info;
}

/* Right-hand sides as columns, solved with what dgetrf leaves of the transpose, and back into rows. */
int cdk_solve(double *X, const double *A, const double *B, int64_t n, int64_t k, double *work)
{
    int size = (int)n, ld = at_least_one(n), info = 0;
    double *columns = work + n * n;
    int *pivot = (int *)(void *)(columns + n * k);
    keep(work, A, n * n);
    dgetrf_(&size, &size, work, &ld, pivot, &info);
    if (info == 0) {
        int sides = (int)k, done = 0;
        transposed(columns, B, n, k);
        dgetrs_("T", &size, &sides, work, &ld, pivot, columns, &ld, &done, 1);
        transposed(X, columns, k, n);
    }
    return info;
}

/* dgetrf of A in place; whether row i was exchanged tells its sign. */
static const int *factored(double *a, const double *A, int64_t n)
{
    int size = (int)n, ld = at_least_one(n), info = 0;
    int *pivot = (int *)(void *)(a + n * n);
    keep(a, A, n * n);
    dgetrf_(&size, &size, a, &ld, pivot, &info);
    return pivot;
}

double cdk_det(const double *A, int64_t n, double *work)
{
    const int *pivot = factored(work, A, n);
    double det = 1;
    for (int64_t i = 0; i < n; i++) {
        det *= pivot[i] == i + 1 ? work[i * n + i] : -work[i * n + i];
    }
    return det;
}

void cdk_slogdet(double *sign, double *log_size, const double *A, int64_t n, double *work)
{
    const int *pivot = factored(work, A, n);
    *sign = 1;
    *log_size = 0;
    for (int64_t i = 0; i < n; i++) {
        const double d = work[i * n + i];
        *sign *= (d > 0 ? 1 : d < 0 ? -1 : d) * (pivot[i] == i + 1 ? 1 : -1);
        *log_size += log(fabs(d));
    }
}

/* The upper factor of columns is the lower one of rows. */
int cdk_cholesky(double *L, const double *A, int64_t n)
{
    int size = (int)n, ld = at_least_one(n), info = 0;
    keep(L, A, n * n);
    dpotrf_("U", &size, L, &ld, &info, 1);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = i + 1; j < n; j++) {
            L[i * n + j] = 0;
        }
    }
    return info;
}

int cdk_triangular_solve(double *X, const double *A, const double *B, int64_t n, int64_t k, cdk_triangle how,
                         double *work)
{
    int size = (int)n, sides = (int)k, ld = at_least_one(n), info = 0;
    transposed(work, B, n, k);
    dtrtrs_(how.upper ? "L" : "U", how.transposed ? "N" : "T", how.unit ? "U" : "N", &size, &sides, A, &ld,
            work, &ld, &info, 1, 1, 1);
    if (info == 0) {
        transposed(X, work, k, n);
    }
    return info;
}

void cdk_qr_packed(double *packed, double *tau, const double *A, int64_t m, int64_t n, double *work)
{
    int rows = (int)m, columns = (int)n, ld = at_least_one(m), info = 0, lwork = (int)(32 * (n + 1));
    transposed(work, A, m, n);
    dgeqrf_(&rows, &columns, work, &ld, tau, work + m * n, &lwork, &info);
    transposed(packed, work, n, m);
}

void cdk_qr_columns(double *Q, const double *packed, const double *tau, int64_t m, int64_t n, int64_t k,
                    int64_t n_tau, double *work)
{
    int rows = (int)m, columns = (int)k, reflections = (int)n_tau, ld = at_least_one(m), info = 0;
    int lwork = (int)(32 * (k + 1));
    memset(work, 0, (size_t)(m * k) * sizeof *work);
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n_tau; j++) {
            work[j * m + i] = packed[i * n + j];
        }
    }
    dorgqr_(&rows, &columns, &reflections, work, &ld, tau, work + m * k, &lwork, &info);
    transposed(Q, work, k, m);
}

int cdk_eigen_symmetric(double *w, double *V, const double *A, int64_t n, bool upper, double *work)
{
    int size = (int)n, ld = at_least_one(n), info = 0;
    int lwork = (int)(1 + 6 * n + 2 * n * n), liwork = (int)(3 + 5 * n);
    double *rest = work + n * n;
    int *iwork = (int *)(void *)(rest + lwork);
    keep(work, A, n * n);
    dsyevd_(V != NULL ? "V" : "N", upper ? "L" : "U", &size, work, &ld, w, rest, &lwork, iwork, &liwork,
            &info, 1, 1);
    if (info == 0 && V != NULL) {
        transposed(V, work, n, n);
    }
    return info;
}

/* Of the transpose, A' = V diag(s) U': what Fortran calls U, by columns, are the rows of Vh. */
int cdk_svd(double *U, double *s, double *Vh, const double *A, int64_t m, int64_t n, bool full, double *work)
{
    int rows = (int)n, columns = (int)m, ld = at_least_one(n), info = 0;
    const int64_t small = smaller(m, n), large = m > n ? m : n;
    int ldv = at_least_one(n), ldu = at_least_one(full ? m : small);
    int lwork = (int)(4 * small * small + 7 * small + large + 64 * (large + 1) / 2);
    double *rest = work + m * n;
    int *iwork = (int *)(void *)(rest + lwork);
    keep(work, A, m * n);
    dgesdd_(U == NULL ? "N"
            : full    ? "A"
                      : "S",
            &rows, &columns, work, &ld, s, Vh, &ldv, U, &ldu, rest, &lwork, iwork, &info, 1);
    return info;
}
