/* Decompositions of one matrix in double precision, by R's LAPACK. All matrices are row-major without gaps.
 * The size of what is read and written is in the names: A is m x n, square where only n is given. Results lie
 * in memory of the caller; `work` is memory of cdk_lapack_work(m, n, k) doubles. */
#ifndef CANDELA_KERNELS_LAPACK_H
#define CANDELA_KERNELS_LAPACK_H

#include <stdbool.h>
#include <stdint.h>

/* Enough scratch for any function here on an m x n matrix and k right-hand sides. */
int64_t cdk_lapack_work(int64_t m, int64_t n, int64_t k);

/* A = P L U: lu[m][n] has U on and above its diagonal and L, with ones on its own, below; row i was exchanged
 * with row pivot[i] (from 1), one after the other. Gives 0, or the number of the first zero on the diagonal
 * of U. */
int cdk_lu(double *lu, double *pivot, const double *A, int64_t m, int64_t n, double *work);

/* X[n][k] with A X = B. Gives 0, or what cdk_lu() gives for a singular A. */
int cdk_solve(double *X, const double *A, const double *B, int64_t n, int64_t k, double *work);

/* The determinant of A; its sign, and the logarithm of its absolute value (-Inf for 0). */
double cdk_det(const double *A, int64_t n, double *work);
void cdk_slogdet(double *sign, double *log_size, const double *A, int64_t n, double *work);

/* A = L L', with zeros above the diagonal; reads A on and below it. Gives 0, or the order of the leading part
 * that is not positive definite. */
int cdk_cholesky(double *L, const double *A, int64_t n);

typedef struct cdk_triangle {
    bool upper, transposed,
        unit; /* A is upper triangular, and is used transposed, and its diagonal counts as ones */
} cdk_triangle;

/* X[n][k] with A X = B for a triangular A. Gives 0, or the number of the first zero on the diagonal. */
int cdk_triangular_solve(double *X, const double *A, const double *B, int64_t n, int64_t k, cdk_triangle how,
                         double *work);

/* A = Q R by Householder reflections, packed: R on and above the diagonal of packed[m][n], the vectors below,
 * and their factors tau[min(m, n)]. */
void cdk_qr_packed(double *packed, double *tau, const double *A, int64_t m, int64_t n, double *work);

/* The first k columns of Q, Q[m][k], from n_tau reflections packed[m][n]; k >= n_tau. */
void cdk_qr_columns(double *Q, const double *packed, const double *tau, int64_t m, int64_t n, int64_t k,
                    int64_t n_tau, double *work);

/* A = V diag(w) V' for a symmetric A of which one triangle is read; w goes up. V may be NULL. Gives 0 or an
 * error. */
int cdk_eigen_symmetric(double *w, double *V, const double *A, int64_t n, bool upper, double *work);

/* A = U diag(s) Vh, s going down. full: U[m][m], Vh[n][n], else U[m][k], Vh[k][n] with k = min(m, n); U and
 * Vh may both be NULL. Gives 0 or an error. */
int cdk_svd(double *U, double *s, double *Vh, const double *A, int64_t m, int64_t n, bool full, double *work);

#endif
