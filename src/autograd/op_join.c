/* Joining and rearranging: cat, stack, flip, roll, tril, triu, diag_embed. */
#include <string.h>

#include "autograd/expression.h"
#include "autograd/join.h"
#include "autograd/op.h"
#include "autograd/positions.h"
#include "tensor/copy.h"
#include "tensor/format.h"
#include "tensor/index.h"
#include "tensor/slice.h"

/* ---- cat and stack ---- */

static cd_dtype common_dtype(const cd_call *call)
{
    cd_dtype dtype = call->in[0]->dtype;
    for (int i = 1; i < call->n_in; i++) {
        dtype = cd_dtype_promote(dtype, call->in[i]->dtype);
    }
    return dtype;
}

static cd_status check_present(const cd_call *call, cd_error *err)
{
    for (int i = 0; i < call->n_in; i++) {
        if (call->in[i] == NULL) {
            return cd_fail(err, CD_EVALUE, "%s: element %d of the list is NULL or undefined.", call->op->name,
                           i + 1);
        }
    }
    return CD_OK;
}

/* A 1-d tensor without elements joins anything, and adds nothing. */
static bool is_legacy_empty(const cd_tensor *t)
{
    return t->ndim == 1 && t->shape[0] == 0;
}

static const cd_tensor *first_real(int n, cd_tensor *const *in)
{
    for (int i = 0; i < n; i++) {
        if (!is_legacy_empty(in[i])) {
            return in[i];
        }
    }
    return in[0];
}

static cd_status check_joinable(const cd_tensor *first, const cd_tensor *t, int i, int dim, cd_error *err)
{
    char a[CD_SHAPE_TEXT], b[CD_SHAPE_TEXT];
    bool fits = t->ndim == first->ndim;
    for (int d = 0; fits && d < t->ndim; d++) {
        fits = d == dim || t->shape[d] == first->shape[d];
    }
    if (fits) {
        return CD_OK;
    }
    return cd_fail(
        err, CD_ESHAPE,
        "cat: sizes of tensors must match except in dimension %d. Expected %s, got %s for tensor %d of the "
        "list.",
        dim + 1, cd_shape_text(a, first->ndim, first->shape), cd_shape_text(b, t->ndim, t->shape), i + 1);
}

static cd_status cat_shape(cd_call *call, cd_error *err)
{
    int64_t shape[CD_MAX_DIMS] = {0};
    int dim;
    CD_TRY(check_present(call, err));
    const cd_tensor *first = first_real(call->n_in, call->in);
    if (first->ndim == 0) {
        return cd_fail(err, CD_ESHAPE,
                       "cat: zero-dimensional tensors cannot be concatenated; use torch_stack().");
    }
    CD_TRY(cd_tensor_dim(&dim, first, cd_int_attr(call->attr, 0), err));
    memcpy(shape, first->shape, sizeof first->shape);
    shape[dim] = 0;
    for (int i = 0; i < call->n_in; i++) {
        if (!is_legacy_empty(call->in[i])) {
            CD_TRY(check_joinable(first, call->in[i], i, dim, err));
            shape[dim] += call->in[i]->shape[dim];
        }
    }
    return cd_out(call, 0, common_dtype(call), first->ndim, shape,
                  cd_format_common(call->n_in, call->in, CD_ANY_NUMEL), err);
}

/* The part of y that holds `size` elements of dimension dim from `start` on. */
static cd_status part_of(cd_tensor **part, const cd_tensor *y, int dim, int64_t start, int64_t size,
                         cd_error *err)
{
    int64_t shape[CD_MAX_DIMS];
    memcpy(shape, y->shape, sizeof y->shape);
    shape[dim] = size;
    return cd_tensor_view(part, y, y->ndim, shape, y->stride, y->offset + start * y->stride[dim], err);
}

/* Whoever computed x may have done so in its place (cd_join_slice). */
static bool is_in_place(const cd_tensor *slice, const cd_tensor *x)
{
    return slice->storage == x->storage && slice->offset == x->offset && slice->dtype == x->dtype &&
           cd_tensor_same_strides(slice, x);
}

static cd_status copy_part(cd_tensor *y, const cd_tensor *x, int dim, int64_t start, cd_error *err)
{
    cd_tensor *part;
    cd_status status = CD_OK;
    CD_TRY(part_of(&part, y, dim, start, x->shape[dim], err));
    if (!is_in_place(part, x)) {
        status = cd_tensor_copy(part, x, err);
    }
    cd_tensor_release(part);
    return status;
}

static cd_status cat_forward(cd_call *call, cd_error *err)
{
    cd_tensor *y = call->out[0];
    int64_t start = 0;
    int dim;
    CD_TRY(cd_tensor_dim(&dim, y, cd_int_attr(call->attr, 0), err));
    for (int i = 0; i < call->n_in; i++) {
        if (!is_legacy_empty(call->in[i])) {
            CD_TRY(copy_part(y, call->in[i], dim, start, err));
            start += call->in[i]->shape[dim];
        }
    }
    y->storage->version = 0;
    return CD_OK;
}

static cd_status cat_backward(cd_gradient *g, cd_error *err)
{
    int64_t start = 0;
    int dim;
    CD_TRY(cd_tensor_dim(&dim, g->dy[0], cd_int_attr(g->attr, 0), err));
    for (int i = 0; i < g->n_in; i++) {
        cd_tensor *part;
        if (is_legacy_empty(g->in[i])) {
            continue;
        }
        int64_t size = g->in[i]->shape[dim];
        if (g->wants[i]) {
            CD_TRY(part_of(&part, g->dy[0], dim, start, size, err));
            cd_status status = cd_tensor_as_dtype(&g->dx[i], part, g->in[i]->dtype, err);
            cd_tensor_release(part);
            CD_TRY(status);
        }
        start += size;
    }
    return CD_OK;
}

/* Elements start + 1 to start + size along a dimension of t. */
static cd_tensor *range_of(cd_expr *e, cd_tensor *t, int dim, int64_t start, int64_t size)
{
    double code[CD_MAX_DIMS * CD_INDEX_WIDTH] = {CD_INDEX_ALL};
    double *at = code + dim * CD_INDEX_WIDTH;
    at[0] = CD_INDEX_RANGE;
    at[1] = (double)start + 1;
    at[2] = (double)(start + size);
    at[3] = 1;
    return cd_expr_op(e, CD_OP_slice, 1, &t, (dim + 1) * CD_INDEX_WIDTH, code);
}

static cd_status cat_second(cd_gradient *g, cd_error *err)
{
    int64_t start = 0;
    int dim;
    CD_TRY(cd_tensor_dim(&dim, g->dy[0], cd_int_attr(g->attr, 0), err));
    for (int i = 0; i < g->n_in; i++) {
        const int64_t size = is_legacy_empty(g->in[i]) ? 0 : g->in[i]->shape[dim];
        if (g->wants[i] && size > 0) {
            cd_expr e = cd_expr_begin(err);
            cd_expr_give(&e, g, i, range_of(&e, g->dy[0], dim, start, size));
            CD_TRY(cd_expr_end(&e));
        }
        start += size;
    }
    return CD_OK;
}

const cd_op cd_op_cat = {.name = "cat",
                         .backward_name = "CatBackward0",
                         .min_in = 1,
                         .max_in = CD_ANY_COUNT,
                         .min_attr = 1,
                         .max_attr = 1,
                         .n_out = 1,
                         .shape = cat_shape,
                         .forward = cat_forward,
                         .backward = cat_backward,
                         .second = cat_second};

static cd_status stack_dim(int *dim, const cd_tensor *x, double asked, cd_error *err)
{
    int64_t d = (int64_t)asked < 0 ? (int64_t)asked + x->ndim + 1 : (int64_t)asked;
    if (d < 0 || d > x->ndim || x->ndim == CD_MAX_DIMS) {
        return cd_fail(err, CD_EINDEX, "stack: dim = %lld is out of range for tensors of %d dimensions.",
                       (long long)(asked < 0 ? asked : asked + 1), x->ndim);
    }
    *dim = (int)d;
    return CD_OK;
}

static cd_status stack_shape(cd_call *call, cd_error *err)
{
    char a[CD_SHAPE_TEXT], b[CD_SHAPE_TEXT];
    const cd_tensor *first = call->in[0];
    int64_t shape[CD_MAX_DIMS + 1];
    int dim = 0;
    CD_TRY(check_present(call, err));
    CD_TRY(stack_dim(&dim, first, call->attr[0], err));
    for (int i = 1; i < call->n_in; i++) {
        if (!cd_tensor_same_shape(first, call->in[i])) {
            return cd_fail(
                err, CD_ESHAPE,
                "stack expects each tensor to be equal size, but got %s at entry 1 and %s at entry %d.",
                cd_shape_text(a, first->ndim, first->shape),
                cd_shape_text(b, call->in[i]->ndim, call->in[i]->shape), i + 1);
        }
    }
    memcpy(shape, first->shape, (size_t)dim * sizeof *shape);
    memcpy(shape + dim + 1, first->shape + dim, (size_t)(first->ndim - dim) * sizeof *shape);
    shape[dim] = call->n_in;
    bool pictures = dim == 0 && cd_tensor_is_picture(first);
    return cd_out(call, 0, common_dtype(call), first->ndim + 1, shape,
                  pictures ? CD_CHANNELS_LAST : CD_CONTIGUOUS, err);
}

/* Element i of dimension dim, which goes. */
static cd_status slice_at(cd_tensor **slice, const cd_tensor *y, int dim, int64_t i, cd_error *err)
{
    int64_t shape[CD_MAX_DIMS], stride[CD_MAX_DIMS];
    for (int d = 0, k = 0; d < y->ndim; d++) {
        if (d != dim) {
            shape[k] = y->shape[d];
            stride[k++] = y->stride[d];
        }
    }
    return cd_tensor_view(slice, y, y->ndim - 1, shape, stride, y->offset + i * y->stride[dim], err);
}

static cd_status cat_slice(cd_tensor **slice, const cd_call *call, int i, cd_error *err)
{
    int64_t start = 0;
    int dim;
    CD_TRY(cd_tensor_dim(&dim, call->out[0], cd_int_attr(call->attr, CD_JOIN_DIM), err));
    for (int k = 0; k < i; k++) {
        start += is_legacy_empty(call->in[k]) ? 0 : call->in[k]->shape[dim];
    }
    return part_of(slice, call->out[0], dim, start, call->in[i]->shape[dim], err);
}

cd_status cd_join_slice(cd_tensor **slice, const cd_call *call, int i, cd_error *err)
{
    const cd_tensor *y = call->out[0], *x = call->in[i];
    int dim;
    if (y->ndim == x->ndim) {
        return cat_slice(slice, call, i, err);
    }
    CD_TRY(stack_dim(&dim, x, call->attr[CD_JOIN_DIM], err));
    return slice_at(slice, y, dim, i, err);
}

static cd_status stack_forward(cd_call *call, cd_error *err)
{
    int dim;
    CD_TRY(stack_dim(&dim, call->in[0], call->attr[0], err));
    for (int i = 0; i < call->n_in; i++) {
        cd_tensor *slice;
        CD_TRY(slice_at(&slice, call->out[0], dim, i, err));
        cd_status status = is_in_place(slice, call->in[i]) ? CD_OK : cd_tensor_copy(slice, call->in[i], err);
        cd_tensor_release(slice);
        CD_TRY(status);
    }
    call->out[0]->storage->version = 0;
    return CD_OK;
}

static cd_status stack_backward(cd_gradient *g, cd_error *err)
{
    int dim;
    CD_TRY(stack_dim(&dim, g->in[0], g->attr[0], err));
    for (int i = 0; i < g->n_in; i++) {
        cd_tensor *slice;
        if (!g->wants[i]) {
            continue;
        }
        CD_TRY(slice_at(&slice, g->dy[0], dim, i, err));
        cd_status status = cd_tensor_as_dtype(&g->dx[i], slice, g->in[i]->dtype, err);
        cd_tensor_release(slice);
        CD_TRY(status);
    }
    return CD_OK;
}

static cd_status stack_second(cd_gradient *g, cd_error *err)
{
    int dim;
    CD_TRY(stack_dim(&dim, g->in[0], g->attr[0], err));
    for (int i = 0; i < g->n_in; i++) {
        if (g->wants[i]) {
            const cd_tensor *x = g->in[i];
            cd_expr e = cd_expr_begin(err);
            cd_tensor *part = range_of(&e, g->dy[0], dim, i, 1);
            cd_expr_give(&e, g, i, part == NULL ? NULL : cd_expr_reshape(&e, part, x->ndim, x->shape));
            CD_TRY(cd_expr_end(&e));
        }
    }
    return CD_OK;
}

const cd_op cd_op_stack = {.name = "stack",
                           .backward_name = "StackBackward0",
                           .min_in = 1,
                           .max_in = CD_ANY_COUNT,
                           .min_attr = 1,
                           .max_attr = 1,
                           .n_out = 1,
                           .shape = stack_shape,
                           .forward = stack_forward,
                           .backward = stack_backward,
                           .second = stack_second};

/* ---- flip and roll ---- */

/* Position i along the dimension comes from (start + i) mod size. */
static cd_status rearranged(cd_tensor **y, const cd_tensor *x, int dim, int64_t start, cd_error *err)
{
    cd_tensor *positions;
    int64_t size = x->shape[dim];
    CD_TRY(cd_tensor_new(&positions, CD_INT64, 1, &size, CD_CONTIGUOUS, err));
    int64_t *at = cd_tensor_data(positions);
    for (int64_t i = 0; i < size; i++) {
        at[i] = ((start + i) % size + size) % size;
    }
    cd_status status = cd_tensor_new(y, x->dtype, x->ndim, x->shape, CD_CONTIGUOUS, err);
    if (status == CD_OK) {
        status = cd_index_read(*y, x, positions, dim, 1, err);
    }
    cd_tensor_release(positions);
    return status;
}

static cd_status same_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[0];
    return cd_out(call, 0, x->dtype, x->ndim, x->shape, CD_CONTIGUOUS, err);
}

/* Writes what `make` gave into the announced output, and lets go of it. */
static cd_status deliver(cd_tensor *y, cd_tensor *made, cd_status status, cd_error *err)
{
    if (status == CD_OK) {
        status = cd_tensor_copy(y, made, err);
        y->storage->version = 0;
    }
    cd_tensor_release(made);
    return status;
}

cd_status cd_flipped_dims(bool *reversed, const cd_tensor *x, int n_attr, const double *attr, cd_error *err)
{
    memset(reversed, 0, CD_MAX_DIMS * sizeof *reversed);
    for (int i = 0; i < n_attr; i++) {
        int dim;
        CD_TRY(cd_tensor_dim(&dim, x, cd_int_attr(attr, i), err));
        reversed[dim] = x->ndim > 0 && !reversed[dim];
    }
    return CD_OK;
}

static cd_status copy_flipped(cd_tensor *y, const cd_tensor *x, int n_attr, const double *attr, cd_error *err)
{
    bool reversed[CD_MAX_DIMS];
    CD_TRY(cd_flipped_dims(reversed, x, n_attr, attr, err));
    return cd_tensor_copy_reversed(y, x, reversed, err);
}

static cd_status flip_shape(cd_call *call, cd_error *err)
{
    return cd_out_ordered_like(call, 0, call->in[0], err);
}

static cd_status flip_forward(cd_call *call, cd_error *err)
{
    CD_TRY(copy_flipped(call->out[0], call->in[0], call->n_attr, call->attr, err));
    call->out[0]->storage->version = 0;
    return CD_OK;
}

static cd_status flip_backward(cd_gradient *g, cd_error *err)
{
    CD_TRY(cd_tensor_new(&g->dx[0], g->dy[0]->dtype, g->dy[0]->ndim, g->dy[0]->shape,
                         cd_tensor_preferred_layout(g->dy[0]), err));
    return copy_flipped(g->dx[0], g->dy[0], g->n_attr, g->attr, err);
}

/* attr: dimensions. */
const cd_op cd_op_flip = {.name = "flip",
                          .backward_name = "FlipBackward0",
                          .min_in = 1,
                          .max_in = 1,
                          .max_attr = CD_ANY_COUNT,
                          .n_out = 1,
                          .traits = CD_LINEAR,
                          .shape = flip_shape,
                          .forward = flip_forward,
                          .backward = flip_backward};

/* attr: pairs of dimension and shift. */
static cd_status rolled(cd_tensor **y, cd_tensor *x, int n_attr, const double *attr, int sign, cd_error *err)
{
    *y = cd_tensor_retain(x);
    for (int i = 0; i + 1 < n_attr; i += 2) {
        cd_tensor *next = NULL;
        int dim;
        cd_status status = cd_tensor_dim(&dim, x, cd_int_attr(attr, i), err);
        if (status == CD_OK && x->ndim > 0) {
            status = rearranged(&next, *y, dim, -sign * cd_int_attr(attr, i + 1), err);
            cd_tensor_release(*y);
            *y = next;
        }
        CD_TRY(status);
    }
    return CD_OK;
}

static cd_status roll_forward(cd_call *call, cd_error *err)
{
    cd_tensor *made = NULL;
    cd_status status = rolled(&made, call->in[0], call->n_attr, call->attr, 1, err);
    return deliver(call->out[0], made, status, err);
}

static cd_status roll_backward(cd_gradient *g, cd_error *err)
{
    return rolled(&g->dx[0], g->dy[0], g->n_attr, g->attr, -1, err);
}

const cd_op cd_op_roll = {.name = "roll",
                          .backward_name = "RollBackward0",
                          .min_in = 1,
                          .max_in = 1,
                          .max_attr = CD_ANY_COUNT,
                          .n_out = 1,
                          .traits = CD_LINEAR,
                          .shape = same_shape,
                          .forward = roll_forward,
                          .backward = roll_backward};

/* ---- triangles; attr: diagonal ---- */

static void zero_outside(char *row, size_t size, int64_t columns, int64_t keep_from, int64_t keep_to)
{
    int64_t from = keep_from < 0 ? 0 : keep_from > columns ? columns : keep_from;
    int64_t to = keep_to < from ? from : keep_to > columns ? columns : keep_to;
    memset(row, 0, (size_t)from * size);
    memset(row + (size_t)to * size, 0, (size_t)(columns - to) * size);
}

static cd_status triangle(cd_tensor **y, const cd_tensor *x, double diagonal, bool upper, cd_error *err)
{
    *y = NULL;
    if (x->ndim < 2) {
        return cd_fail(err, CD_ESHAPE, "tril and triu need a tensor of at least 2 dimensions, got %d.",
                       x->ndim);
    }
    CD_TRY(cd_tensor_clone(y, x, CD_CONTIGUOUS, err));
    int64_t rows = x->shape[x->ndim - 2], columns = x->shape[x->ndim - 1], shift = (int64_t)diagonal;
    int64_t all = columns > 0 ? cd_tensor_numel(x) / columns : 0;
    size_t size = cd_dtype_size(x->dtype);
    char *row = cd_tensor_data(*y);
    for (int64_t i = 0; i < all; i++, row += (size_t)columns * size) {
        int64_t at = i % rows + shift;
        zero_outside(row, size, columns, upper ? at : 0, upper ? columns : at + 1);
    }
    return CD_OK;
}

static cd_status tril_forward(cd_call *call, cd_error *err)
{
    cd_tensor *made = NULL;
    cd_status status = triangle(&made, call->in[0], call->attr[0], false, err);
    return deliver(call->out[0], made, status, err);
}

static cd_status tril_backward(cd_gradient *g, cd_error *err)
{
    return triangle(&g->dx[0], g->dy[0], g->attr[0], false, err);
}

static cd_status triu_forward(cd_call *call, cd_error *err)
{
    cd_tensor *made = NULL;
    cd_status status = triangle(&made, call->in[0], call->attr[0], true, err);
    return deliver(call->out[0], made, status, err);
}

static cd_status triu_backward(cd_gradient *g, cd_error *err)
{
    return triangle(&g->dx[0], g->dy[0], g->attr[0], true, err);
}

const cd_op cd_op_tril = {.name = "tril",
                          .backward_name = "TrilBackward0",
                          .min_in = 1,
                          .max_in = 1,
                          .min_attr = 1,
                          .max_attr = 1,
                          .n_out = 1,
                          .traits = CD_LINEAR,
                          .shape = same_shape,
                          .forward = tril_forward,
                          .backward = tril_backward};

const cd_op cd_op_triu = {.name = "triu",
                          .backward_name = "TriuBackward0",
                          .min_in = 1,
                          .max_in = 1,
                          .min_attr = 1,
                          .max_attr = 1,
                          .n_out = 1,
                          .traits = CD_LINEAR,
                          .shape = same_shape,
                          .forward = triu_forward,
                          .backward = triu_backward};

/* ---- diag_embed: a vector as a diagonal of a square matrix; attr: diagonal ---- */

static cd_status diag_embed_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[0];
    int64_t shift = cd_int_attr(call->attr, 0);
    if (x->ndim != 1) {
        return cd_fail(err, CD_ESHAPE, "diag needs a tensor of 1 or 2 dimensions, got %d.", x->ndim);
    }
    int64_t size = x->shape[0] + (shift < 0 ? -shift : shift), shape[2] = {size, size};
    return cd_out(call, 0, x->dtype, 2, shape, CD_CONTIGUOUS, err);
}

static cd_status diagonal_of(cd_tensor **part, const cd_tensor *matrix, int64_t length, int64_t shift,
                             cd_error *err)
{
    int64_t step = matrix->stride[0] + matrix->stride[1];
    int64_t start = shift > 0 ? shift * matrix->stride[1] : -shift * matrix->stride[0];
    return cd_tensor_view(part, matrix, 1, &length, &step, matrix->offset + start, err);
}

static cd_status diag_embed_forward(cd_call *call, cd_error *err)
{
    cd_tensor *part, *y = call->out[0];
    memset(cd_tensor_data(y), 0, (size_t)y->storage->nbytes);
    CD_TRY(diagonal_of(&part, y, call->in[0]->shape[0], cd_int_attr(call->attr, 0), err));
    cd_status status = cd_tensor_copy(part, call->in[0], err);
    cd_tensor_release(part);
    return status;
}

static cd_status diag_embed_backward(cd_gradient *g, cd_error *err)
{
    return diagonal_of(&g->dx[0], g->dy[0], g->in[0]->shape[0], cd_int_attr(g->attr, 0), err);
}

const cd_op cd_op_diag_embed = {.name = "diag_embed",
                                .backward_name = "DiagEmbedBackward0",
                                .min_in = 1,
                                .max_in = 1,
                                .min_attr = 1,
                                .max_attr = 1,
                                .n_out = 1,
                                .traits = CD_LINEAR,
                                .shape = diag_embed_shape,
                                .forward = diag_embed_forward,
                                .backward = diag_embed_backward};
