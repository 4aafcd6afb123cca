/* Gradients as operators, so that they have gradients themselves. */
#include <string.h>

#include "autograd/expression.h"
#include "autograd/second.h"
#include "autograd/trail.h"
#include "tensor/copy.h"

/* ---- gradient_of: inputs dy and those of an operator f that is linear in each by itself, but that of which this is
 * the gradient; attr: f, the input, its dtype and shape, then the attributes of f. Derivatives of such a gradient are f
 * and gradients of f again, with the gradient's gradient c in the place of the input:
 * d<c, gradient_of(f, i)(dy)> by dy is f(.., c, ..), by input j gradient_of(f, j)(dy, .., c, ..). ---- */

enum { FUNCTION, WHICH, DTYPE, NDIM, SHAPE };
#define MOST_INPUTS 8

static const double *attributes_of_f(int *n, int n_attr, const double *attr)
{
    const int skip = SHAPE + (int)attr[NDIM];
    *n = n_attr - skip;
    return attr + skip;
}

static cd_status gradient_of_shape(cd_call *call, cd_error *err)
{
    int64_t shape[CD_MAX_DIMS];
    for (int d = 0; d < (int)call->attr[NDIM]; d++) {
        shape[d] = cd_int_attr(call->attr, SHAPE + d);
    }
    return cd_out(call, 0, (cd_dtype)call->attr[DTYPE], (int)call->attr[NDIM], shape, CD_CONTIGUOUS, err);
}

/* The inputs of f, with the shape of the one the gradient is of. */
static cd_status inputs_of_f(cd_tensor **in, cd_tensor **like, const cd_call *call, cd_error *err)
{
    const cd_tensor *y = call->out[0];
    CD_TRY(cd_tensor_new_shape(like, y->dtype, y->ndim, y->shape, CD_CONTIGUOUS, err));
    for (int i = 0; i + 1 < call->n_in; i++) {
        in[i] = call->in[i + 1];
    }
    in[(int)call->attr[WHICH]] = *like;
    return CD_OK;
}

static cd_status run_gradient_of(cd_gradient *g, cd_call *f, cd_tensor *out, cd_error *err)
{
    const int which = (int)(g->wants[0] ? 0 : g->wants[1] ? 1 : 2);
    if ((f->op->traits & CD_LINEAR) != 0 && f->n_in > 1) { /* positions that indices mean */
        CD_TRY(f->op->shape(f, err));
        g->saved = f->saved;
    }
    CD_TRY(f->op->backward(g, err));
    return g->dx[which] != NULL ? cd_tensor_copy(out, g->dx[which], err) : cd_tensor_fill(out, 0, err);
}

static cd_status gradient_of_forward(cd_call *call, cd_error *err)
{
    int n_attr;
    const double *attr = attributes_of_f(&n_attr, call->n_attr, call->attr);
    cd_tensor *in[MOST_INPUTS] = {NULL}, *dx[MOST_INPUTS] = {NULL}, *like = NULL;
    cd_tensor *out[CD_MAX_OUTPUTS] = {call->in[0]}, *saved[CD_MAX_SAVED] = {NULL};
    bool wants[MOST_INPUTS] = {false};
    wants[(int)call->attr[WHICH]] = true;
    cd_call f = {.op = cd_op_at((int)call->attr[FUNCTION]),
                 .n_in = call->n_in - 1,
                 .in = in,
                 .n_attr = n_attr,
                 .attr = attr,
                 .differentiable = true};
    cd_gradient g = {.op = f.op,
                     .n_in = f.n_in,
                     .in = in,
                     .n_attr = n_attr,
                     .attr = attr,
                     .out = out,
                     .saved = saved,
                     .dy = {call->in[0]},
                     .wants = wants,
                     .dx = dx};
    cd_status status = inputs_of_f(in, &like, call, err);
    if (status == CD_OK) {
        status = run_gradient_of(&g, &f, call->out[0], err);
    }
    for (int i = 0; i < MOST_INPUTS; i++) {
        cd_tensor_release(dx[i]);
    }
    cd_call_clear(&f);
    cd_tensor_release(like);
    return status;
}

static cd_tensor *gradient_term(cd_expr *e, const cd_op *f, int which, const cd_tensor *like, int n_in,
                                cd_tensor *const *dy_and_in, int n_attr, const double *attr)
{
    double all[SHAPE + CD_MAX_DIMS + 128] = {(double)cd_op_id_of(f), which, like->dtype, like->ndim};
    if (n_attr > 128) {
        e->status = cd_fail(e->err, CD_EAUTOGRAD, "%s: too many numbers for a second derivative.", f->name);
    }
    if (e->status != CD_OK) {
        return NULL;
    }
    for (int d = 0; d < like->ndim; d++) {
        all[SHAPE + d] = (double)like->shape[d];
    }
    if (n_attr > 0) {
        memcpy(all + SHAPE + like->ndim, attr, (size_t)n_attr * sizeof *attr);
    }
    return cd_expr_op(e, CD_OP_gradient_of, n_in + 1, dy_and_in, SHAPE + like->ndim + n_attr, all);
}

cd_tensor *cd_expr_gradient_of(cd_expr *e, const cd_gradient *g, int which, int n_in)
{
    cd_tensor *in[MOST_INPUTS + 1] = {g->dy[0]};
    for (int i = 0; i < n_in; i++) {
        in[i + 1] = i == which || g->in[i] == NULL || g->in[i]->storage == NULL ? NULL : g->in[i];
    }
    return gradient_term(e, g->op, which, g->in[which], n_in, in, g->n_attr, g->attr);
}

static cd_status gradient_of_backward(cd_gradient *g, cd_error *err)
{
    int n_attr;
    const int which = (int)g->attr[WHICH], n = g->n_in - 1;
    const double *attr = attributes_of_f(&n_attr, g->n_attr, g->attr);
    const cd_op *f = cd_op_at((int)g->attr[FUNCTION]);
    cd_tensor *in[MOST_INPUTS + 1];
    cd_expr e = cd_expr_begin(err);
    for (int i = 0; i < g->n_in; i++) {
        in[i] = i == 1 + which ? g->dy[0] : g->in[i];
    }
    if (g->wants[0]) {
        cd_expr_give(&e, g, 0, cd_expr_op(&e, (cd_op_id)g->attr[FUNCTION], n, in + 1, n_attr, attr));
    }
    for (int j = 0; j < n; j++) {
        if (g->wants[1 + j]) {
            cd_tensor *kept = in[1 + j];
            in[1 + j] = NULL;
            cd_expr_give(&e, g, 1 + j, gradient_term(&e, f, j, kept, n, in, n_attr, attr));
            in[1 + j] = kept;
        }
    }
    return cd_expr_end(&e);
}

const cd_op cd_op_gradient_of = {.name = "gradient_of",
                                 .backward_name = "GradientBackward0",
                                 .min_in = 1,
                                 .max_in = MOST_INPUTS + 1,
                                 .min_attr = SHAPE,
                                 .max_attr = CD_ANY_COUNT,
                                 .n_out = 1,
                                 .keeps = CD_KEEP_ALL_IN,
                                 .traits = CD_COMPOSED,
                                 .shape = gradient_of_shape,
                                 .forward = gradient_of_forward,
                                 .backward = gradient_of_backward};

/* ---- once: the first input, which can be differentiated no further; attr: the operator that cannot ---- */

static cd_status once_shape(cd_call *call, cd_error *err)
{
    return cd_tensor_alias(&call->out[0], call->in[0], err);
}

static cd_status once_backward(cd_gradient *g, cd_error *err)
{
    return cd_fail(err, CD_EAUTOGRAD,
                   "%s has no second derivative here: what was computed with create_graph = TRUE cannot be "
                   "differentiated through it.",
                   cd_op_at((int)g->attr[0])->name);
}

const cd_op cd_op_once = {.name = "once",
                          .backward_name = "OnceDifferentiable",
                          .min_in = 1,
                          .max_in = CD_ANY_COUNT,
                          .min_attr = 1,
                          .max_attr = 1,
                          .n_out = 1,
                          .traits = CD_COMPOSED,
                          .shape = once_shape,
                          .backward = once_backward};

/* ---- which way ---- */

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
    cd_trail *trail = cd_trail_pause();
    cd_status status = g->op->backward(g, err);
    cd_trail_resume(trail);
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
