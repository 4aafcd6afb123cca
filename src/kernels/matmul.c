#include "kernels/matmul.h"

#include "kernels/blas.h"
#include "kernels/gemm.h"

static cd_status matmul_f32(void *C, const cdk_matrix *A, const cdk_matrix *B, const cdk_batch *batch,
                            int64_t M, int64_t N, int64_t K, cd_error *err)
{
    return cdk_gemm_batch(C, A, B, batch, M, N, K, err);
}

static cd_status matmul_f64(void *C, const cdk_matrix *A, const cdk_matrix *B, const cdk_batch *batch,
                            int64_t M, int64_t N, int64_t K, cd_error *err)
{
    for (int64_t i = 0; i < batch->count; i++) {
        const cdk_matrix a = {(const double *)A->data + batch->a[i], A->step, A->transposed};
        const cdk_matrix b = {(const double *)B->data + batch->b[i], B->step, B->transposed};
        CD_TRY(cdk_dgemm((double *)C + i * M * N, &a, &b, M, N, K, err));
    }
    return CD_OK;
}

static cd_status matmul_i64(void *C, const cdk_matrix *A, const cdk_matrix *B, const cdk_batch *batch,
                            int64_t M, int64_t N, int64_t K, cd_error *err)
{
    int64_t a_row = A->transposed ? 1 : A->step, a_column = A->transposed ? A->step : 1;
    int64_t b_row = B->transposed ? 1 : B->step, b_column = B->transposed ? B->step : 1;
    (void)err;
    for (int64_t i = 0; i < batch->count * M * N; i++) {
        const int64_t *a = (const int64_t *)A->data + batch->a[i / (M * N)] + i / N % M * a_row;
        const int64_t *b = (const int64_t *)B->data + batch->b[i / (M * N)] + i % N * b_column;
        uint64_t sum = 0;
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
    return cdk_gemm(C, A, B, M, N, K, &options, err);
}

cdk_matmul_bias_run *const cdk_matmul_bias[CD_DTYPES] = {[CD_FLOAT32] = matmul_bias_f32};
