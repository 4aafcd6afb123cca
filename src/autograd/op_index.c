/* Indexing by tensors: index, assign, gather, scatter, masked operations, where, nonzero. Indices are the
 * user's: from 1, or negative from the end; they are resolved once, in forward, and backward uses what that
 * saved. */
#include <string.h>

#include "autograd/compute.h"
#include "autograd/expression.h"
#include "autograd/shapes.h"
#include "autograd/strided.h"
#include "kernels/choose.h"
#include "tensor/copy.h"
#include "tensor/elements.h"
#include "tensor/gather.h"
#include "tensor/index.h"
#include "tensor/slice.h"

static cd_status new_zeros(cd_tensor **t, const cd_tensor *like, cd_error *err)
{
    CD_TRY(cd_tensor_new(t, like->dtype, like->ndim, like->shape, CD_CONTIGUOUS, err));
    memset(cd_tensor_data(*t), 0, (size_t)(*t)->storage->nbytes);
    return CD_OK;
}

/* ---- index: x, index; attr: dim ---- */

static cd_status index_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[0], *index = call->in[1];
    int64_t shape[2 * CD_MAX_DIMS];
    int dim = (int)cd_int_attr(call->attr, 0), taken, ndim = dim;
    CD_TRY(cd_index_positions(&call->saved[0], &taken, index, x, dim, err));
    memcpy(shape, x->shape, (size_t)dim * sizeof *shape);
    if (index->dtype == CD_BOOL) {
        shape[ndim++] = call->saved[0]->shape[0];
    } else {
        memcpy(shape + ndim, index->shape, (size_t)index->ndim * sizeof *shape);
        ndim += index->ndim;
    }
    for (int d = dim + taken; d < x->ndim; d++) {
        shape[ndim++] = x->shape[d];
    }
    return cd_out(call, 0, x->dtype, ndim, shape, CD_CONTIGUOUS, err);
}

static int dims_taken(const cd_tensor *index)
{
    return index->dtype == CD_BOOL ? index->ndim : 1;
}

static cd_status index_forward(cd_call *call, cd_error *err)
{
    return cd_index_read(call->out[0], call->in[0], call->saved[0], (int)call->attr[0],
                         dims_taken(call->in[1]), err);
}

static cd_status index_backward(cd_gradient *g, cd_error *err)
{
    cd_tensor *dy;
    const cd_tensor *x = g->in[0];
    CD_TRY(cd_tensor_new(&g->dx[0], x->dtype, x->ndim, x->shape, CD_CONTIGUOUS, err));
    CD_TRY(cd_tensor_as(&dy, g->dy[0], x->dtype, CD_CONTIGUOUS, err));
    cd_status status = cd_index_sum(g->dx[0], dy, g->saved[0], (int)g->attr[0], dims_taken(g->in[1]), err);
    cd_tensor_release(dy);
    return status;
}

const cd_op cd_op_index = {.name = "index",
                           .backward_name = "IndexBackward0",
                           .min_in = 2,
                           .max_in = 2,
                           .min_attr = 1,
                           .max_attr = 1,
                           .n_out = 1,
                           .keeps = CD_KEEP_IN(1),
                           .traits = CD_LINEAR,
                           .shape = index_shape,
                           .forward = index_forward,
                           .backward = index_backward};

const cd_op cd_op_index_select = {.name = "index_select",
                                  .backward_name = "IndexSelectBackward0",
                                  .min_in = 2,
                                  .max_in = 2,
                                  .min_attr = 1,
                                  .max_attr = 1,
                                  .n_out = 1,
                                  .keeps = CD_KEEP_IN(1),
                                  .traits = CD_LINEAR,
                                  .shape = index_shape,
                                  .forward = index_forward,
                                  .backward = index_backward};

/* ---- masked_select: x, mask (broadcast against each other) ---- */

/* A view of t broadcast to the shape. */
static cd_status expanded(cd_tensor **view, const cd_tensor *t, int ndim, const int64_t *shape, cd_error *err)
{
    int64_t stride[CD_MAX_DIMS];
    CD_TRY(cd_broadcast_strides(stride, t, ndim, shape, err));
    return cd_tensor_view(view, t, ndim, shape, stride, t->offset, err);
}

/* t broadcast to the shape, contiguous, in the dtype. */
static cd_status expanded_as(cd_tensor **as, const cd_tensor *t, cd_dtype dtype, int ndim,
                             const int64_t *shape, cd_layout layout, cd_error *err)
{
    cd_tensor *view;
    CD_TRY(expanded(&view, t, ndim, shape, err));
    cd_status status = cd_tensor_as(as, view, dtype, layout, err);
    cd_tensor_release(view);
    return status;
}

static cd_status check_bool(const cd_op *op, const char *what, const cd_tensor *t, cd_error *err)
{
    if (t->dtype != CD_BOOL) {
        return cd_fail(err, CD_EDTYPE, "%s: %s must be a Bool tensor, got %s.", op->name, what,
                       cd_dtype_name(t->dtype));
    }
    return CD_OK;
}

static cd_status masked_select_shape(cd_call *call, cd_error *err)
{
    int64_t shape[CD_MAX_DIMS];
    int ndim, taken;
    cd_tensor *mask;
    CD_TRY(check_bool(call->op, "mask", call->in[1], err));
    CD_TRY(cd_broadcast_shape(&ndim, shape, 2, call->in, call->op->name, err));
    CD_TRY(expanded_as(&mask, call->in[1], CD_BOOL, ndim, shape, CD_CONTIGUOUS, err));
    cd_status status = cd_index_positions(&call->saved[0], &taken, mask, mask, 0, err);
    cd_tensor_release(mask);
    CD_TRY(status);
    return cd_out(call, 0, call->in[0]->dtype, 1, call->saved[0]->shape, CD_CONTIGUOUS, err);
}

static cd_status masked_select_forward(cd_call *call, cd_error *err)
{
    int64_t shape[CD_MAX_DIMS];
    int ndim;
    cd_tensor *x;
    CD_TRY(cd_broadcast_shape(&ndim, shape, 2, call->in, call->op->name, err));
    CD_TRY(expanded(&x, call->in[0], ndim, shape, err));
    cd_status status = cd_index_read(call->out[0], x, call->saved[0], 0, ndim, err);
    cd_tensor_release(x);
    return status;
}

static cd_status masked_select_backward(cd_gradient *g, cd_error *err)
{
    int64_t shape[CD_MAX_DIMS];
    int ndim;
    cd_tensor *spread, *dy = NULL;
    CD_TRY(cd_broadcast_shape(&ndim, shape, 2, g->in, g->op->name, err));
    CD_TRY(cd_tensor_new(&spread, g->in[0]->dtype, ndim, shape, CD_CONTIGUOUS, err));
    cd_status status = cd_tensor_as(&dy, g->dy[0], spread->dtype, CD_CONTIGUOUS, err);
    if (status == CD_OK) {
        status = cd_index_sum(spread, dy, g->saved[0], 0, ndim, err);
    }
    if (status == CD_OK) {
        status = cd_sum_to_shape(&g->dx[0], spread, g->in[0]->ndim, g->in[0]->shape, err);
    }
    cd_tensor_release(dy);
    cd_tensor_release(spread);
    return status;
}

const cd_op cd_op_masked_select = {.name = "masked_select",
                                   .backward_name = "MaskedSelectBackward0",
                                   .min_in = 2,
                                   .max_in = 2,
                                   .n_out = 1,
                                   .keeps = CD_KEEP_IN(1),
                                   .traits = CD_LINEAR,
                                   .shape = masked_select_shape,
                                   .forward = masked_select_forward,
                                   .backward = masked_select_backward};

/* ---- where: condition, a, b ---- */

static cd_status choose(cd_tensor *y, const cd_tensor *condition, const cd_tensor *a, const cd_tensor *b,
                        cd_error *err)
{
    cd_tensor *dense[3] = {NULL, NULL, NULL};
    cd_layout layout = cd_tensor_preferred_layout(y);
    cd_status status = expanded_as(&dense[0], condition, CD_BOOL, y->ndim, y->shape, layout, err);
    if (status == CD_OK) {
        status = expanded_as(&dense[1], a, y->dtype, y->ndim, y->shape, layout, err);
    }
    if (status == CD_OK) {
        status = expanded_as(&dense[2], b, y->dtype, y->ndim, y->shape, layout, err);
    }
    if (status == CD_OK) {
        cdk_choose(cd_tensor_data(y), cd_tensor_data(dense[0]), cd_tensor_data(dense[1]),
                   cd_tensor_data(dense[2]), cd_tensor_numel(y), cd_dtype_size(y->dtype));
    }
    for (int i = 0; i < 3; i++) {
        cd_tensor_release(dense[i]);
    }
    return status;
}

/* Channels last where an input of the result's size is. */
static cd_layout chosen_layout(const cd_tensor *a, const cd_tensor *b, int ndim, const int64_t *shape)
{
    const cd_tensor *input[] = {a, b};
    for (int i = 0; i < 2; i++) {
        bool whole =
            input[i]->ndim == ndim && memcmp(input[i]->shape, shape, (size_t)ndim * sizeof *shape) == 0;
        if (whole && cd_tensor_preferred_layout(input[i]) == CD_CHANNELS_LAST) {
            return CD_CHANNELS_LAST;
        }
    }
    return CD_CONTIGUOUS;
}

static cd_status where_shape(cd_call *call, cd_error *err)
{
    int64_t shape[CD_MAX_DIMS];
    int ndim;
    CD_TRY(check_bool(call->op, "condition", call->in[0], err));
    CD_TRY(cd_broadcast_shape(&ndim, shape, 3, call->in, call->op->name, err));
    return cd_out(call, 0, cd_promote_chosen(2, call->in + 1), ndim, shape,
                  chosen_layout(call->in[1], call->in[2], ndim, shape), err);
}

static cd_status where_forward(cd_call *call, cd_error *err)
{
    return choose(call->out[0], call->in[0], call->in[1], call->in[2], err);
}

/* The gradient of dy where the condition is `side`, elsewhere zero, summed to the shape of in[i]. */
static cd_status one_side(cd_gradient *g, int i, bool side, const cd_tensor *condition, cd_error *err)
{
    cd_tensor *part, *zero, *sum = NULL, *dy = g->dy[0];
    if (!g->wants[i]) {
        return CD_OK;
    }
    CD_TRY(cd_tensor_number(&zero, CD_FLOAT64, 0, err));
    cd_status status =
        cd_tensor_new(&part, dy->dtype, dy->ndim, dy->shape, cd_tensor_preferred_layout(dy), err);
    if (status == CD_OK) {
        status = choose(part, condition, side ? dy : zero, side ? zero : dy, err);
    }
    if (status == CD_OK) {
        status = cd_sum_to_shape(&sum, part, g->in[i]->ndim, g->in[i]->shape, err);
    }
    if (status == CD_OK) {
        status = cd_tensor_as_dtype(&g->dx[i], sum, g->in[i]->dtype, err);
    }
    cd_tensor_release(sum);
    cd_tensor_release(part);
    cd_tensor_release(zero);
    return status;
}

static cd_status where_backward(cd_gradient *g, cd_error *err)
{
    CD_TRY(one_side(g, 1, true, g->in[0], err));
    return one_side(g, 2, false, g->in[0], err);
}

/* one_side() by operators. */
static void give_side(cd_expr *e, cd_gradient *g, int i, bool side, cd_tensor *condition)
{
    if (g->wants[i]) {
        cd_tensor *zero = cd_expr_number(e, 0), *dy = g->dy[0];
        cd_expr_give(e, g, i, cd_expr_where(e, condition, side ? dy : zero, side ? zero : dy));
    }
}

static cd_status where_second(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    give_side(&e, g, 1, true, g->in[0]);
    give_side(&e, g, 2, false, g->in[0]);
    return cd_expr_end(&e);
}

const cd_op cd_op_where = {.name = "where",
                           .backward_name = "WhereBackward0",
                           .min_in = 3,
                           .max_in = 3,
                           .n_out = 1,
                           .keeps = CD_KEEP_IN(0),
                           .traits = CD_NUMBERS,
                           .shape = where_shape,
                           .forward = where_forward,
                           .backward = where_backward,
                           .second = where_second};

/* ---- masked_fill: x, mask, value ---- */

static cd_status masked_fill_shape(cd_call *call, cd_error *err)
{
    int64_t shape[CD_MAX_DIMS];
    int ndim;
    CD_TRY(check_bool(call->op, "mask", call->in[1], err));
    if (cd_tensor_numel(call->in[2]) != 1) {
        return cd_fail(err, CD_ESHAPE, "masked_fill: value must be one number or a tensor of one element.");
    }
    CD_TRY(cd_broadcast_shape(&ndim, shape, 2, call->in, call->op->name, err));
    return cd_out(call, 0, call->in[0]->dtype, ndim, shape,
                  chosen_layout(call->in[0], call->in[1], ndim, shape), err);
}

static cd_status masked_fill_forward(cd_call *call, cd_error *err)
{
    return choose(call->out[0], call->in[1], call->in[2], call->in[0], err);
}

static cd_status masked_fill_backward(cd_gradient *g, cd_error *err)
{
    CD_TRY(one_side(g, 2, true, g->in[1], err));
    return one_side(g, 0, false, g->in[1], err);
}

static cd_status masked_fill_second(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    give_side(&e, g, 2, true, g->in[1]);
    give_side(&e, g, 0, false, g->in[1]);
    return cd_expr_end(&e);
}

const cd_op cd_op_masked_fill = {.name = "masked_fill",
                                 .backward_name = "MaskedFillBackward0",
                                 .min_in = 3,
                                 .max_in = 3,
                                 .n_out = 1,
                                 .keeps = CD_KEEP_IN(1),
                                 .traits = CD_NUMBERS,
                                 .shape = masked_fill_shape,
                                 .forward = masked_fill_forward,
                                 .backward = masked_fill_backward,
                                 .second = masked_fill_second};

/* ---- gather and scatter along a dimension ---- */

static cd_status resolve_along(cd_call *call, int *dim, cd_error *err)
{
    char have[CD_SHAPE_TEXT], want[CD_SHAPE_TEXT];
    const cd_tensor *x = call->in[0], *index = call->in[1];
    CD_TRY(cd_tensor_dim(dim, x, cd_int_attr(call->attr, 0), err));
    bool fits = index->ndim == x->ndim;
    for (int d = 0; fits && d < x->ndim; d++) {
        fits = d == *dim || index->shape[d] <= x->shape[d];
    }
    if (!fits) {
        return cd_fail(
            err, CD_ESHAPE,
            "%s: index of shape %s must have as many dimensions as the tensor of shape %s and not be larger "
            "outside dim %d.",
            call->op->name, cd_shape_text(have, index->ndim, index->shape),
            cd_shape_text(want, x->ndim, x->shape), *dim + 1);
    }
    int64_t size = x->ndim > 0 ? x->shape[*dim] : 1;
    return cd_index_resolve(&call->saved[0], index, size, *dim, err);
}

static cd_status gather_shape(cd_call *call, cd_error *err)
{
    int dim;
    CD_TRY(resolve_along(call, &dim, err));
    return cd_out(call, 0, call->in[0]->dtype, call->in[1]->ndim, call->in[1]->shape, CD_CONTIGUOUS, err);
}

static cd_status gather_from(cd_tensor *y, const cd_tensor *x, const cd_tensor *positions, double dim,
                             cd_error *err)
{
    int d;
    CD_TRY(cd_tensor_dim(&d, x, (int64_t)dim, err));
    cd_gather(y, x, positions, d);
    return CD_OK;
}

/* x at the positions = (or +=) y of any strides. */
static cd_status scatter_into(cd_tensor *x, cd_tensor *y, const cd_tensor *positions, double dim, bool adding,
                              cd_error *err)
{
    cd_tensor *dense;
    int d;
    CD_TRY(cd_tensor_dim(&d, x, (int64_t)dim, err));
    CD_TRY(expanded_as(&dense, y, x->dtype, positions->ndim, positions->shape, CD_CONTIGUOUS, err));
    cd_scatter(x, dense, positions, d, adding);
    cd_tensor_release(dense);
    return CD_OK;
}

static cd_status gather_forward(cd_call *call, cd_error *err)
{
    return gather_from(call->out[0], call->in[0], call->saved[0], call->attr[0], err);
}

static cd_status gather_backward(cd_gradient *g, cd_error *err)
{
    CD_TRY(new_zeros(&g->dx[0], g->in[0], err));
    return scatter_into(g->dx[0], g->dy[0], g->saved[0], g->attr[0], true, err);
}

const cd_op cd_op_gather = {.name = "gather",
                            .backward_name = "GatherBackward0",
                            .min_in = 2,
                            .max_in = 2,
                            .min_attr = 1,
                            .max_attr = 1,
                            .n_out = 1,
                            .keeps = CD_KEEP_IN(1),
                            .traits = CD_LINEAR,
                            .shape = gather_shape,
                            .forward = gather_forward,
                            .backward = gather_backward};

/* scatter and scatter_add: x, index, source (a number, or of the shape of index or larger); attr: dim. */
static cd_status scatter_shape(cd_call *call, cd_error *err)
{
    int dim;
    const cd_tensor *x = call->in[0];
    CD_TRY(resolve_along(call, &dim, err));
    return cd_out(call, 0, x->dtype, x->ndim, x->shape, CD_CONTIGUOUS, err);
}

/* The part of the source that the index covers. */
static cd_status covered(cd_tensor **part, const cd_tensor *source, const cd_tensor *index, cd_error *err)
{
    char have[CD_SHAPE_TEXT], want[CD_SHAPE_TEXT];
    bool fits = source->ndim == index->ndim;
    if (source->ndim == 0) {
        return expanded(part, source, index->ndim, index->shape, err);
    }
    for (int d = 0; fits && d < index->ndim; d++) {
        fits = index->shape[d] <= source->shape[d];
    }
    if (!fits) {
        return cd_fail(
            err, CD_ESHAPE, "scatter: index of shape %s must not be larger than the source of shape %s.",
            cd_shape_text(want, index->ndim, index->shape), cd_shape_text(have, source->ndim, source->shape));
    }
    return cd_tensor_view(part, source, index->ndim, index->shape, source->stride, source->offset, err);
}

static cd_status scatter_run(cd_call *call, bool adding, cd_error *err)
{
    cd_tensor *part;
    CD_TRY(cd_tensor_copy(call->out[0], call->in[0], err));
    call->out[0]->storage->version = 0;
    CD_TRY(covered(&part, call->in[2], call->saved[0], err));
    cd_status status = scatter_into(call->out[0], part, call->saved[0], call->attr[0], adding, err);
    cd_tensor_release(part);
    return status;
}

static cd_status scatter_forward(cd_call *call, cd_error *err)
{
    return scatter_run(call, false, err);
}

static cd_status scatter_add_forward(cd_call *call, cd_error *err)
{
    return scatter_run(call, true, err);
}

/* The gradient of the source: dy at the positions, in the part the index covers. */
static cd_status source_gradient(cd_gradient *g, cd_error *err)
{
    cd_tensor *dy, *part, *picked = NULL;
    const cd_tensor *positions = g->saved[0];
    CD_TRY(new_zeros(&g->dx[2], g->in[2], err));
    CD_TRY(cd_tensor_as(&dy, g->dy[0], g->in[2]->dtype, CD_CONTIGUOUS, err));
    cd_status status =
        cd_tensor_new(&picked, dy->dtype, positions->ndim, positions->shape, CD_CONTIGUOUS, err);
    if (status == CD_OK) {
        status = gather_from(picked, dy, positions, g->attr[0], err);
    }
    if (status == CD_OK && g->in[2]->ndim == 0) {
        cd_tensor_release(g->dx[2]);
        g->dx[2] = NULL;
        status = cd_sum_to_shape(&g->dx[2], picked, 0, NULL, err);
    } else if (status == CD_OK) {
        status = covered(&part, g->dx[2], positions, err);
        if (status == CD_OK) {
            status = cd_tensor_copy(part, picked, err);
            cd_tensor_release(part);
        }
    }
    cd_tensor_release(picked);
    cd_tensor_release(dy);
    return status;
}

static cd_status scatter_backward(cd_gradient *g, cd_error *err)
{
    cd_tensor *zero;
    if (g->wants[2]) {
        CD_TRY(source_gradient(g, err));
    }
    if (!g->wants[0]) {
        return CD_OK;
    }
    CD_TRY(cd_tensor_clone(&g->dx[0], g->dy[0], CD_CONTIGUOUS, err));
    CD_TRY(cd_tensor_number(&zero, CD_FLOAT64, 0, err));
    cd_status status = scatter_into(g->dx[0], zero, g->saved[0], g->attr[0], false, err);
    cd_tensor_release(zero);
    return status;
}

static cd_status scatter_add_backward(cd_gradient *g, cd_error *err)
{
    if (g->wants[2]) {
        CD_TRY(source_gradient(g, err));
    }
    g->dx[0] = g->wants[0] ? cd_tensor_retain(g->dy[0]) : NULL;
    return CD_OK;
}

/* dsource: dy at the positions, 0 in what the index does not cover. */
static void give_source(cd_expr *e, cd_gradient *g)
{
    const cd_tensor *source = g->in[2], *index = g->in[1];
    cd_tensor *picked = cd_expr_op(e, CD_OP_gather, 2, (cd_tensor *[]){g->dy[0], g->in[1]}, 1, g->attr);
    if (source->ndim > 0 && !cd_tensor_same_shape(source, index)) {
        double attr[CD_STRIDED_ATTRS];
        cd_tensor *whole = cd_expr_full_like(e, source, 0), *part;
        if (e->status != CD_OK) {
            return;
        }
        e->status =
            cd_tensor_view(&part, whole, index->ndim, index->shape, whole->stride, whole->offset, e->err);
        if (cd_expr_hold(e, part) == NULL) {
            return;
        }
        const int n = cd_strided_attributes(attr, whole, part);
        picked = cd_expr_op(e, CD_OP_put, 2, (cd_tensor *[]){whole, picked}, n, attr);
    }
    cd_expr_give(e, g, 2, picked);
}

static cd_status scatter_second(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    if (g->wants[2]) {
        give_source(&e, g);
    }
    if (g->wants[0]) {
        cd_tensor *in[3] = {g->dy[0], g->in[1], cd_expr_number(&e, 0)};
        cd_expr_give(&e, g, 0, cd_expr_op(&e, CD_OP_scatter, 3, in, 1, g->attr));
    }
    return cd_expr_end(&e);
}

static cd_status scatter_add_second(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    if (g->wants[2]) {
        give_source(&e, g);
    }
    if (g->wants[0]) {
        cd_expr_give(&e, g, 0, g->dy[0]);
    }
    return cd_expr_end(&e);
}

const cd_op cd_op_scatter = {.name = "scatter",
                             .backward_name = "ScatterBackward0",
                             .min_in = 3,
                             .max_in = 3,
                             .min_attr = 1,
                             .max_attr = 1,
                             .n_out = 1,
                             .keeps = CD_KEEP_IN(1),
                             .traits = CD_NUMBERS,
                             .shape = scatter_shape,
                             .forward = scatter_forward,
                             .backward = scatter_backward,
                             .second = scatter_second};

const cd_op cd_op_scatter_add = {.name = "scatter_add",
                                 .backward_name = "ScatterAddBackward0",
                                 .min_in = 3,
                                 .max_in = 3,
                                 .min_attr = 1,
                                 .max_attr = 1,
                                 .n_out = 1,
                                 .keeps = CD_KEEP_IN(1),
                                 .shape = scatter_shape,
                                 .forward = scatter_add_forward,
                                 .backward = scatter_add_backward,
                                 .second = scatter_add_second};

/* ---- assign: x, value, index (optional); attr: dim of the region the index is
 * along, then index codes ---- */

/* The part of t that the codes show. */
static cd_status region_of(cd_tensor **region, const cd_tensor *t, int n_attr, const double *attr,
                           cd_error *err)
{
    cd_geometry g;
    CD_TRY(cd_slice_geometry(&g, t, n_attr - 1, attr + 1, err));
    return cd_tensor_view(region, t, g.ndim, g.shape, g.stride, g.offset, err);
}

static cd_status assign_shape(cd_call *call, cd_error *err)
{
    cd_tensor *x = call->in[0];
    CD_TRY(cd_out_like(call, 0, x, err));
    if (cd_tensor_is_dense(x)) {
        memcpy(call->out[0]->stride, x->stride, sizeof x->stride);
    }
    return CD_OK;
}

/* Shape of what an index takes out of the region: [before, count, after] or with
 * the index's own dimensions. */
static int picked_shape(int64_t *shape, const cd_tensor *region, const cd_tensor *index, int64_t count,
                        int dim)
{
    int ndim = dim;
    memcpy(shape, region->shape, (size_t)dim * sizeof *shape);
    if (index->dtype == CD_BOOL) {
        shape[ndim++] = count;
    }
    for (int d = 0; index->dtype != CD_BOOL && d < index->ndim; d++) {
        shape[ndim++] = index->shape[d];
    }
    for (int d = dim + dims_taken(index); d < region->ndim; d++) {
        shape[ndim++] = region->shape[d];
    }
    return ndim;
}

/* value without leading dimensions of size 1 that the shape lacks, as `x[1, ] <- a 1 x n matrix` has. */
static cd_status fitted(cd_tensor **fit, const cd_tensor *value, int ndim, cd_error *err)
{
    int skip = 0;
    while (value->ndim - skip > ndim && value->shape[skip] == 1) {
        skip++;
    }
    return cd_tensor_view(fit, value, value->ndim - skip, value->shape + skip, value->stride + skip,
                          value->offset, err);
}

static cd_status write_indexed(cd_call *call, cd_tensor *region, cd_tensor *value, cd_error *err)
{
    int64_t shape[2 * CD_MAX_DIMS];
    int taken, dim = (int)call->attr[0];
    cd_tensor *dense;
    CD_TRY(cd_index_positions(&call->saved[0], &taken, call->in[2], region, dim, err));
    int ndim = picked_shape(shape, region, call->in[2], cd_tensor_numel(call->saved[0]), dim);
    CD_TRY(expanded_as(&dense, value, region->dtype, ndim, shape, CD_CONTIGUOUS, err));
    cd_status status = cd_index_write(region, dense, call->saved[0], dim, taken, err);
    cd_tensor_release(dense);
    return status;
}

static cd_status write_region(cd_call *call, cd_tensor *region, cd_error *err)
{
    cd_tensor *value, *source = NULL;
    bool shared = call->in[1]->storage == region->storage;
    cd_status status = shared ? cd_tensor_clone(&source, call->in[1], CD_CONTIGUOUS, err) : CD_OK;
    if (status == CD_OK) {
        status = fitted(&value, shared ? source : call->in[1], region->ndim, err);
    }
    if (status == CD_OK) {
        bool indexed = call->n_in > 2 && call->in[2] != NULL;
        status = indexed ? write_indexed(call, region, value, err) : cd_tensor_copy(region, value, err);
        cd_tensor_release(value);
    }
    cd_tensor_release(source);
    return status;
}

static cd_status assign_forward(cd_call *call, cd_error *err)
{
    cd_tensor *region, *y = call->out[0];
    if (y->storage != call->in[0]->storage) {
        CD_TRY(cd_tensor_copy(y, call->in[0], err));
    }
    CD_TRY(region_of(&region, y, call->n_attr, call->attr, err));
    cd_status status = write_region(call, region, err);
    cd_tensor_release(region);
    return status;
}

/* dvalue: dy where the value was written, summed to its shape. */
static cd_status value_gradient(cd_gradient *g, cd_tensor *region, cd_error *err)
{
    int64_t shape[2 * CD_MAX_DIMS];
    const cd_tensor *value = g->in[1];
    cd_tensor *picked, *sum = NULL;
    int dim = (int)g->attr[0];
    if (g->saved[0] != NULL) {
        int ndim = picked_shape(shape, region, g->in[2], cd_tensor_numel(g->saved[0]), dim);
        CD_TRY(cd_tensor_new(&picked, region->dtype, ndim, shape, CD_CONTIGUOUS, err));
        CD_TRY(cd_index_read(picked, region, g->saved[0], dim, dims_taken(g->in[2]), err));
    } else {
        picked = cd_tensor_retain(region);
    }
    int skip = value->ndim > picked->ndim ? value->ndim - picked->ndim : 0;
    cd_status status = cd_sum_to_shape(&sum, picked, value->ndim - skip, value->shape + skip, err);
    cd_tensor_release(picked);
    if (status == CD_OK) {
        double size[CD_MAX_DIMS];
        for (int i = 0; i < value->ndim; i++) {
            size[i] = (double)value->shape[i];
        }
        status = cd_run1(&picked, CD_OP_reshape, 1, &sum, value->ndim, size, err);
    }
    if (status == CD_OK) {
        status = cd_tensor_as_dtype(&g->dx[1], picked, value->dtype, err);
        cd_tensor_release(picked);
    }
    cd_tensor_release(sum);
    return status;
}

/* dx: dy with zeros where the value was written. */
static cd_status rest_gradient(cd_gradient *g, cd_error *err)
{
    int64_t shape[2 * CD_MAX_DIMS];
    cd_tensor *region, *zeros;
    int dim = (int)g->attr[0];
    CD_TRY(cd_tensor_clone(&g->dx[0], g->dy[0], CD_CONTIGUOUS, err));
    CD_TRY(region_of(&region, g->dx[0], g->n_attr, g->attr, err));
    cd_status status;
    if (g->saved[0] == NULL) {
        status = cd_tensor_fill(region, 0, err);
    } else {
        int ndim = picked_shape(shape, region, g->in[2], cd_tensor_numel(g->saved[0]), dim);
        status = cd_tensor_new(&zeros, region->dtype, ndim, shape, CD_CONTIGUOUS, err);
        if (status == CD_OK) {
            memset(cd_tensor_data(zeros), 0, (size_t)zeros->storage->nbytes);
            status = cd_index_write(region, zeros, g->saved[0], dim, dims_taken(g->in[2]), err);
            cd_tensor_release(zeros);
        }
    }
    cd_tensor_release(region);
    return status;
}

static cd_status assign_backward(cd_gradient *g, cd_error *err)
{
    cd_tensor *region;
    if (g->wants[1]) {
        CD_TRY(region_of(&region, g->dy[0], g->n_attr, g->attr, err));
        cd_status status = value_gradient(g, region, err);
        cd_tensor_release(region);
        CD_TRY(status);
    }
    return g->wants[0] ? rest_gradient(g, err) : CD_OK;
}

static cd_status assign_second(cd_gradient *g, cd_error *err)
{
    cd_tensor *index = g->n_in > 2 ? g->in[2] : NULL;
    cd_expr e = cd_expr_begin(err);
    if (g->wants[0]) {
        cd_tensor *in[3] = {g->dy[0], cd_expr_number(&e, 0), index};
        cd_expr_give(&e, g, 0, cd_expr_op(&e, CD_OP_assign, index != NULL ? 3 : 2, in, g->n_attr, g->attr));
    }
    if (g->wants[1]) {
        cd_tensor *part = cd_expr_op(&e, CD_OP_slice, 1, &g->dy[0], g->n_attr - 1, g->attr + 1);
        if (index != NULL) {
            part = cd_expr_op(&e, CD_OP_index, 2, (cd_tensor *[]){part, index}, 1, g->attr);
        }
        const cd_tensor *value = g->in[1];
        const int skip = part != NULL && value->ndim > part->ndim ? value->ndim - part->ndim : 0;
        cd_tensor *sum = part;
        if (skip > 0) { /* sizes of 1 that the part lacks */
            int64_t shape[CD_MAX_DIMS];
            for (int d = 0; d < value->ndim; d++) {
                shape[d] = d < skip ? 1 : part->shape[d - skip];
            }
            sum = cd_expr_reshape(&e, part, value->ndim, shape);
        }
        cd_expr_give(&e, g, 1, sum);
    }
    return cd_expr_end(&e);
}

const cd_op cd_op_assign = {.name = "assign",
                            .backward_name = "CopySlices",
                            .min_in = 2,
                            .max_in = 3,
                            .min_attr = 1,
                            .max_attr = CD_ANY_COUNT,
                            .n_out = 1,
                            .keeps = CD_KEEP_IN(2),
                            .traits = CD_POINTWISE | CD_NUMBERS,
                            .shape = assign_shape,
                            .forward = assign_forward,
                            .backward = assign_backward,
                            .second = assign_second};

/* ---- nonzero, one_hot ---- */

static cd_status nonzero_shape(cd_call *call, cd_error *err)
{
    int64_t shape[2] = {0, call->in[0]->ndim};
    CD_TRY(cd_count_nonzero(&shape[0], call->in[0], err));
    return cd_out(call, 0, CD_INT64, 2, shape, CD_CONTIGUOUS, err);
}

static cd_status nonzero_forward(cd_call *call, cd_error *err)
{
    return cd_nonzero(call->out[0], call->in[0], err);
}

const cd_op cd_op_nonzero = {.name = "nonzero",
                             .min_in = 1,
                             .max_in = 1,
                             .n_out = 1,
                             .shape = nonzero_shape,
                             .forward = nonzero_forward};

/* attr: number of classes, -1: the largest class found. */
static cd_status one_hot_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[0];
    int64_t shape[CD_MAX_DIMS + 1], classes = cd_int_attr(call->attr, 0);
    cd_tensor *label;
    if (x->dtype != CD_INT64) {
        return cd_fail(err, CD_EDTYPE, "one_hot is only applicable to Long tensors of classes, got %s.",
                       cd_dtype_name(x->dtype));
    }
    CD_TRY(cd_tensor_as(&label, call->in[0], CD_INT64, CD_CONTIGUOUS, err));
    if (classes < 0) {
        classes = cdk_largest(cd_tensor_data(label), cd_tensor_numel(label), classes);
    }
    cd_tensor_release(label);
    if (classes < 1) {
        return cd_fail(err, CD_EVALUE,
                       "one_hot: the number of classes must be given for a tensor without elements.");
    }
    memcpy(shape, x->shape, sizeof x->shape);
    shape[x->ndim] = classes;
    return cd_out(call, 0, CD_INT64, x->ndim + 1, shape, CD_CONTIGUOUS, err);
}

static cd_status one_hot_forward(cd_call *call, cd_error *err)
{
    cd_tensor *y = call->out[0], *positions;
    int64_t classes = y->shape[y->ndim - 1];
    cd_status status = cd_index_resolve(&positions, call->in[0], classes, y->ndim - 1, err);
    if (status == CD_OK) {
        cdk_one_hot(cd_tensor_data(y), cd_tensor_data(positions), cd_tensor_numel(positions), classes);
    }
    cd_tensor_release(positions);
    return status;
}

const cd_op cd_op_one_hot = {.name = "one_hot",
                             .min_in = 1,
                             .max_in = 1,
                             .min_attr = 1,
                             .max_attr = 1,
                             .n_out = 1,
                             .shape = one_hot_shape,
                             .forward = one_hot_forward};
