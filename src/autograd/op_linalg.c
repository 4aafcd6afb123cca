/* Linear algebra: matrices are the last two dimensions, the ones before are a batch. Everything is computed
 * in double precision by R's LAPACK (kernels/lapack.h), matrix by matrix, and rounded to the type of the
 * inputs, which must be floats. Inputs of one call have the same batch. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/compute.h"
#include "autograd/expression.h"
#include "base/aside.h"
#include "base/interrupt.h"
#include "kernels/lapack.h"
#include "tensor/copy.h"

#define MOST 4

/* ---- running a kernel on each matrix of a batch ---- */

/* One matrix of the batch: where its parts of the inputs and outputs lie, and their sizes. */
typedef struct {
    double *out[MOST];
    const double *in[MOST];
    int64_t m, n, k; /* the first input is m x n, the last dimension of the last input is k */
    const double *attr;
    double *work;
    const char *name;
} one_matrix;

typedef cd_status run_one(const one_matrix *a, cd_error *err);

/* How many dimensions one element of the batch has in each output. */
typedef struct {
    run_one *run;
    int out[MOST];
} linalg_kind;

static int64_t part_size(const cd_tensor *t, int ndim)
{
    int64_t size = 1;
    for (int d = t->ndim - ndim; d < t->ndim; d++) {
        size *= t->shape[d];
    }
    return size;
}

static int64_t batch_of(const cd_tensor *x)
{
    int64_t batch = 1;
    for (int d = 0; d < x->ndim - 2; d++) {
        batch *= x->shape[d];
    }
    return batch;
}

static int64_t rows_of(const cd_tensor *x)
{
    return x->shape[x->ndim - 2];
}

static int64_t columns_of(const cd_tensor *x)
{
    return x->shape[x->ndim - 1];
}

/* A call: its inputs and outputs in double precision, and how to run it on one matrix after the other. */
typedef struct {
    cd_tensor *in[MOST], *out[MOST];
    double *work;
    one_matrix one;
    linalg_kind kind;
    double attr[MOST];
    int n_in, n_out;
    int64_t batch;
    cd_status status; /* of the last matrix */
    cd_error err;
} linalg_job;

static void job_free(void *context)
{
    linalg_job *job = context;
    for (int i = 0; i < MOST; i++) {
        cd_tensor_release(job->in[i]);
        cd_tensor_release(job->out[i]);
    }
    free(job->work);
    free(job);
}

static cd_status job_fill(linalg_job *job, const cd_call *call, cd_error *err)
{
    for (int i = 0; i < job->n_in; i++) {
        CD_TRY(cd_tensor_as(&job->in[i], call->in[i], CD_FLOAT64, CD_CONTIGUOUS, err));
    }
    for (int i = 0; i < job->n_out; i++) {
        const cd_tensor *t = call->out[i];
        CD_TRY(cd_tensor_new(&job->out[i], CD_FLOAT64, t->ndim, t->shape, CD_CONTIGUOUS, err));
    }
    job->work = malloc((size_t)cdk_lapack_work(job->one.m, job->one.n, job->one.k) * sizeof *job->work);
    job->one.work = job->work;
    return job->work != NULL ? CD_OK : cd_fail(err, CD_EALLOC, "%s: cannot allocate memory.", call->op->name);
}

static cd_status job_new(linalg_job **result, const cd_call *call, const linalg_kind *kind, cd_error *err)
{
    const cd_tensor *last = call->in[call->n_in - 1];
    linalg_job *job = calloc(1, sizeof *job);
    if (job == NULL || call->n_in > MOST || call->n_attr > MOST) {
        free(job);
        return cd_fail(err, CD_EALLOC, "%s: cannot allocate memory.", call->op->name);
    }
    job->kind = *kind;
    job->n_in = call->n_in;
    job->n_out = call->op->n_out;
    job->batch = batch_of(call->in[0]);
    for (int i = 0; i < call->n_attr; i++) {
        job->attr[i] = call->attr[i];
    }
    job->one = (one_matrix){.m = rows_of(call->in[0]),
                            .n = columns_of(call->in[0]),
                            .k = last->shape[last->ndim - 1],
                            .attr = job->attr,
                            .name = call->op->name};
    const cd_status status = job_fill(job, call, err);
    if (status != CD_OK) {
        job_free(job);
        return status;
    }
    *result = job;
    return CD_OK;
}

static void run_one_matrix(void *context)
{
    linalg_job *job = context;
    job->status = job->kind.run(&job->one, &job->err);
}

/* From so many multiplications on a decomposition runs on a thread that can be left alone. */
#define LONG_DECOMPOSITION 1e7

/* *left: the user stopped it, and the job is no longer ours. */
static cd_status run_batch(bool *left, linalg_job *job, cd_error *err)
{
    const one_matrix *a = &job->one;
    const double large = (double)(a->m > a->n ? a->m : a->n) + (double)a->k;
    const bool is_long = (double)a->m * (double)a->n * large > LONG_DECOMPOSITION;
    for (int64_t b = 0; b < job->batch; b++) {
        for (int i = 0; i < job->n_in; i++) {
            job->one.in[i] =
                (const double *)cd_tensor_data(job->in[i]) + b * (cd_tensor_numel(job->in[i]) / job->batch);
        }
        for (int i = 0; i < job->n_out; i++) {
            job->one.out[i] =
                (double *)cd_tensor_data(job->out[i]) + b * part_size(job->out[i], job->kind.out[i]);
        }
        if (is_long) {
            const cd_status status = cd_aside_run(&(cd_aside){run_one_matrix, job_free, job}, err);
            *left = status != CD_OK;
            CD_TRY(status);
        } else {
            run_one_matrix(job);
        }
        if (job->status != CD_OK) {
            *err = job->err;
            return job->status;
        }
        CD_TRY(cd_interrupt_check(err));
    }
    return CD_OK;
}

static cd_status linalg_forward(cd_call *call, const linalg_kind *kind, cd_error *err)
{
    linalg_job *job = NULL;
    bool left = false;
    CD_TRY(job_new(&job, call, kind, err));
    cd_status status = run_batch(&left, job, err);
    for (int i = 0; i < call->op->n_out && status == CD_OK; i++) {
        status = cd_tensor_copy(call->out[i], job->out[i], err);
    }
    if (!left) {
        job_free(job);
    }
    return status;
}

/* ---- shapes ---- */

static cd_status check_matrix(const cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[0];
    CD_TRY(cd_check_float(x, call->op->name, err));
    if (x->ndim < 2) {
        return cd_fail(err, CD_ESHAPE, "%s: the input tensor must have at least 2 dimensions, got %d.",
                       call->op->name, x->ndim);
    }
    return rows_of(x) < 20000 && columns_of(x) < 20000
               ? CD_OK
               : cd_fail(err, CD_EVALUE, "%s: matrices may have up to 20000 rows and columns.",
                         call->op->name);
}

static cd_status check_square(const cd_call *call, cd_error *err)
{
    CD_TRY(check_matrix(call, err));
    const cd_tensor *x = call->in[0];
    return rows_of(x) == columns_of(x)
               ? CD_OK
               : cd_fail(err, CD_ESHAPE,
                         "%s: A must be batches of square matrices, but they are %lld by %lld matrices.",
                         call->op->name, (long long)rows_of(x), (long long)columns_of(x));
}

/* The second input is a matrix with as many rows as the first, and the same batch and type. */
static cd_status check_sides(const cd_call *call, cd_error *err)
{
    const cd_tensor *a = call->in[0], *b = call->in[1];
    char x[CD_SHAPE_TEXT], y[CD_SHAPE_TEXT];
    if (b->dtype != a->dtype) {
        return cd_fail(err, CD_EDTYPE, "%s: expected both tensors to have the same dtype, but got %s and %s.",
                       call->op->name, cd_dtype_name(a->dtype), cd_dtype_name(b->dtype));
    }
    if (b->ndim != a->ndim || rows_of(b) != rows_of(a) || batch_of(b) != batch_of(a)) {
        return cd_fail(err, CD_ESHAPE, "%s: incompatible shapes %s and %s.", call->op->name,
                       cd_shape_text(x, a->ndim, a->shape), cd_shape_text(y, b->ndim, b->shape));
    }
    return CD_OK;
}

/* Output i: the batch of the first input, and the sizes behind it. */
static cd_status out_sized(cd_call *call, int i, cd_dtype dtype, int ndim, const int64_t *size, cd_error *err)
{
    int64_t shape[CD_MAX_DIMS];
    const int batch = call->in[0]->ndim - 2;
    memcpy(shape, call->in[0]->shape, (size_t)batch * sizeof *shape);
    for (int d = 0; d < ndim; d++) {
        shape[batch + d] = size[d];
    }
    return cd_out(call, i, dtype, batch + ndim, shape, CD_CONTIGUOUS, err);
}

static cd_status out_matrix(cd_call *call, int i, int64_t rows, int64_t columns, cd_error *err)
{
    const int64_t size[2] = {rows, columns};
    return out_sized(call, i, call->in[0]->dtype, 2, size, err);
}

static cd_status out_vector(cd_call *call, int i, int64_t n, cd_error *err)
{
    return out_sized(call, i, call->in[0]->dtype, 1, &n, err);
}

static cd_status out_number(cd_call *call, int i, cd_error *err)
{
    return out_sized(call, i, call->in[0]->dtype, 0, NULL, err);
}

static cd_status square_shape(cd_call *call, cd_error *err)
{
    CD_TRY(check_square(call, err));
    return out_matrix(call, 0, rows_of(call->in[0]), rows_of(call->in[0]), err);
}

static cd_status solved_shape(cd_call *call, cd_error *err)
{
    CD_TRY(check_square(call, err));
    CD_TRY(check_sides(call, err));
    return out_matrix(call, 0, rows_of(call->in[0]), columns_of(call->in[1]), err);
}

static int64_t smaller_side(const cd_tensor *x)
{
    return rows_of(x) < columns_of(x) ? rows_of(x) : columns_of(x);
}

/* ---- terms of backward functions ---- */

static cd_tensor *product(cd_expr *e, cd_tensor *a, cd_tensor *b)
{
    return a == NULL || b == NULL
               ? NULL
               : cd_expr2(e, a->ndim == 2 && b->ndim == 2 ? CD_OP_mm : CD_OP_bmm_any, a, b);
}

static cd_tensor *transpose(cd_expr *e, cd_tensor *a)
{
    return a == NULL ? NULL : cd_expr_transpose(e, a, a->ndim - 2, a->ndim - 1);
}

static cd_tensor *triangle(cd_expr *e, cd_op_id op, cd_tensor *a, double diagonal)
{
    return cd_expr_op(e, op, 1, &a, 1, &diagonal);
}

/* A vector of each matrix as a row of it, or as a column. */
static cd_tensor *beside(cd_expr *e, cd_tensor *a, double dim)
{
    return cd_expr_op(e, CD_OP_unsqueeze, 1, &a, 1, &dim);
}

static cd_tensor *as_row(cd_expr *e, cd_tensor *a)
{
    return beside(e, a, -2);
}

static cd_tensor *solved_triangle(cd_expr *e, cd_tensor *a, cd_tensor *b, bool upper, bool transposed)
{
    const double attr[3] = {upper, transposed, 0};
    return cd_expr_op(e, CD_OP_triangular_solve, 2, (cd_tensor *[]){a, b}, 3, attr);
}

/* ---- inverse: A^-1; dA = -Y' dY Y' ---- */

static cd_status singular(const one_matrix *a, const char *work, int info, cd_error *err)
{
    return cd_fail(err, CD_EVALUE,
                   "%s: The diagonal element %d is zero, the %s could not be completed because the input "
                   "matrix is singular.",
                   a->name, info, work);
}

static cd_status inverse_one(const one_matrix *a, cd_error *err)
{
    const int64_t n = a->n;
    double *unit = calloc((size_t)(n * n) + 1, sizeof *unit);
    if (unit == NULL) {
        return cd_fail(err, CD_EALLOC, "inverse: cannot allocate memory.");
    }
    for (int64_t i = 0; i < n; i++) {
        unit[i * n + i] = 1;
    }
    const int info = cdk_solve(a->out[0], a->in[0], unit, n, n, a->work);
    free(unit);
    return info == 0 ? CD_OK : singular(a, "inversion", info, err);
}

static cd_status inverse_forward(cd_call *call, cd_error *err)
{
    return linalg_forward(call, &(linalg_kind){inverse_one, {2}}, err);
}

static cd_status inverse_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    cd_tensor *yt = transpose(&e, g->out[0]);
    cd_expr_give(&e, g, 0, cd_expr_neg(&e, product(&e, product(&e, yt, g->dy[0]), yt)));
    return cd_expr_end(&e);
}

/* ---- solve: A X = B; dB = A'^-1 dX, dA = -dB X' ---- */

static cd_status solve_one(const one_matrix *a, cd_error *err)
{
    const int info = cdk_solve(a->out[0], a->in[0], a->in[1], a->n, a->k, a->work);
    return info == 0 ? CD_OK : singular(a, "solve", info, err);
}

static cd_status solve_forward(cd_call *call, cd_error *err)
{
    return linalg_forward(call, &(linalg_kind){solve_one, {2}}, err);
}

static cd_status solve_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    cd_tensor *db = cd_expr2(&e, CD_OP_solve, transpose(&e, g->in[0]), g->dy[0]);
    if (g->wants[0]) {
        cd_expr_give(&e, g, 0, cd_expr_neg(&e, product(&e, db, transpose(&e, g->out[0]))));
    }
    if (g->wants[1]) {
        cd_expr_give(&e, g, 1, db);
    }
    return cd_expr_end(&e);
}

/* ---- slogdet: sign and logarithm; dA = dy A'^-1 ---- */

static cd_status slogdet_shape(cd_call *call, cd_error *err)
{
    CD_TRY(check_square(call, err));
    CD_TRY(out_number(call, 0, err));
    return out_number(call, 1, err);
}

static cd_status slogdet_one(const one_matrix *a, cd_error *err)
{
    (void)err;
    cdk_slogdet(a->out[0], a->out[1], a->in[0], a->n, a->work);
    return CD_OK;
}

static cd_status slogdet_forward(cd_call *call, cd_error *err)
{
    return linalg_forward(call, &(linalg_kind){slogdet_one, {0, 0}}, err);
}

static cd_tensor *for_each_matrix(cd_expr *e, cd_tensor *number)
{
    return beside(e, beside(e, number, -1), -1);
}

static cd_status slogdet_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    if (g->dy[1] != NULL) {
        cd_tensor *slope = transpose(&e, cd_expr1(&e, CD_OP_inverse, g->in[0]));
        cd_expr_give(&e, g, 0, cd_expr_mul(&e, for_each_matrix(&e, g->dy[1]), slope));
    }
    return cd_expr_end(&e);
}

/* ---- cofactor: the derivative of the determinant, for singular matrices, too: det(U Vh) times U diag(p) Vh with p[i]
 * the product of the other singular values. det: the determinant ---- */

static cd_status cofactor_one(const one_matrix *a, cd_error *err)
{
    const int64_t n = a->n;
    double sign_u, sign_v, unused;
    double *memory = malloc((size_t)(2 * n * n + n + 1) * sizeof *memory);
    if (memory == NULL) {
        return cd_fail(err, CD_EALLOC, "det: cannot allocate memory.");
    }
    double *U = memory, *Vh = U + n * n, *s = Vh + n * n;
    const int info = cdk_svd(U, s, Vh, a->in[0], n, n, true, a->work);
    cdk_slogdet(&sign_u, &unused, U, n, a->work);
    cdk_slogdet(&sign_v, &unused, Vh, n, a->work);
    memset(a->out[0], 0, (size_t)(n * n) * sizeof(double));
    for (int64_t k = 0; k < n && info == 0; k++) {
        double others = sign_u * sign_v;
        for (int64_t j = 0; j < n; j++) {
            others *= j == k ? 1 : s[j];
        }
        for (int64_t i = 0; i < n * n; i++) {
            a->out[0][i] += others * U[i / n * n + k] * Vh[k * n + i % n];
        }
    }
    free(memory);
    return info == 0 ? CD_OK : cd_fail(err, CD_EVALUE, "det: the singular values did not converge.");
}

static cd_status cofactor_forward(cd_call *call, cd_error *err)
{
    return linalg_forward(call, &(linalg_kind){cofactor_one, {2}}, err);
}

static cd_status det_shape(cd_call *call, cd_error *err)
{
    CD_TRY(check_square(call, err));
    return out_number(call, 0, err);
}

static cd_status det_one(const one_matrix *a, cd_error *err)
{
    (void)err;
    *a->out[0] = cdk_det(a->in[0], a->n, a->work);
    return CD_OK;
}

static cd_status det_forward(cd_call *call, cd_error *err)
{
    return linalg_forward(call, &(linalg_kind){det_one, {0}}, err);
}

static cd_status det_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    cd_tensor *slope = cd_expr1(&e, CD_OP_cofactor, g->in[0]);
    cd_expr_give(&e, g, 0, cd_expr_mul(&e, for_each_matrix(&e, g->dy[0]), slope));
    return cd_expr_end(&e);
}

/* ---- cholesky: A = L L'; dA = (S + S') / 2 with S = L'^-1 P L^-1, P the lower triangle of L' dL with half
 * its diagonal; attribute: whether a matrix that is not positive definite is an error; the second output is
 * 0, or where it fails ---- */

static cd_status cholesky_shape(cd_call *call, cd_error *err)
{
    CD_TRY(square_shape(call, err));
    return out_number(call, 1, err);
}

static cd_status cholesky_one(const one_matrix *a, cd_error *err)
{
    const int info = cdk_cholesky(a->out[0], a->in[0], a->n);
    *a->out[1] = info;
    return info == 0 || a->attr[0] == 0
               ? CD_OK
               : cd_fail(err, CD_EVALUE,
                         "cholesky: The factorization could not be completed because the input is not "
                         "positive-definite (the leading minor of order %d is not positive-definite).",
                         info);
}

static cd_status cholesky_forward(cd_call *call, cd_error *err)
{
    return linalg_forward(call, &(linalg_kind){cholesky_one, {2, 0}}, err);
}

static cd_status cholesky_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    cd_tensor *L = g->out[0];
    if (g->dy[0] != NULL) {
        cd_tensor *p = product(&e, transpose(&e, L), g->dy[0]);
        p = cd_expr_add(&e, triangle(&e, CD_OP_tril, p, 0), triangle(&e, CD_OP_tril, p, -1));
        cd_tensor *half = solved_triangle(&e, L, p, false, true);
        cd_tensor *s = solved_triangle(&e, L, transpose(&e, half), false, true);
        cd_expr_give(&e, g, 0, cd_expr_times(&e, cd_expr_add(&e, s, transpose(&e, s)), 0.25));
    }
    return cd_expr_end(&e);
}

/* ---- triangular_solve: A, B; attributes upper, transposed, unit; op(A) X = B ---- */

enum { UPPER, TRANSPOSED, UNIT };

static cd_status triangular_solve_one(const one_matrix *a, cd_error *err)
{
    const cdk_triangle how = {a->attr[UPPER] != 0, a->attr[TRANSPOSED] != 0, a->attr[UNIT] != 0};
    const int info = cdk_triangular_solve(a->out[0], a->in[0], a->in[1], a->n, a->k, how, a->work);
    return info == 0 ? CD_OK : singular(a, "solve", info, err);
}

static cd_status triangular_solve_forward(cd_call *call, cd_error *err)
{
    return linalg_forward(call, &(linalg_kind){triangular_solve_one, {2}}, err);
}

static cd_status triangular_solve_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    const double other[3] = {g->attr[UPPER], g->attr[TRANSPOSED] == 0, g->attr[UNIT]};
    cd_tensor *db = cd_expr_op(&e, CD_OP_triangular_solve, 2, (cd_tensor *[]){g->in[0], g->dy[0]}, 3, other);
    if (g->wants[0]) {
        cd_tensor *x = g->out[0];
        cd_tensor *da =
            g->attr[TRANSPOSED] != 0 ? product(&e, x, transpose(&e, db)) : product(&e, db, transpose(&e, x));
        const bool upper = g->attr[UPPER] != 0;
        const double diagonal = g->attr[UNIT] == 0 ? 0 : upper ? 1 : -1;
        cd_expr_give(&e, g, 0, cd_expr_neg(&e, triangle(&e, upper ? CD_OP_triu : CD_OP_tril, da, diagonal)));
    }
    if (g->wants[1]) {
        cd_expr_give(&e, g, 1, db);
    }
    return cd_expr_end(&e);
}

/* ---- qr: attribute, whether Q is complete. With M = R dR' - dQ' Q and C its lower triangle mirrored,
 * dA = (dQ + Q C) R'^-1 ---- */

static cd_status qr_shape(cd_call *call, cd_error *err)
{
    CD_TRY(check_matrix(call, err));
    const cd_tensor *x = call->in[0];
    const int64_t k = call->attr[0] != 0 ? rows_of(x) : smaller_side(x);
    CD_TRY(out_matrix(call, 0, rows_of(x), k, err));
    return out_matrix(call, 1, k, columns_of(x), err);
}

static cd_status qr_one(const one_matrix *a, cd_error *err)
{
    const int64_t m = a->m, n = a->n, least = m < n ? m : n, k = a->attr[0] != 0 ? m : least;
    double *packed = malloc((size_t)(m * n + least + 1) * sizeof *packed);
    if (packed == NULL) {
        return cd_fail(err, CD_EALLOC, "qr: cannot allocate memory.");
    }
    double *tau = packed + m * n;
    cdk_qr_packed(packed, tau, a->in[0], m, n, a->work);
    for (int64_t i = 0; i < k * n; i++) {
        a->out[1][i] = i % n >= i / n ? packed[i] : 0;
    }
    cdk_qr_columns(a->out[0], packed, tau, m, n, k, least, a->work);
    free(packed);
    return CD_OK;
}

static cd_status qr_forward(cd_call *call, cd_error *err)
{
    return linalg_forward(call, &(linalg_kind){qr_one, {2, 2}}, err);
}

static cd_status qr_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    cd_tensor *Q = g->out[0], *R = g->out[1], *dQ = g->dy[0], *dR = g->dy[1], *m = NULL;
    if (rows_of(g->in[0]) < columns_of(g->in[0]) || columns_of(Q) != rows_of(R) ||
        rows_of(R) != columns_of(R)) {
        return cd_fail(
            err, CD_EAUTOGRAD,
            "qr: the gradient is there for matrices with at least as many rows as columns, and a reduced Q.");
    }
    if (dR != NULL) {
        m = product(&e, R, transpose(&e, dR));
    }
    if (dQ != NULL) {
        cd_tensor *inner = product(&e, transpose(&e, dQ), Q);
        m = m == NULL ? cd_expr_neg(&e, inner) : cd_expr_sub(&e, m, inner);
    }
    cd_tensor *mirrored =
        cd_expr_add(&e, triangle(&e, CD_OP_tril, m, 0), transpose(&e, triangle(&e, CD_OP_tril, m, -1)));
    cd_tensor *left = product(&e, Q, mirrored);
    left = dQ == NULL ? left : cd_expr_add(&e, dQ, left);
    cd_expr_give(&e, g, 0, transpose(&e, solved_triangle(&e, R, transpose(&e, left), true, false)));
    return cd_expr_end(&e);
}

/* ---- eigh: attributes upper, whether vectors are wanted; w, V. With E[i][j] = w[j] - w[i] off the diagonal,
 * dA is the symmetric part of V (diag(dw) + V' dV / E) V' ---- */

static cd_status eigh_shape(cd_call *call, cd_error *err)
{
    CD_TRY(check_square(call, err));
    CD_TRY(out_vector(call, 0, rows_of(call->in[0]), err));
    return out_matrix(call, 1, rows_of(call->in[0]), rows_of(call->in[0]), err);
}

static cd_status not_finite(const one_matrix *a, cd_error *err)
{
    return cd_fail(err, CD_EVALUE,
                   "%s: The algorithm failed to converge: the matrix has elements that are not finite, or is "
                   "ill-conditioned.",
                   a->name);
}

static bool all_finite(const double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(x[i])) {
            return false;
        }
    }
    return true;
}

static cd_status eigh_one(const one_matrix *a, cd_error *err)
{
    const bool fine =
        all_finite(a->in[0], a->n * a->n) &&
        cdk_eigen_symmetric(a->out[0], a->out[1], a->in[0], a->n, a->attr[0] != 0, a->work) == 0;
    return fine ? CD_OK : not_finite(a, err);
}

static cd_status eigh_forward(cd_call *call, cd_error *err)
{
    return linalg_forward(call, &(linalg_kind){eigh_one, {1, 2}}, err);
}

/* x[i][j] / (w[j] - w[i]), 0 where the two are equal, as on the diagonal: functions that have a gradient
 * there do not depend on which vectors of the common space were chosen. */
static cd_tensor *over_gaps(cd_expr *e, cd_tensor *x, cd_tensor *w)
{
    cd_tensor *gap = cd_expr_sub(e, as_row(e, w), beside(e, w, -1));
    cd_tensor *equal = cd_expr2n(e, CD_OP_eq, gap, 0);
    return cd_expr_div(e, x, cd_expr_where(e, equal, cd_expr_number(e, INFINITY), gap));
}

static cd_status eigh_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    cd_tensor *w = g->out[0], *V = g->out[1], *sum = NULL;
    if (g->dy[0] != NULL) {
        sum = product(&e, cd_expr_mul(&e, V, as_row(&e, g->dy[0])), transpose(&e, V));
    }
    if (g->dy[1] != NULL) {
        cd_tensor *inner = over_gaps(&e, product(&e, transpose(&e, V), g->dy[1]), w);
        cd_tensor *of_vectors = product(&e, product(&e, V, inner), transpose(&e, V));
        sum = sum == NULL ? of_vectors : cd_expr_add(&e, sum, of_vectors);
    }
    if (sum != NULL) {
        cd_expr_give(&e, g, 0, cd_expr_times(&e, cd_expr_add(&e, sum, transpose(&e, sum)), 0.5));
    }
    return cd_expr_end(&e);
}

/* ---- svd: attribute, whether U and Vh are complete (then only s has a gradient); U, s, Vh ---- */

static cd_status svd_shape(cd_call *call, cd_error *err)
{
    CD_TRY(check_matrix(call, err));
    const cd_tensor *x = call->in[0];
    const int64_t k = smaller_side(x);
    const bool full = call->attr[0] != 0;
    CD_TRY(out_matrix(call, 0, rows_of(x), full ? rows_of(x) : k, err));
    CD_TRY(out_vector(call, 1, k, err));
    return out_matrix(call, 2, full ? columns_of(x) : k, columns_of(x), err);
}

static cd_status svd_one(const one_matrix *a, cd_error *err)
{
    const bool fine = all_finite(a->in[0], a->m * a->n) && cdk_svd(a->out[0], a->out[1], a->out[2], a->in[0],
                                                                   a->m, a->n, a->attr[0] != 0, a->work) == 0;
    return fine ? CD_OK : not_finite(a, err);
}

static cd_status svd_forward(cd_call *call, cd_error *err)
{
    return linalg_forward(call, &(linalg_kind){svd_one, {2, 1, 2}}, err);
}

/* (X - X') / E with E[i][j] = s[j]^2 - s[i]^2 */
static cd_tensor *skewed(cd_expr *e, cd_tensor *x, cd_tensor *s)
{
    cd_tensor *skew = cd_expr_sub(e, x, transpose(e, x));
    return over_gaps(e, skew, cd_expr1(e, CD_OP_square, s));
}

static cd_tensor *sum_of(cd_expr *e, cd_tensor *a, cd_tensor *b)
{
    return a == NULL ? b : b == NULL ? a : cd_expr_add(e, a, b);
}

/* What leaves the span of the columns of U: X - U U' X. */
static cd_tensor *outside(cd_expr *e, cd_tensor *U, cd_tensor *x)
{
    return cd_expr_sub(e, x, product(e, U, product(e, transpose(e, U), x)));
}

static cd_status svd_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    cd_tensor *U = g->out[0], *s = g->out[1], *Vh = g->out[2], *inner = NULL, *sum = NULL;
    const bool tall = rows_of(g->in[0]) > smaller_side(g->in[0]),
               wide = columns_of(g->in[0]) > smaller_side(g->in[0]);
    if (g->dy[0] != NULL) {
        inner = cd_expr_mul(&e, skewed(&e, product(&e, transpose(&e, U), g->dy[0]), s), as_row(&e, s));
    }
    if (g->dy[2] != NULL) {
        cd_tensor *by_v = skewed(&e, product(&e, Vh, transpose(&e, g->dy[2])), s);
        inner = sum_of(&e, inner, cd_expr_mul(&e, by_v, beside(&e, s, -1)));
    }
    if (inner != NULL) {
        sum = product(&e, product(&e, U, inner), Vh);
    }
    if (g->dy[1] != NULL) {
        sum = sum_of(&e, sum, product(&e, cd_expr_mul(&e, U, as_row(&e, g->dy[1])), Vh));
    }
    if (g->dy[0] != NULL && tall) {
        cd_tensor *rest = outside(&e, U, cd_expr_div(&e, g->dy[0], as_row(&e, s)));
        sum = sum_of(&e, sum, product(&e, rest, Vh));
    }
    if (g->dy[2] != NULL && wide) {
        cd_tensor *V = transpose(&e, Vh);
        cd_tensor *rest = outside(&e, V, cd_expr_div(&e, transpose(&e, g->dy[2]), as_row(&e, s)));
        sum = sum_of(&e, sum, product(&e, U, transpose(&e, rest)));
    }
    if (sum != NULL) {
        cd_expr_give(&e, g, 0, sum);
    }
    return cd_expr_end(&e);
}

/* ---- pinv: attribute, the share of the largest singular value up to which others count as zero. lstsq: X = P B ----
 *
 * For the rank at hand dP = -P dA P + P P' dA' (I - A P) + (I - P A) dA' P' P. */

static cd_status pinv_shape(cd_call *call, cd_error *err)
{
    CD_TRY(check_matrix(call, err));
    return out_matrix(call, 0, columns_of(call->in[0]), rows_of(call->in[0]), err);
}

/* X[n][k] = the sum over the singular values that count of v (u' B) / s; B NULL: the unit matrix. rank may be
 * NULL. */
static cd_status least_squares(double *X, double *rank, const one_matrix *a, const double *B, int64_t k,
                               cd_error *err)
{
    const int64_t m = a->m, n = a->n, r = m < n ? m : n;
    double *U = malloc((size_t)((m + n + 1) * r + 1) * sizeof *U);
    if (U == NULL) {
        return cd_fail(err, CD_EALLOC, "%s: cannot allocate memory.", a->name);
    }
    double *Vh = U + m * r, *s = Vh + r * n, counted = 0;
    const bool fine = all_finite(a->in[0], m * n) && cdk_svd(U, s, Vh, a->in[0], m, n, false, a->work) == 0;
    memset(X, 0, (size_t)(n * k) * sizeof *X);
    for (int64_t i = 0; i < r && fine && s[i] > a->attr[0] * s[0]; i++, counted++) {
        for (int64_t j = 0; j < k; j++) {
            double along = B == NULL ? U[j * r + i] : 0;
            for (int64_t l = 0; l < m && B != NULL; l++) {
                along += U[l * r + i] * B[l * k + j];
            }
            for (int64_t l = 0; l < n; l++) {
                X[l * k + j] += Vh[i * n + l] * (along / s[i]);
            }
        }
    }
    free(U);
    if (rank != NULL) {
        *rank = counted;
    }
    return fine ? CD_OK : not_finite(a, err);
}

static cd_status pinv_one(const one_matrix *a, cd_error *err)
{
    return least_squares(a->out[0], NULL, a, NULL, a->m, err);
}

static cd_status pinv_forward(cd_call *call, cd_error *err)
{
    return linalg_forward(call, &(linalg_kind){pinv_one, {2}}, err);
}

static cd_tensor *pinv_gradient(cd_expr *e, cd_tensor *A, cd_tensor *P, cd_tensor *dP)
{
    cd_tensor *pt = transpose(e, P), *dpt = transpose(e, dP);
    cd_tensor *first = cd_expr_neg(e, product(e, product(e, pt, dP), pt));
    cd_tensor *left = cd_expr_sub(e, dpt, product(e, A, product(e, P, dpt)));
    cd_tensor *right = cd_expr_sub(e, dpt, product(e, product(e, dpt, P), A));
    cd_tensor *second = product(e, product(e, left, P), pt), *third = product(e, pt, product(e, P, right));
    return cd_expr_add(e, cd_expr_add(e, first, second), third);
}

static cd_status pinv_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    cd_expr_give(&e, g, 0, pinv_gradient(&e, g->in[0], g->out[0], g->dy[0]));
    return cd_expr_end(&e);
}

static cd_status lstsq_shape(cd_call *call, cd_error *err)
{
    CD_TRY(check_matrix(call, err));
    CD_TRY(check_sides(call, err));
    CD_TRY(out_matrix(call, 0, columns_of(call->in[0]), columns_of(call->in[1]), err));
    return out_number(call, 1, err);
}

static cd_status lstsq_one(const one_matrix *a, cd_error *err)
{
    return least_squares(a->out[0], a->out[1], a, a->in[1], a->k, err);
}

static cd_status lstsq_forward(cd_call *call, cd_error *err)
{
    return linalg_forward(call, &(linalg_kind){lstsq_one, {2, 0}}, err);
}

static cd_status lstsq_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    if (g->dy[0] != NULL) {
        cd_tensor *P = cd_expr_op(&e, CD_OP_pinv, 1, &g->in[0], 1, g->attr);
        if (g->wants[0]) {
            cd_tensor *dP = product(&e, g->dy[0], transpose(&e, g->in[1]));
            cd_expr_give(&e, g, 0, pinv_gradient(&e, g->in[0], P, dP));
        }
        if (g->wants[1]) {
            cd_expr_give(&e, g, 1, product(&e, transpose(&e, P), g->dy[0]));
        }
    }
    return cd_expr_end(&e);
}

/* ---- lu: packed factors, pivots from 1, and 0 or where U has its first zero. With W = the strictly lower triangle of
 * L' dL plus the upper one of dU U', dA = P L'^-1 W U'^-1 ---- */

static cd_status lu_shape(cd_call *call, cd_error *err)
{
    CD_TRY(check_matrix(call, err));
    const cd_tensor *x = call->in[0];
    CD_TRY(out_matrix(call, 0, rows_of(x), columns_of(x), err));
    CD_TRY(out_vector(call, 1, smaller_side(x), err));
    return out_number(call, 2, err);
}

static cd_status lu_one(const one_matrix *a, cd_error *err)
{
    (void)err;
    *a->out[2] = cdk_lu(a->out[0], a->out[1], a->in[0], a->m, a->n, a->work);
    return CD_OK;
}

static cd_status lu_forward(cd_call *call, cd_error *err)
{
    return linalg_forward(call, &(linalg_kind){lu_one, {2, 1, 0}}, err);
}

/* The rows of x in the order they had before the exchanges. */
static cd_status rows_back_one(const one_matrix *a, cd_error *err)
{
    (void)err;
    memcpy(a->out[0], a->in[0], (size_t)(a->m * a->n) * sizeof(double));
    for (int64_t i = a->k - 1; i >= 0; i--) {
        const int64_t with = (int64_t)a->in[1][i] - 1;
        for (int64_t j = 0; j < a->n && with != i; j++) {
            const double kept = a->out[0][i * a->n + j];
            a->out[0][i * a->n + j] = a->out[0][with * a->n + j];
            a->out[0][with * a->n + j] = kept;
        }
    }
    return CD_OK;
}

static cd_status rows_back_shape(cd_call *call, cd_error *err)
{
    CD_TRY(check_matrix(call, err));
    return out_matrix(call, 0, rows_of(call->in[0]), columns_of(call->in[0]), err);
}

static cd_status rows_back_forward(cd_call *call, cd_error *err)
{
    return linalg_forward(call, &(linalg_kind){rows_back_one, {2}}, err);
}

static cd_status lu_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    cd_tensor *packed = g->out[0], *dy = g->dy[0];
    if (rows_of(packed) != columns_of(packed)) {
        return cd_fail(err, CD_EAUTOGRAD, "lu: the gradient is there for square matrices.");
    }
    if (dy != NULL) {
        const double unit[3] = {0, 1, 1};
        cd_tensor *strictly = triangle(&e, CD_OP_tril, packed, -1), *U = triangle(&e, CD_OP_triu, packed, 0);
        cd_tensor *below = triangle(&e, CD_OP_tril, dy, -1), *above = triangle(&e, CD_OP_triu, dy, 0);
        cd_tensor *lower = cd_expr_add(&e, product(&e, transpose(&e, strictly), below), below);
        cd_tensor *w = cd_expr_add(&e, triangle(&e, CD_OP_tril, lower, -1),
                                   triangle(&e, CD_OP_triu, product(&e, above, transpose(&e, U)), 0));
        cd_tensor *half = cd_expr_op(&e, CD_OP_triangular_solve, 2, (cd_tensor *[]){packed, w}, 3, unit);
        cd_tensor *whole = transpose(&e, solved_triangle(&e, U, transpose(&e, half), true, false));
        cd_expr_give(&e, g, 0, cd_expr2(&e, CD_OP_rows_back, whole, g->out[1]));
    }
    return cd_expr_end(&e);
}

/* ---- geqrf: packed reflections and their factors. orgqr: the matrix of reflections ---- */

static cd_status geqrf_shape(cd_call *call, cd_error *err)
{
    CD_TRY(check_matrix(call, err));
    CD_TRY(out_matrix(call, 0, rows_of(call->in[0]), columns_of(call->in[0]), err));
    return out_vector(call, 1, smaller_side(call->in[0]), err);
}

static cd_status geqrf_one(const one_matrix *a, cd_error *err)
{
    (void)err;
    cdk_qr_packed(a->out[0], a->out[1], a->in[0], a->m, a->n, a->work);
    return CD_OK;
}

static cd_status geqrf_forward(cd_call *call, cd_error *err)
{
    return linalg_forward(call, &(linalg_kind){geqrf_one, {2, 1}}, err);
}

/* attribute: how many columns, 0 for as many as the packed matrix has. */
static int64_t columns_wanted(const double *attr, int64_t columns)
{
    return attr[0] > 0 ? (int64_t)attr[0] : columns;
}

static cd_status orgqr_shape(cd_call *call, cd_error *err)
{
    CD_TRY(check_matrix(call, err));
    const cd_tensor *x = call->in[0], *tau = call->in[1];
    const int64_t k = columns_wanted(call->attr, columns_of(x));
    if (tau->ndim != x->ndim - 1 || tau->shape[tau->ndim - 1] > k || k > rows_of(x) ||
        tau->shape[tau->ndim - 1] > columns_of(x)) {
        return cd_fail(
            err, CD_ESHAPE,
            "orgqr: a matrix of reflections has at least as many rows as columns, and a factor for each of "
            "the first of them.");
    }
    return out_matrix(call, 0, rows_of(x), k, err);
}

static cd_status orgqr_one(const one_matrix *a, cd_error *err)
{
    (void)err;
    cdk_qr_columns(a->out[0], a->in[0], a->in[1], a->m, a->n, columns_wanted(a->attr, a->n), a->k, a->work);
    return CD_OK;
}

static cd_status orgqr_forward(cd_call *call, cd_error *err)
{
    return linalg_forward(call, &(linalg_kind){orgqr_one, {2}}, err);
}

#define LINALG(id, node, inputs, numbers, outputs, kept, gradient) \
    const cd_op cd_op_##id = {.name = #id,                         \
                              .backward_name = node,               \
                              .min_in = inputs,                    \
                              .max_in = inputs,                    \
                              .min_attr = numbers,                 \
                              .max_attr = numbers,                 \
                              .n_out = outputs,                    \
                              .keeps = kept,                       \
                              .traits = CD_COMPOSED,               \
                              .shape = id##_shape,                 \
                              .forward = id##_forward,             \
                              .backward = gradient}

#define inverse_shape square_shape
#define cofactor_shape square_shape
#define solve_shape solved_shape
#define triangular_solve_shape solved_shape

LINALG(inverse, "LinalgInvBackward0", 1, 0, 1, CD_KEEP_OUT(0), inverse_backward);
LINALG(solve, "LinalgSolveBackward0", 2, 0, 1, CD_KEEP_IN(0) | CD_KEEP_OUT(0), solve_backward);
LINALG(slogdet, "LinalgSlogdetBackward0", 1, 0, 2, CD_KEEP_IN(0), slogdet_backward);
LINALG(cofactor, NULL, 1, 0, 1, 0, NULL);
LINALG(det, "LinalgDetBackward0", 1, 0, 1, CD_KEEP_IN(0), det_backward);
LINALG(cholesky, "LinalgCholeskyBackward0", 1, 1, 2, CD_KEEP_OUT(0), cholesky_backward);
LINALG(triangular_solve, "TriangularSolveBackward0", 2, 3, 1, CD_KEEP_IN(0) | CD_KEEP_OUT(0),
       triangular_solve_backward);
LINALG(qr, "LinalgQrBackward0", 1, 1, 2, CD_KEEP_OUT(0) | CD_KEEP_OUT(1), qr_backward);
LINALG(eigh, "LinalgEighBackward0", 1, 1, 2, CD_KEEP_OUT(0) | CD_KEEP_OUT(1), eigh_backward);
LINALG(svd, "LinalgSvdBackward0", 1, 1, 3, CD_KEEP_OUT(0) | CD_KEEP_OUT(1) | CD_KEEP_OUT(2), svd_backward);
LINALG(pinv, "LinalgPinvBackward0", 1, 1, 1, CD_KEEP_IN(0) | CD_KEEP_OUT(0), pinv_backward);
LINALG(lstsq, "LinalgLstsqBackward0", 2, 1, 2, CD_KEEP_IN(0) | CD_KEEP_IN(1), lstsq_backward);
LINALG(lu, "LinalgLuFactorBackward0", 1, 0, 3, CD_KEEP_OUT(0) | CD_KEEP_OUT(1), lu_backward);
LINALG(rows_back, NULL, 2, 0, 1, 0, NULL);
LINALG(geqrf, NULL, 1, 0, 2, 0, NULL);
LINALG(orgqr, NULL, 2, 1, 1, 0, NULL);
