#include "autograd/chain.h"

#include "autograd/broadcast.h"
#include "tensor/copy.h"

cd_chain cd_chain_begin(cd_error *err)
{
    return (cd_chain){.status = CD_OK, .err = err};
}

cd_status cd_chain_end(cd_chain *c)
{
    for (int i = 0; i < c->count; i++) {
        cd_tensor_release(c->held[i]);
    }
    c->count = 0;
    return c->status;
}

cd_tensor *cd_chain_hold(cd_chain *c, cd_tensor *t)
{
    if (t != NULL && c->count == CD_CHAIN_LENGTH) {
        cd_tensor_release(t);
        c->status = cd_fail(c->err, CD_EINTERNAL, "a formula has more than %d steps.", CD_CHAIN_LENGTH);
        return NULL;
    }
    if (t != NULL) {
        c->held[c->count++] = t;
    }
    return t;
}

static cd_tensor *keep(cd_chain *c, cd_status status, cd_tensor *t)
{
    if (status != CD_OK) {
        c->status = status;
        return NULL;
    }
    return cd_chain_hold(c, t);
}

cd_tensor *cd_chain_number(cd_chain *c, double value)
{
    cd_tensor *t = NULL;
    if (c->status != CD_OK) {
        return NULL;
    }
    cd_status status = cd_tensor_number(&t, CD_FLOAT64, value, c->err);
    return keep(c, status, t);
}

cd_tensor *cd_chain_op(cd_chain *c, const char *op, int n_in, cd_tensor *const *in, int n_attr,
                       const double *attr)
{
    cd_tensor *out = NULL;
    if (c->status != CD_OK) {
        return NULL;
    }
    cd_status status = cd_run1(&out, op, n_in, in, n_attr, attr, c->err);
    return keep(c, status, out);
}

cd_tensor *cd_chain1(cd_chain *c, const char *op, cd_tensor *a)
{
    return cd_chain_op(c, op, 1, &a, 0, NULL);
}

cd_tensor *cd_chain2(cd_chain *c, const char *op, cd_tensor *a, cd_tensor *b)
{
    cd_tensor *in[2] = {a, b};
    return cd_chain_op(c, op, 2, in, 0, NULL);
}

cd_tensor *cd_chain2n(cd_chain *c, const char *op, cd_tensor *a, double b)
{
    return cd_chain2(c, op, a, cd_chain_number(c, b));
}

cd_tensor *cd_chain_transpose(cd_chain *c, cd_tensor *t, int a, int b)
{
    cd_tensor *view = NULL;
    if (c->status != CD_OK) {
        return NULL;
    }
    int64_t shape[CD_MAX_DIMS], stride[CD_MAX_DIMS];
    for (int d = 0; d < t->ndim; d++) {
        int from = d == a ? b : d == b ? a : d;
        shape[d] = t->shape[from];
        stride[d] = t->stride[from];
    }
    cd_status status = cd_tensor_view(&view, t, t->ndim, shape, stride, t->offset, c->err);
    return keep(c, status, view);
}

cd_tensor *cd_chain_reshape(cd_chain *c, cd_tensor *t, int ndim, const int64_t *shape)
{
    cd_tensor *dense = NULL, *view = NULL;
    int64_t stride[CD_MAX_DIMS];
    if (c->status != CD_OK) {
        return NULL;
    }
    cd_status status = cd_tensor_as(&dense, t, t->dtype, CD_CONTIGUOUS, c->err);
    if (keep(c, status, dense) == NULL) {
        return NULL;
    }
    cd_tensor_fill_strides(stride, ndim, shape, CD_CONTIGUOUS);
    status = cd_tensor_view(&view, dense, ndim, shape, stride, dense->offset, c->err);
    return keep(c, status, view);
}

void cd_chain_give(cd_chain *c, cd_gradient *g, int i, cd_tensor *t)
{
    if (c->status == CD_OK) {
        c->status = cd_sum_to_like(&g->dx[i], t, g->in[i], c->err);
    }
}
