/* Matrix products. All go through one batched product of stored matrices; the
 * other operators arrange shapes. */
#include <string.h>

#include "autograd/expression.h"
#include "autograd/shapes.h"
#include "base/memory.h"
#include "kernels/matmul.h"
#include "tensor/copy.h"

static cd_status no_fit(const cd_call *call, cd_error *err)
{
    char a[CD_SHAPE_TEXT], b[CD_SHAPE_TEXT];
    return cd_fail(err, CD_ESHAPE, "%s: shapes cannot be multiplied (%s and %s).",
                   call->op == cd_op_at(CD_OP_bmm_any) ? "matmul" : call->op->name,
                   cd_shape_text(a, call->in[0]->ndim, call->in[0]->shape),
                   cd_shape_text(b, call->in[1]->ndim, call->in[1]->shape));
}

static cd_status check_dtypes(const cd_call *call, cd_error *err)
{
    if (call->in[0]->dtype != call->in[1]->dtype) {
        return cd_fail(err, CD_EDTYPE, "%s: expected both tensors to have the same dtype, but got %s and %s.",
                       call->op->name, cd_dtype_name(call->in[0]->dtype), cd_dtype_name(call->in[1]->dtype));
    }
    return CD_OK;
}

/* ---- one product of matrices ---- */

/* A stored matrix: rows `step` elements apart, possibly transposed. */
typedef struct {
    const cd_tensor *t;
    int64_t step;
    int transposed;
} matrix;

static bool stored_by_rows(const cd_tensor *t, int row, int column)
{
    return (t->stride[column] == 1 || t->shape[column] == 1) &&
           (t->stride[row] >= t->shape[column] || t->shape[row] == 1);
}

/* t's last two dimensions as a stored matrix; other strides need a copy, which *owned then holds. */
static cd_status as_matrix(matrix *m, cd_tensor **owned, cd_tensor *t, cd_error *err)
{
    int row = t->ndim - 2, column = t->ndim - 1;
    *owned = NULL;
    if (!stored_by_rows(t, row, column) && !stored_by_rows(t, column, row)) {
        CD_TRY(cd_tensor_clone(owned, t, CD_CONTIGUOUS, err));
        t = *owned;
    }
    m->t = t;
    m->transposed = !stored_by_rows(t, row, column);
    int64_t width = t->shape[m->transposed ? row : column];
    m->step = t->stride[m->transposed ? column : row];
    m->step = m->step >= width ? m->step : width;
    m->step = m->step > 0 ? m->step : 1;
    return CD_OK;
}

/* ---- product: matrices [..., M, K] x [..., K, N], leading dimensions broadcast ---- */

static cd_status product_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *a = call->in[0], *b = call->in[1];
    int64_t shape[CD_MAX_DIMS];
    CD_TRY(check_dtypes(call, err));
    if (a->ndim < 2 || b->ndim < 2 || a->shape[a->ndim - 1] != b->shape[b->ndim - 2]) {
        return no_fit(call, err);
    }
    int ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
    for (int d = 3; d <= ndim; d++) {
        shape[ndim - d] = d <= a->ndim ? a->shape[a->ndim - d] : 1;
        if (!cd_broadcast_size(&shape[ndim - d], d <= b->ndim ? b->shape[b->ndim - d] : 1)) {
            return no_fit(call, err);
        }
    }
    shape[ndim - 2] = a->shape[a->ndim - 2];
    shape[ndim - 1] = b->shape[b->ndim - 1];
    return cd_out(call, 0, a->dtype, ndim, shape, CD_CONTIGUOUS, err);
}

/* Where batch number `batch` of y begins in t (elements). */
static int64_t batch_offset(const cd_tensor *t, const cd_tensor *y, int64_t batch)
{
    int64_t at = 0;
    for (int d = 3; d <= y->ndim; d++) {
        int64_t size = y->shape[y->ndim - d], index = batch % size;
        batch /= size;
        if (d <= t->ndim && t->shape[t->ndim - d] != 1) {
            at += index * t->stride[t->ndim - d];
        }
    }
    return at;
}

static cdk_matrix stored(const matrix *m)
{
    return (cdk_matrix){cd_tensor_data(m->t), m->step, m->transposed};
}

static cd_status multiply_batches(cd_tensor *y, const matrix *A, const matrix *B, cd_error *err)
{
    const int64_t M = y->shape[y->ndim - 2], N = y->shape[y->ndim - 1], K = A->t->shape[A->t->ndim - 1];
    const int64_t batches = M * N > 0 ? cd_tensor_numel(y) / (M * N) : 0;
    const cdk_matrix a = stored(A), b = stored(B);
    void *block;
    size_t bytes;
    CD_TRY(cd_memory_size(&bytes, (size_t)batches, 2, sizeof(int64_t), err));
    CD_TRY(cd_memory_alloc(&block, bytes, err));
    int64_t *at = block;
    for (int64_t i = 0; i < batches; i++) {
        at[i] = batch_offset(A->t, y, i);
        at[batches + i] = batch_offset(B->t, y, i);
    }
    const cdk_batch batch = {batches, at, at + batches};
    const cd_status status = cdk_matmul[y->dtype](cd_tensor_data(y), &a, &b, &batch, M, N, K, err);
    cd_memory_free(block);
    return status;
}

/* Types without a product of their own are multiplied as the widest of their kind. */
static cd_status product_forward(cd_call *call, cd_error *err)
{
    cd_tensor *y = call->out[0], *whole = NULL, *in[2] = {NULL, NULL}, *owned[2] = {NULL, NULL};
    bool direct = cdk_matmul[y->dtype] != NULL;
    cd_dtype dtype = direct ? y->dtype : cd_dtype_widest(y->dtype);
    matrix m[2];
    cd_status status = direct ? CD_OK : cd_tensor_new(&whole, dtype, y->ndim, y->shape, CD_CONTIGUOUS, err);
    for (int i = 0; i < 2 && status == CD_OK; i++) {
        if (direct) {
            in[i] = cd_tensor_retain(call->in[i]);
        } else {
            status = cd_tensor_as(&in[i], call->in[i], dtype, CD_CONTIGUOUS, err);
        }
        if (status == CD_OK) {
            status = as_matrix(&m[i], &owned[i], in[i], err);
        }
    }
    if (status == CD_OK) {
        status = multiply_batches(direct ? y : whole, &m[0], &m[1], err);
    }
    if (status == CD_OK && !direct) {
        status = cd_tensor_copy(y, whole, err);
    }
    for (int i = 0; i < 2; i++) {
        cd_tensor_release(in[i]);
        cd_tensor_release(owned[i]);
    }
    cd_tensor_release(whole);
    return status;
}

static cd_tensor *transposed(cd_expr *e, cd_tensor *t)
{
    return t == NULL ? NULL : cd_expr_transpose(e, t, t->ndim - 2, t->ndim - 1);
}

/* dA = dy B', dB = A' dy */
static cd_status product_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    if (g->wants[0]) {
        cd_expr_give(&e, g, 0, cd_expr2(&e, CD_OP_bmm_any, g->dy[0], transposed(&e, g->in[1])));
    }
    if (g->wants[1]) {
        cd_expr_give(&e, g, 1, cd_expr2(&e, CD_OP_bmm_any, transposed(&e, g->in[0]), g->dy[0]));
    }
    return cd_expr_end(&e);
}

static cd_status mm_shape(cd_call *call, cd_error *err)
{
    if (call->in[0]->ndim != 2 || call->in[1]->ndim != 2) {
        return no_fit(call, err);
    }
    return product_shape(call, err);
}

static cd_status bmm_shape(cd_call *call, cd_error *err)
{
    if (call->in[0]->ndim != 3 || call->in[1]->ndim != 3 || call->in[0]->shape[0] != call->in[1]->shape[0]) {
        return no_fit(call, err);
    }
    return product_shape(call, err);
}

/* ---- products with vectors: they become matrices of one row or column ---- */

static cd_tensor *with_dims(cd_expr *e, cd_tensor *t, int ndim, int64_t first, int64_t second)
{
    int64_t shape[2] = {first, second};
    return t == NULL ? NULL : cd_expr_reshape(e, t, ndim, shape);
}

static cd_tensor *row(cd_expr *e, cd_tensor *v)
{
    return with_dims(e, v, 2, 1, cd_tensor_numel(v));
}

static cd_tensor *column(cd_expr *e, cd_tensor *v)
{
    return with_dims(e, v, 2, cd_tensor_numel(v), 1);
}

static cd_status copy_result(cd_expr *e, cd_call *call, cd_tensor *y)
{
    if (e->status == CD_OK) {
        y = cd_expr_reshape(e, y, call->out[0]->ndim, call->out[0]->shape);
    }
    if (e->status == CD_OK) {
        e->status = cd_tensor_copy(call->out[0], y, e->err);
    }
    return cd_expr_end(e);
}

static cd_status dot_shape(cd_call *call, cd_error *err)
{
    CD_TRY(check_dtypes(call, err));
    if (call->in[0]->ndim != 1 || call->in[1]->ndim != 1 || call->in[0]->shape[0] != call->in[1]->shape[0]) {
        return no_fit(call, err);
    }
    return cd_out(call, 0, call->in[0]->dtype, 0, NULL, CD_CONTIGUOUS, err);
}

static cd_status dot_forward(cd_call *call, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    return copy_result(&e, call, cd_expr2(&e, CD_OP_bmm_any, row(&e, call->in[0]), column(&e, call->in[1])));
}

static cd_status dot_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    for (int i = 0; i < 2; i++) {
        if (g->wants[i]) {
            cd_expr_give(&e, g, i, cd_expr_mul(&e, g->in[1 - i], g->dy[0]));
        }
    }
    return cd_expr_end(&e);
}

static cd_status mv_shape(cd_call *call, cd_error *err)
{
    CD_TRY(check_dtypes(call, err));
    if (call->in[0]->ndim != 2 || call->in[1]->ndim != 1 || call->in[0]->shape[1] != call->in[1]->shape[0]) {
        return no_fit(call, err);
    }
    return cd_out(call, 0, call->in[0]->dtype, 1, call->in[0]->shape, CD_CONTIGUOUS, err);
}

static cd_status mv_forward(cd_call *call, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    return copy_result(&e, call, cd_expr2(&e, CD_OP_bmm_any, call->in[0], column(&e, call->in[1])));
}

static cd_status mv_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    cd_tensor *dy = column(&e, g->dy[0]);
    if (g->wants[0]) {
        cd_expr_give(&e, g, 0, cd_expr2(&e, CD_OP_bmm_any, dy, row(&e, g->in[1])));
    }
    if (g->wants[1]) {
        cd_tensor *dx = cd_expr2(&e, CD_OP_bmm_any, transposed(&e, g->in[0]), dy);
        cd_expr_give(&e, g, 1, with_dims(&e, dx, 1, g->in[1]->shape[0], 0));
    }
    return cd_expr_end(&e);
}

/* ---- linear: y = x W' + b, x [..., K], W [N, K], b [N] ---- */

static cd_status linear_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[0], *w = call->in[1], *b = call->n_in > 2 ? call->in[2] : NULL;
    char have[CD_SHAPE_TEXT], want[CD_SHAPE_TEXT];
    int64_t shape[CD_MAX_DIMS];
    CD_TRY(check_dtypes(call, err));
    if (x->ndim < 1 || w->ndim != 2 || x->shape[x->ndim - 1] != w->shape[1]) {
        return cd_fail(
            err, CD_ESHAPE,
            "linear: the input has shape %s; with a weight of shape %s its last dimension must be the "
            "weight's second.",
            cd_shape_text(have, x->ndim, x->shape), cd_shape_text(want, w->ndim, w->shape));
    }
    if (b != NULL && (b->ndim != 1 || b->shape[0] != w->shape[0] || b->dtype != w->dtype)) {
        return cd_fail(err, CD_ESHAPE,
                       "linear: the bias must be a %s tensor of shape [%lld], got %s of shape %s.",
                       cd_dtype_name(w->dtype), (long long)w->shape[0], cd_dtype_name(b->dtype),
                       cd_shape_text(have, b->ndim, b->shape));
    }
    memcpy(shape, x->shape, sizeof shape);
    shape[x->ndim - 1] = w->shape[0];
    return cd_out(call, 0, x->dtype, x->ndim, shape, CD_CONTIGUOUS, err);
}

static cd_tensor *as_rows(cd_expr *e, cd_tensor *t)
{
    int64_t width = t->shape[t->ndim - 1], rows = 1;
    for (int d = 0; d + 1 < t->ndim; d++) {
        rows *= t->shape[d];
    }
    return with_dims(e, t, 2, rows, width);
}

/* Where the type has a product with a bias. */
static cd_status linear_at_once(cd_call *call, cd_expr *e, cd_tensor *x)
{
    matrix W;
    cd_tensor *owned = NULL, *bias = call->n_in > 2 ? call->in[2] : NULL, *dense = NULL;
    CD_TRY(as_matrix(&W, &owned, call->in[1], e->err));
    cd_expr_hold(e, owned);
    if (bias != NULL) {
        CD_TRY(cd_tensor_as(&dense, bias, x->dtype, CD_CONTIGUOUS, e->err));
        cd_expr_hold(e, dense);
    }
    int64_t N = W.t->shape[0], K = W.t->shape[1];
    cdk_matrix a = {cd_tensor_data(x), K > 0 ? K : 1, 0}, b = {cd_tensor_data(W.t), W.step, !W.transposed};
    return cdk_matmul_bias[x->dtype](cd_tensor_data(call->out[0]), &a, &b,
                                     dense != NULL ? cd_tensor_data(dense) : NULL, x->shape[0], N, K, e->err);
}

static cd_status linear_forward(cd_call *call, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    cd_tensor *x = as_rows(&e, call->in[0]);
    if (e.status == CD_OK && cdk_matmul_bias[x->dtype] != NULL) {
        e.status = linear_at_once(call, &e, x);
        return cd_expr_end(&e);
    }
    cd_tensor *y = cd_expr2(&e, CD_OP_bmm_any, x, transposed(&e, call->in[1]));
    if (call->n_in > 2 && call->in[2] != NULL) {
        y = cd_expr_add(&e, y, call->in[2]);
    }
    return copy_result(&e, call, y);
}

static cd_status linear_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    cd_tensor *dy = as_rows(&e, g->dy[0]);
    if (g->wants[0]) {
        cd_tensor *dx = cd_expr2(&e, CD_OP_bmm_any, dy, g->in[1]);
        dx = dx == NULL ? NULL : cd_expr_reshape(&e, dx, g->in[0]->ndim, g->in[0]->shape);
        cd_expr_give(&e, g, 0, dx);
    }
    if (g->wants[1]) {
        cd_tensor *x = e.status == CD_OK ? as_rows(&e, g->in[0]) : NULL;
        cd_expr_give(&e, g, 1, cd_expr2(&e, CD_OP_bmm_any, transposed(&e, dy), x));
    }
    if (g->n_in > 2 && g->wants[2]) {
        cd_expr_give(&e, g, 2, dy);
    }
    return cd_expr_end(&e);
}

#define PRODUCT(id, printed, shape_rule, family)                      \
    const cd_op cd_op_##id = {.name = #id,                            \
                              .backward_name = printed,               \
                              .min_in = 2,                            \
                              .max_in = 2,                            \
                              .n_out = 1,                             \
                              .keeps = CD_KEEP_IN(0) | CD_KEEP_IN(1), \
                              .traits = CD_COMPOSED,                  \
                              .shape = shape_rule##_shape,            \
                              .forward = family##_forward,            \
                              .backward = family##_backward}

PRODUCT(mm, "MmBackward0", mm, product);
PRODUCT(bmm, "BmmBackward0", bmm, product);
PRODUCT(bmm_any, "UnsafeViewBackward0", product, product);
PRODUCT(mv, "MvBackward0", mv, mv);
PRODUCT(dot, "DotBackward0", dot, dot);

const cd_op cd_op_linear = {.name = "linear",
                            .backward_name = "AddmmBackward0",
                            .min_in = 2,
                            .max_in = 3,
                            .n_out = 1,
                            .keeps = CD_KEEP_IN(0) | CD_KEEP_IN(1),
                            .traits = CD_COMPOSED,
                            .shape = linear_shape,
                            .forward = linear_forward,
                            .backward = linear_backward};
