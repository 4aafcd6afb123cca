#include "kernels/matmul.h"

#include <stdbool.h>

#include "base/interrupt.h"
#include "kernels/blas.h"
#include "kernels/gemm.h"

/* From so many multiplications on the user may stop a product, which dgemm then computes in bands of so
 * many. */
#define LONG_PRODUCT ((double)2e9)

static double work(int64_t M, int64_t N, int64_t K)
{
    return (double)M * (double)N * (double)K;
}

static cd_status matmul_f32(void *C, const cdk_matrix *A, const cdk_matrix *B, const cdk_batch *batch,
                            int64_t M, int64_t N, int64_t K, cd_error *err)
{
    const bool is_long = cd_stoppable_begin(work(M, N, K) * (double)batch->count > LONG_PRODUCT);
    return cd_stoppable_end(is_long, cdk_gemm_batch(C, A, B, batch, M, N, K, err), err);
}

/* C = A B by bands of rows of A. */
static cd_status long_dgemm(double *C, const cdk_matrix *A, const cdk_matrix *B, int64_t M, int64_t N,
                            int64_t K, cd_error *err)
{
    const double rows_at_once = LONG_PRODUCT / 4 / ((double)N * (double)K + 1);
    const int64_t rows = rows_at_once < 64 ? 64 : (int64_t)rows_at_once;
    for (int64_t row = 0; row < M; row += rows) {
        const cdk_matrix band = {(const double *)A->data + row * (A->transposed ? 1 : A->step), A->step,
                                 A->transposed};
        CD_TRY(cd_interrupt_check(err));
        CD_TRY(cdk_dgemm(C + row * N, &band, B, row + rows < M ? rows : M - row, N, K, err));
    }
    return CD_OK;
}

static cd_status matmul_f64(void *C, const cdk_matrix *A, const cdk_matrix *B, const cdk_batch *batch,
                            int64_t M, int64_t N, int64_t K, cd_error *err)
{
    const bool is_long = work(M, N, K) > LONG_PRODUCT;
    for (int64_t i = 0; i < batch->count; i++) {
        const cdk_matrix a = {(const double *)A->data + batch->a[i], A->step, A->transposed};
        const cdk_matrix b = {(const double *)B->data + batch->b[i], B->step, B->transposed};
        double *c = (double *)C + i * M * N;
        CD_TRY(is_long ? long_dgemm(c, &a, &b, M, N, K, err) : cdk_dgemm(c, &a, &b, M, N, K, err));
    }
    return CD_OK;
}

static cd_status matmul_i64(void *C, const cdk_matrix *A, const cdk_matrix *B, const cdk_batch *batch,
                            int64_t M, int64_t N, int64_t K, cd_error *err)
{
    int64_t a_row = A->transposed ? 1 : A->step, a_column = A->transposed ? A->step : 1;
    int64_t b_row = B->transposed ? 1 : B->step, b_column = B->transposed ? B->step : 1;
    const double between = LONG_PRODUCT / 16 / ((double)K + 1);
    const int64_t often = between < 1 ? 1 : between > 1e15 ? (int64_t)1e15 : (int64_t)between;
    for (int64_t i = 0; i < batch->count * M * N; i++) {
        const int64_t *a = (const int64_t *)A->data + batch->a[i / (M * N)] + i / N % M * a_row;
        const int64_t *b = (const int64_t *)B->data + batch->b[i / (M * N)] + i % N * b_column;
        uint64_t sum = 0;
        CD_TRY(i % often == often - 1 ? cd_interrupt_check(err) : CD_OK);
        for (int64_t k = 0; k < K; k++) {
            sum += (uint64_t)a[k * a_column] * (uint64_t)b[k * b_row];
        }
        ((int64_t *)C)[i] = (int64_t)sum;
    }
    return CD_OK;
}

cdk_matmul_run *const cdk_matmul[CD_DTYPES] = {
    [CD_INT64] = matmul_i64, [CD_FLOAT32] = matmul_f32, [CD_FLOAT64] = matmul_f64};

static cd_status matmul_bias_f32(void *C, const cdk_matrix *A, const cdk_matrix *B, const void *bias,
                                 int64_t M, int64_t N, int64_t K, cd_error *err)
{
    const cdk_gemm_options options = {.bias = bias};
    const bool is_long = cd_stoppable_begin(work(M, N, K) > LONG_PRODUCT);
    return cd_stoppable_end(is_long, cdk_gemm(C, A, B, M, N, K, &options, err), err);
}

cdk_matmul_bias_run *const cdk_matmul_bias[CD_DTYPES] = {[CD_FLOAT32] = matmul_bias_f32};
