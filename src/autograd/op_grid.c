/* grid_sample: an image N x C x H x W read at grid N x OH x OW x 2. */
#include "autograd/dense.h"
#include "kernels/grid_sample.h"

enum { NEAREST, OUTSIDE, ALIGN_CORNERS };
enum { IMAGE, GRID };

static cd_status grid_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[IMAGE], *grid = call->in[GRID];
    char image[CD_SHAPE_TEXT], places[CD_SHAPE_TEXT];
    CD_TRY(cd_check_float(x, "grid_sample", err));
    CD_TRY(cd_check_float(grid, "grid_sample", err));
    if (x->ndim != 4 || grid->ndim != 4 || grid->shape[3] != 2 || grid->shape[0] != x->shape[0] ||
        cd_tensor_numel(x) == 0) {
        return cd_fail(
            err, CD_ESHAPE,
            "grid_sample: expected an input of size N x C x H x W and a grid of size N x height x width x 2, "
            "got %s and %s.",
            cd_shape_text(image, x->ndim, x->shape), cd_shape_text(places, grid->ndim, grid->shape));
    }
    int64_t shape[4] = {x->shape[0], x->shape[1], grid->shape[1], grid->shape[2]};
    return cd_out(call, 0, x->dtype, 4, shape, CD_CHANNELS_LAST, err);
}

/* Whether all along the first dimension are the same elements: no copies are made of them. */
static bool is_expanded(const cd_tensor *t)
{
    return t->shape[0] > 1 && t->stride[0] == 0;
}

/* t, or the one it is expanded from, with the dtype and layout. */
static cd_status dense_one(cd_tensor **as, cd_tensor *t, cd_dtype dtype, cd_layout layout, cd_error *err)
{
    if (!is_expanded(t)) {
        return cd_tensor_as(as, t, dtype, layout, err);
    }
    cd_tensor *first;
    int64_t shape[4] = {1, t->shape[1], t->shape[2], t->shape[3]};
    CD_TRY(cd_tensor_view(&first, t, 4, shape, t->stride, t->offset, err));
    cd_status status = cd_tensor_as(as, first, dtype, layout, err);
    cd_tensor_release(first);
    return status;
}

static cdk_sampling sampling_of(const cd_tensor *x, const cd_tensor *grid, const double *attr)
{
    return (cdk_sampling){.N = x->shape[0],
                          .C = x->shape[1],
                          .H = x->shape[2],
                          .W = x->shape[3],
                          .points = grid->shape[1] * grid->shape[2],
                          .one_image = is_expanded(x),
                          .one_grid = is_expanded(grid),
                          .nearest = attr[NEAREST] != 0,
                          .align_corners = attr[ALIGN_CORNERS] != 0,
                          .outside = (cdk_outside)attr[OUTSIDE]};
}

static cd_status dense_pair(cd_tensor **x, cd_tensor **grid, cd_tensor *const *in, cd_error *err)
{
    CD_TRY(dense_one(x, in[IMAGE], in[IMAGE]->dtype, CD_CHANNELS_LAST, err));
    return dense_one(grid, in[GRID], in[IMAGE]->dtype, CD_CONTIGUOUS, err);
}

static cd_status grid_forward(cd_call *call, cd_error *err)
{
    cd_tensor *x = NULL, *grid = NULL;
    cdk_sampling s = sampling_of(call->in[IMAGE], call->in[GRID], call->attr);
    cd_status status = dense_pair(&x, &grid, call->in, err);
    if (status == CD_OK) {
        cdk_grid_sample[x->dtype](cd_tensor_data(call->out[0]), cd_tensor_data(x), cd_tensor_data(grid), &s);
    }
    cd_tensor_release(x);
    cd_tensor_release(grid);
    return status;
}

static cd_status new_gradients(cd_gradient *g, cd_error *err)
{
    cd_dtype dtype = g->in[IMAGE]->dtype;
    if (g->wants[IMAGE]) {
        CD_TRY(cd_tensor_new(&g->dx[IMAGE], dtype, 4, g->in[IMAGE]->shape, CD_CHANNELS_LAST, err));
    }
    if (g->wants[GRID]) {
        CD_TRY(cd_tensor_new(&g->dx[GRID], dtype, 4, g->in[GRID]->shape, CD_CONTIGUOUS, err));
    }
    return CD_OK;
}

static void *data_or_null(const cd_tensor *t)
{
    return t != NULL ? cd_tensor_data(t) : NULL;
}

static cd_status grid_backward(cd_gradient *g, cd_error *err)
{
    cd_tensor *x = NULL, *grid = NULL, *dy = NULL;
    cdk_sampling s = sampling_of(g->in[IMAGE], g->in[GRID], g->attr);
    cd_status status = dense_pair(&x, &grid, g->in, err);
    if (status == CD_OK) {
        status = cd_tensor_as(&dy, g->dy[0], x->dtype, CD_CHANNELS_LAST, err);
    }
    if (status == CD_OK) {
        status = new_gradients(g, err);
    }
    if (status == CD_OK) {
        void *dx = data_or_null(g->dx[IMAGE]), *dgrid = data_or_null(g->dx[GRID]);
        cdk_grid_sample_gradient[x->dtype](dx, dgrid, cd_tensor_data(dy), cd_tensor_data(x),
                                           cd_tensor_data(grid), &s);
    }
    cd_tensor_release(x);
    cd_tensor_release(grid);
    cd_tensor_release(dy);
    return status;
}

const cd_op cd_op_grid_sample = {.name = "grid_sample",
                                 .backward_name = "GridSampler2DBackward0",
                                 .min_in = 2,
                                 .max_in = 2,
                                 .min_attr = 3,
                                 .max_attr = 3,
                                 .n_out = 1,
                                 .keeps = CD_KEEP_IN(IMAGE) | CD_KEEP_IN(GRID),
                                 .shape = grid_shape,
                                 .forward = grid_forward,
                                 .backward = grid_backward};
