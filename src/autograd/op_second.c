/* Gradients as operators, so that they have gradients themselves. */
#include "autograd/expression.h"
#include "autograd/second.h"
#include "tensor/copy.h"

/* ---- gradient_of: inputs dy and those of an operator f that is linear in each by itself, but that of which this is
 * the gradient; attr: f, the input, its dtype and shape, then the attributes of f. Derivatives of such a gradient are f
 * and gradients of f again, with the gradient's gradient c in the place of the input:
 * d<c, gradient_of(f, i)(dy)> by dy is f(.., c, ..), by input j gradient_of(f, j)(dy, .., c, ..). ---- */

static const double *attributes_of_f(int *n, int n_attr, const double *attr)
{
    const int skip = CD_GRADIENT_SHAPE + (int)attr[CD_GRADIENT_NDIM];
    *n = n_attr - skip;
    return attr + skip;
}

static cd_status gradient_of_shape(cd_call *call, cd_error *err)
{
    int64_t shape[CD_MAX_DIMS];
    for (int d = 0; d < (int)call->attr[CD_GRADIENT_NDIM]; d++) {
        shape[d] = cd_int_attr(call->attr, CD_GRADIENT_SHAPE + d);
    }
    return cd_out(call, 0, (cd_dtype)call->attr[CD_GRADIENT_DTYPE], (int)call->attr[CD_GRADIENT_NDIM], shape,
                  CD_CONTIGUOUS, err);
}

/* The inputs of f, with the shape of the one the gradient is of. */
static cd_status inputs_of_f(cd_tensor **in, cd_tensor **like, const cd_call *call, cd_error *err)
{
    const cd_tensor *y = call->out[0];
    CD_TRY(cd_tensor_new_shape(like, y->dtype, y->ndim, y->shape, CD_CONTIGUOUS, err));
    for (int i = 0; i + 1 < call->n_in; i++) {
        in[i] = call->in[i + 1];
    }
    in[(int)call->attr[CD_GRADIENT_WHICH]] = *like;
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
    cd_tensor *in[CD_GRADIENT_MOST_INPUTS] = {NULL}, *dx[CD_GRADIENT_MOST_INPUTS] = {NULL}, *like = NULL;
    cd_tensor *out[CD_MAX_OUTPUTS] = {call->in[0]}, *saved[CD_MAX_SAVED] = {NULL};
    bool wants[CD_GRADIENT_MOST_INPUTS] = {false};
    wants[(int)call->attr[CD_GRADIENT_WHICH]] = true;
    cd_call f = {.op = cd_op_at((int)call->attr[CD_GRADIENT_FUNCTION]),
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
    for (int i = 0; i < CD_GRADIENT_MOST_INPUTS; i++) {
        cd_tensor_release(dx[i]);
    }
    cd_call_clear(&f);
    cd_tensor_release(like);
    return status;
}

static cd_status gradient_of_backward(cd_gradient *g, cd_error *err)
{
    int n_attr;
    const int which = (int)g->attr[CD_GRADIENT_WHICH], n = g->n_in - 1;
    const double *attr = attributes_of_f(&n_attr, g->n_attr, g->attr);
    const cd_op *f = cd_op_at((int)g->attr[CD_GRADIENT_FUNCTION]);
    cd_tensor *in[CD_GRADIENT_MOST_INPUTS + 1];
    cd_expr e = cd_expr_begin(err);
    for (int i = 0; i < g->n_in; i++) {
        in[i] = i == 1 + which ? g->dy[0] : g->in[i];
    }
    if (g->wants[0]) {
        cd_expr_give(&e, g, 0,
                     cd_expr_op(&e, (cd_op_id)g->attr[CD_GRADIENT_FUNCTION], n, in + 1, n_attr, attr));
    }
    for (int j = 0; j < n; j++) {
        if (g->wants[1 + j]) {
            cd_tensor *kept = in[1 + j];
            in[1 + j] = NULL;
            cd_expr_give(&e, g, 1 + j, cd_expr_gradient_term(&e, f, j, kept, n, in, n_attr, attr));
            in[1 + j] = kept;
        }
    }
    return cd_expr_end(&e);
}

const cd_op cd_op_gradient_of = {.name = "gradient_of",
                                 .backward_name = "GradientBackward0",
                                 .min_in = 1,
                                 .max_in = CD_GRADIENT_MOST_INPUTS + 1,
                                 .min_attr = CD_GRADIENT_SHAPE,
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
