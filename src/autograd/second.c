#include "autograd/second.h"

#include <string.h>

cd_tensor *cd_expr_gradient_term(cd_expr *e, const cd_op *f, int which, const cd_tensor *like, int n_in,
                                 cd_tensor *const *dy_and_in, int n_attr, const double *attr)
{
    double all[CD_GRADIENT_SHAPE + CD_MAX_DIMS + 128] = {(double)cd_op_id_of(f), which, like->dtype,
                                                         like->ndim};
    if (n_attr > 128) {
        e->status = cd_fail(e->err, CD_EAUTOGRAD, "%s: too many numbers for a second derivative.", f->name);
    }
    if (e->status != CD_OK) {
        return NULL;
    }
    for (int d = 0; d < like->ndim; d++) {
        all[CD_GRADIENT_SHAPE + d] = (double)like->shape[d];
    }
    if (n_attr > 0) {
        memcpy(all + CD_GRADIENT_SHAPE + like->ndim, attr, (size_t)n_attr * sizeof *attr);
    }
    return cd_expr_op(e, CD_OP_gradient_of, n_in + 1, dy_and_in, CD_GRADIENT_SHAPE + like->ndim + n_attr,
                      all);
}

cd_tensor *cd_expr_gradient_of(cd_expr *e, const cd_gradient *g, int which, int n_in)
{
    cd_tensor *in[CD_GRADIENT_MOST_INPUTS + 1] = {g->dy[0]};
    for (int i = 0; i < n_in; i++) {
        in[i + 1] = i == which || g->in[i] == NULL || g->in[i]->storage == NULL ? NULL : g->in[i];
    }
    return cd_expr_gradient_term(e, g->op, which, g->in[which], n_in, in, g->n_attr, g->attr);
}

static cd_status linear_second(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    if (g->wants[0]) {
        cd_expr_give(&e, g, 0, cd_expr_gradient_of(&e, g, 0, g->n_in));
    }
    return cd_expr_end(&e);
}

/* The gradients that backward computes, as constants. */
static cd_status plain_gradients(cd_gradient *g, cd_error *err)
{
    cd_runner recorder = cd_set_runner(NULL);
    cd_status status = g->op->backward(g, err);
    cd_set_runner(recorder);
    return status;
}

/* The slope: what backward makes of ones. */
cd_status cd_second_scaled(cd_gradient *g, cd_error *err)
{
    cd_tensor *dy = g->dy[0];
    cd_expr e = cd_expr_begin(err);
    g->dy[0] = cd_expr_full_like(&e, dy, 1);
    if (e.status == CD_OK) {
        e.status = plain_gradients(g, err);
    }
    g->dy[0] = dy;
    if (e.status == CD_OK && g->dx[0] != NULL) {
        cd_tensor *slope = cd_expr_hold(&e, g->dx[0]);
        g->dx[0] = NULL;
        cd_expr_give(&e, g, 0, cd_expr_mul(&e, dy, slope));
    }
    return cd_expr_end(&e);
}

cd_status cd_second_once(cd_gradient *g, cd_error *err)
{
    cd_tensor *in[1 + CD_MAX_OUTPUTS + 16];
    int n = 1;
    const double id = (double)cd_op_id_of(g->op);
    CD_TRY(plain_gradients(g, err));
    for (int i = 0; i < CD_MAX_OUTPUTS; i++) {
        if (g->dy[i] != NULL) {
            in[n++] = g->dy[i];
        }
    }
    for (int i = 0; i < g->n_in && i < 16; i++) {
        if (g->in[i] != NULL && g->in[i]->history != NULL) {
            in[n++] = g->in[i];
        }
    }
    for (int i = 0; i < g->n_in; i++) {
        if (g->dx[i] != NULL) {
            in[0] = g->dx[i];
            CD_TRY(cd_run1(&g->dx[i], CD_OP_once, n, in, 1, &id, err));
            cd_tensor_release(in[0]);
        }
    }
    return CD_OK;
}

cd_status cd_second(cd_gradient *g, cd_error *err)
{
    const unsigned traits = g->op->traits;
    if (g->op->second != NULL) {
        return g->op->second(g, err);
    }
    if ((traits & CD_COMPOSED) != 0) {
        return g->op->backward(g, err);
    }
    return ((traits & CD_LINEAR) != 0   ? linear_second
            : (traits & CD_SCALES) != 0 ? cd_second_scaled
                                        : cd_second_once)(g, err);
}
