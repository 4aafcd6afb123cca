#include "autograd/expression.h"

#include "autograd/shapes.h"
#include "tensor/copy.h"

cd_expr cd_expr_begin(cd_error *err)
{
    return (cd_expr){.status = CD_OK, .err = err};
}

cd_status cd_expr_end(cd_expr *e)
{
    for (int i = 0; i < e->count; i++) {
        cd_tensor_release(e->held[i]);
    }
    e->count = 0;
    return e->status;
}

cd_tensor *cd_expr_hold(cd_expr *e, cd_tensor *t)
{
    if (t != NULL && e->count == CD_EXPR_TERMS) {
        cd_tensor_release(t);
        e->status = cd_fail(e->err, CD_EINTERNAL, "an expression has more than %d terms.", CD_EXPR_TERMS);
        return NULL;
    }
    if (t != NULL) {
        e->held[e->count++] = t;
    }
    return t;
}

static cd_tensor *keep(cd_expr *e, cd_status status, cd_tensor *t)
{
    if (status != CD_OK) {
        e->status = status;
        return NULL;
    }
    return cd_expr_hold(e, t);
}

cd_tensor *cd_expr_number(cd_expr *e, double value)
{
    cd_tensor *t = NULL;
    if (e->status != CD_OK) {
        return NULL;
    }
    cd_status status = cd_tensor_number(&t, CD_FLOAT64, value, e->err);
    return keep(e, status, t);
}

cd_tensor *cd_expr_op(cd_expr *e, cd_op_id op, int n_in, cd_tensor *const *in, int n_attr, const double *attr)
{
    cd_tensor *out = NULL;
    if (e->status != CD_OK) {
        return NULL;
    }
    cd_status status = cd_run1(&out, op, n_in, in, n_attr, attr, e->err);
    return keep(e, status, out);
}

cd_tensor *cd_expr1(cd_expr *e, cd_op_id op, cd_tensor *a)
{
    return cd_expr_op(e, op, 1, &a, 0, NULL);
}

cd_tensor *cd_expr2(cd_expr *e, cd_op_id op, cd_tensor *a, cd_tensor *b)
{
    cd_tensor *in[2] = {a, b};
    return cd_expr_op(e, op, 2, in, 0, NULL);
}

cd_tensor *cd_expr2n(cd_expr *e, cd_op_id op, cd_tensor *a, double b)
{
    return cd_expr2(e, op, a, cd_expr_number(e, b));
}

cd_tensor *cd_expr_add(cd_expr *e, cd_tensor *a, cd_tensor *b)
{
    return cd_expr2(e, CD_OP_add, a, b);
}

cd_tensor *cd_expr_sub(cd_expr *e, cd_tensor *a, cd_tensor *b)
{
    return cd_expr2(e, CD_OP_sub, a, b);
}

cd_tensor *cd_expr_mul(cd_expr *e, cd_tensor *a, cd_tensor *b)
{
    return cd_expr2(e, CD_OP_mul, a, b);
}

cd_tensor *cd_expr_div(cd_expr *e, cd_tensor *a, cd_tensor *b)
{
    return cd_expr2(e, CD_OP_div, a, b);
}

cd_tensor *cd_expr_neg(cd_expr *e, cd_tensor *a)
{
    return cd_expr1(e, CD_OP_neg, a);
}

cd_tensor *cd_expr_times(cd_expr *e, cd_tensor *a, double number)
{
    return cd_expr2n(e, CD_OP_mul, a, number);
}

cd_tensor *cd_expr_plus(cd_expr *e, cd_tensor *a, double number)
{
    return cd_expr2n(e, CD_OP_add, a, number);
}

cd_tensor *cd_expr_where(cd_expr *e, cd_tensor *condition, cd_tensor *t, cd_tensor *other)
{
    cd_tensor *in[3] = {condition, t, other};
    return cd_expr_op(e, CD_OP_where, 3, in, 0, NULL);
}

cd_tensor *cd_expr_transpose(cd_expr *e, cd_tensor *t, int a, int b)
{
    cd_tensor *view = NULL;
    if (e->status != CD_OK) {
        return NULL;
    }
    if (cd_run_is_recorded()) {
        return cd_expr_op(e, CD_OP_transpose, 1, &t, 2, (const double[]){a, b});
    }
    int64_t shape[CD_MAX_DIMS], stride[CD_MAX_DIMS];
    for (int d = 0; d < t->ndim; d++) {
        int from = d == a ? b : d == b ? a : d;
        shape[d] = t->shape[from];
        stride[d] = t->stride[from];
    }
    cd_status status = cd_tensor_view(&view, t, t->ndim, shape, stride, t->offset, e->err);
    return keep(e, status, view);
}

/* The operator reshape or expand. */
static cd_tensor *sized(cd_expr *e, cd_op_id op, cd_tensor *t, int ndim, const int64_t *shape)
{
    double size[CD_MAX_DIMS] = {0};
    for (int d = 0; d < ndim; d++) {
        size[d] = (double)shape[d];
    }
    return cd_expr_op(e, op, 1, &t, ndim, size);
}

cd_tensor *cd_expr_expand(cd_expr *e, cd_tensor *t, int ndim, const int64_t *shape)
{
    return sized(e, CD_OP_expand, t, ndim, shape);
}

cd_tensor *cd_expr_along(cd_expr *e, cd_op_id reduction, cd_tensor *t, int dim)
{
    return cd_expr_op(e, reduction, 1, &t, 3, (const double[]){1, -1, dim});
}

cd_tensor *cd_expr_full_like(cd_expr *e, const cd_tensor *t, double value)
{
    cd_tensor *full = NULL;
    if (e->status != CD_OK) {
        return NULL;
    }
    cd_status status =
        cd_tensor_new(&full, t->dtype, t->ndim, t->shape, cd_tensor_preferred_layout(t), e->err);
    if (keep(e, status, full) != NULL) {
        e->status = cd_tensor_fill(full, value, e->err);
    }
    return e->status == CD_OK ? full : NULL;
}

cd_tensor *cd_expr_reshape(cd_expr *e, cd_tensor *t, int ndim, const int64_t *shape)
{
    cd_tensor *dense = NULL, *view = NULL;
    int64_t stride[CD_MAX_DIMS];
    if (e->status != CD_OK) {
        return NULL;
    }
    if (cd_run_is_recorded()) {
        return sized(e, CD_OP_reshape, t, ndim, shape);
    }
    cd_status status = cd_tensor_as(&dense, t, t->dtype, CD_CONTIGUOUS, e->err);
    if (keep(e, status, dense) == NULL) {
        return NULL;
    }
    cd_tensor_fill_strides(stride, ndim, shape, CD_CONTIGUOUS);
    status = cd_tensor_view(&view, dense, ndim, shape, stride, dense->offset, e->err);
    return keep(e, status, view);
}

void cd_expr_give(cd_expr *e, cd_gradient *g, int i, cd_tensor *t)
{
    if (e->status == CD_OK) {
        e->status = cd_sum_to_like(&g->dx[i], t, g->in[i], e->err);
    }
}
