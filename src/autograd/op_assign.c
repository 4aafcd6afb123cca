/* Assignment as operators: what copy_() and fill_() do, with the gradients they have. */
#include "autograd/expression.h"
#include "tensor/copy.h"

static cd_status assign_shape(cd_call *call, cd_error *err)
{
    return cd_out_like(call, 0, call->in[0], err);
}

/* copy(self, source) = source, broadcast to the shape of self and converted to its dtype. */
static cd_status copy_forward(cd_call *call, cd_error *err)
{
    return cd_tensor_copy(call->out[0], call->in[1], err);
}

static cd_status copy_backward(cd_gradient *g, cd_error *err)
{
    if (!g->wants[1] || g->dy[0] == NULL) {
        return CD_OK;
    }
    if (!cd_tensor_same_shape(g->dy[0], g->in[1])) {
        double shape[CD_MAX_DIMS];
        for (int i = 0; i < g->in[1]->ndim; i++) {
            shape[i] = (double)g->in[1]->shape[i];
        }
        return cd_run1(&g->dx[1], CD_OP_sum_to_shape, 1, &g->dy[0], g->in[1]->ndim, shape, err);
    }
    return cd_tensor_as(&g->dx[1], g->dy[0], g->in[1]->dtype, cd_tensor_preferred_layout(g->dy[0]), err);
}

static cd_status copy_second(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    if (g->wants[1] && g->dy[0] != NULL) {
        cd_expr_give(&e, g, 1, g->dy[0]);
    }
    return cd_expr_end(&e);
}

const cd_op cd_op_copy = {.name = "copy",
                          .backward_name = "CopyBackwards",
                          .min_in = 2,
                          .max_in = 2,
                          .n_out = 1,
                          .traits = CD_POINTWISE | CD_NUMBERS | CD_ANY_DTYPE,
                          .shape = assign_shape,
                          .forward = copy_forward,
                          .backward = copy_backward,
                          .second = copy_second};

/* fill(self; value) = value everywhere. */
static cd_status fill_forward(cd_call *call, cd_error *err)
{
    return cd_tensor_fill(call->out[0], call->attr[0], err);
}

static cd_status fill_backward(cd_gradient *g, cd_error *err)
{
    (void)g;
    (void)err;
    return CD_OK;
}

const cd_op cd_op_fill = {.name = "fill",
                          .backward_name = "FillBackward0",
                          .min_in = 1,
                          .max_in = 1,
                          .min_attr = 1,
                          .max_attr = 1,
                          .n_out = 1,
                          .traits = CD_POINTWISE | CD_COMPOSED | CD_ANY_DTYPE,
                          .shape = assign_shape,
                          .forward = fill_forward,
                          .backward = fill_backward};
