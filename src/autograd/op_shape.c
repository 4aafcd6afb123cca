/* Shapes: views (the same memory with another shape, stride and offset), copies and casts.
 *
 * A view is described by its geometry: shape, stride and offset computed from those of the tensor it looks
 * at. The gradient of a view that shows a part of a tensor is the gradient written into the same part of
 * zeros.
 */
#include <string.h>

#include "autograd/shapes.h"
#include "tensor/copy.h"
#include "tensor/elements.h"
#include "tensor/slice.h"

#define VIEW(id, backward_text, least, most, shape_rule, forward_rule, backward_rule) \
    const cd_op cd_op_##id = {.name = #id,                                            \
                              .backward_name = backward_text,                         \
                              .min_in = 1,                                            \
                              .max_in = 1,                                            \
                              .min_attr = least,                                      \
                              .max_attr = most,                                       \
                              .n_out = 1,                                             \
                              .traits = CD_VIEW | CD_LINEAR,                          \
                              .shape = shape_rule,                                    \
                              .forward = forward_rule,                                \
                              .backward = backward_rule};

static cd_status view_of(cd_call *call, const cd_geometry *g, cd_error *err)
{
    return cd_tensor_view(&call->out[0], call->in[0], g->ndim, g->shape, g->stride, g->offset, err);
}

static void geometry_of(cd_geometry *g, const cd_tensor *t)
{
    g->ndim = t->ndim;
    g->offset = t->offset;
    memcpy(g->shape, t->shape, sizeof t->shape);
    memcpy(g->stride, t->stride, sizeof t->stride);
}

/* ---- view and reshape ---- */

/* INT64_MAX, which no tensor has, where there are more. */
static int64_t known_product(int n, const double *size, int *unknown)
{
    double product = 1;
    *unknown = -1;
    for (int i = 0; i < n; i++) {
        if (size[i] < 0) {
            *unknown = i;
        } else {
            product *= size[i];
        }
    }
    return cd_int_attr(&product, 0);
}

static cd_status bad_size(const cd_tensor *x, int n, const double *size, cd_error *err)
{
    char have[CD_SHAPE_TEXT], want[CD_SHAPE_TEXT];
    int64_t shape[CD_MAX_DIMS];
    for (int i = 0; i < n; i++) {
        shape[i] = cd_int_attr(size, i);
    }
    return cd_fail(err, CD_ESHAPE, "shape '%s' is invalid for input of size %lld (shape %s).",
                   cd_shape_text(want, n, shape), (long long)cd_tensor_numel(x),
                   cd_shape_text(have, x->ndim, x->shape));
}

/* The sizes asked for, with at most one -1 replaced by what is left. */
static cd_status resolve_sizes(int64_t *shape, const cd_tensor *x, int n, const double *size, cd_error *err)
{
    int unknown, negative = 0;
    if (n > CD_MAX_DIMS) {
        return cd_fail(err, CD_ESHAPE, "a tensor has at most %d dimensions, got %d sizes.", CD_MAX_DIMS, n);
    }
    int64_t numel = cd_tensor_numel(x), known = known_product(n, size, &unknown);
    for (int i = 0; i < n; i++) {
        negative += size[i] < 0;
        shape[i] = cd_int_attr(size, i);
    }
    if (negative > 1) {
        return cd_fail(err, CD_ESHAPE, "only one size can be inferred: give -1 at most once.");
    }
    if (unknown >= 0 ? known == 0 || numel % known != 0 : known != numel) {
        return bad_size(x, n, size, err);
    }
    if (unknown >= 0) {
        shape[unknown] = numel / known;
    }
    return CD_OK;
}

/* Dimensions of x that lie one after the other in memory, merged; those of size 1 left out. */
static int merged_dims(int64_t *size, int64_t *stride, const cd_tensor *x)
{
    int n = 0;
    for (int i = 0; i < x->ndim; i++) {
        if (x->shape[i] == 1) {
            continue;
        }
        if (n > 0 && stride[n - 1] == x->stride[i] * x->shape[i]) {
            size[n - 1] *= x->shape[i];
            stride[n - 1] = x->stride[i];
        } else {
            size[n] = x->shape[i];
            stride[n++] = x->stride[i];
        }
    }
    return n;
}

/* Strides that show x in the new shape without moving data; false where there are none. */
static bool reshaped_strides(int64_t *stride, const cd_tensor *x, int ndim, const int64_t *shape)
{
    int64_t size[CD_MAX_DIMS], step[CD_MAX_DIMS];
    if (cd_tensor_numel(x) == 0) {
        cd_tensor_fill_strides(stride, ndim, shape, CD_CONTIGUOUS);
        return true;
    }
    int k = merged_dims(size, step, x) - 1;
    int64_t left = k >= 0 ? size[k] : 1, next = k >= 0 ? step[k] : 1;
    for (int i = ndim - 1; i >= 0; i--) {
        if (shape[i] != 1 && left == 1 && k > 0) {
            left = size[--k];
            next = step[k];
        }
        if (left % shape[i] != 0) {
            return false;
        }
        stride[i] = next;
        next *= shape[i];
        left /= shape[i];
    }
    return true;
}

/* Moves the elements of x into row-major order. Only for storage nobody else looks at. */
static cd_status lay_out_contiguously(cd_tensor *x, cd_error *err)
{
    cd_tensor *copy;
    cd_storage *old = x->storage;
    CD_TRY(cd_tensor_clone(&copy, x, CD_CONTIGUOUS, err));
    copy->storage->version = old->version;
    x->storage = copy->storage;
    x->offset = 0;
    memcpy(x->stride, copy->stride, sizeof x->stride);
    copy->storage = old;
    cd_tensor_release(copy);
    return CD_OK;
}

static cd_status reshape_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[0];
    int64_t shape[CD_MAX_DIMS], stride[CD_MAX_DIMS];
    CD_TRY(resolve_sizes(shape, x, call->n_attr, call->attr, err));
    if (x->storage != NULL && reshaped_strides(stride, x, call->n_attr, shape)) {
        return cd_tensor_view(&call->out[0], x, call->n_attr, shape, stride, x->offset, err);
    }
    return cd_out(call, 0, x->dtype, call->n_attr, shape, CD_CONTIGUOUS, err);
}

static cd_status view_shape(cd_call *call, cd_error *err)
{
    char have[CD_SHAPE_TEXT], want[CD_SHAPE_TEXT];
    cd_tensor *x = call->in[0];
    int64_t shape[CD_MAX_DIMS], stride[CD_MAX_DIMS];
    CD_TRY(resolve_sizes(shape, x, call->n_attr, call->attr, err));
    if (!reshaped_strides(stride, x, call->n_attr, shape)) {
        if (x->refs == 1 && x->storage->refs == 1 && !x->storage->borrowed) {
            CD_TRY(lay_out_contiguously(x, err));
        } else if (!cd_tensor_is_channels_last(x)) {
            return cd_fail(
                err, CD_ESHAPE,
                "view: a tensor of shape %s with these strides cannot be seen as %s without copying. Use "
                "$reshape() instead.",
                cd_shape_text(have, x->ndim, x->shape), cd_shape_text(want, call->n_attr, shape));
        }
    }
    return reshape_shape(call, err);
}

static cd_status reshape_forward(cd_call *call, cd_error *err)
{
    cd_tensor *y = call->out[0], *x = call->in[0], *flat;
    int64_t stride[CD_MAX_DIMS];
    if (y->storage == x->storage) {
        return CD_OK;
    }
    cd_tensor_fill_strides(stride, x->ndim, x->shape, CD_CONTIGUOUS);
    CD_TRY(cd_tensor_view(&flat, y, x->ndim, x->shape, stride, y->offset, err));
    cd_status status = cd_tensor_copy(flat, x, err);
    cd_tensor_release(flat);
    y->storage->version = 0;
    return status;
}

static cd_status reshape_like(cd_tensor **dx, cd_tensor *dy, const cd_tensor *like, cd_error *err)
{
    double size[CD_MAX_DIMS];
    for (int i = 0; i < like->ndim; i++) {
        size[i] = (double)like->shape[i];
    }
    return cd_run1(dx, CD_OP_reshape, 1, &dy, like->ndim, size, err);
}

static cd_status reshape_backward(cd_gradient *g, cd_error *err)
{
    return reshape_like(&g->dx[0], g->dy[0], g->in[0], err);
}

VIEW(view, "ViewBackward0", 0, CD_MAX_DIMS, view_shape, reshape_forward, reshape_backward)

VIEW(reshape, "ViewBackward0", 0, CD_MAX_DIMS, reshape_shape, reshape_forward, reshape_backward)

/* ---- squeeze and unsqueeze ---- */

/* attr: the dimensions to drop where their size is 1; none: all of them. */
static cd_status squeeze_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[0];
    bool drop[CD_MAX_DIMS] = {false};
    cd_geometry g = {.offset = x->offset};
    for (int i = 0; i < call->n_attr; i++) {
        int d;
        CD_TRY(cd_tensor_dim(&d, x, cd_int_attr(call->attr, i), err));
        drop[d] = true;
    }
    for (int i = 0; i < x->ndim; i++) {
        if (x->shape[i] != 1 || (call->n_attr > 0 && !drop[i])) {
            g.shape[g.ndim] = x->shape[i];
            g.stride[g.ndim++] = x->stride[i];
        }
    }
    return view_of(call, &g, err);
}

VIEW(squeeze, "SqueezeBackward0", 0, CD_ANY_COUNT, squeeze_shape, NULL, reshape_backward)

/* attr: where the new dimension goes, 0 .. ndim, or negative from the end of the result. */
static cd_status unsqueeze_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[0];
    int64_t asked = cd_int_attr(call->attr, 0), at = asked < 0 ? asked + x->ndim + 1 : asked;
    cd_geometry g;
    if (at < 0 || at > x->ndim || x->ndim == CD_MAX_DIMS) {
        return cd_fail(err, CD_EINDEX, "unsqueeze: dim = %lld is out of range for a tensor of %d dimensions.",
                       (long long)(asked < 0 ? asked : asked + 1), x->ndim);
    }
    geometry_of(&g, x);
    for (int i = x->ndim; i > at; i--) {
        g.shape[i] = g.shape[i - 1];
        g.stride[i] = g.stride[i - 1];
    }
    g.stride[at] = at < x->ndim ? x->shape[at] * x->stride[at] : 1;
    g.shape[at] = 1;
    g.ndim++;
    return view_of(call, &g, err);
}

VIEW(unsqueeze, "UnsqueezeBackward0", 1, 1, unsqueeze_shape, NULL, reshape_backward)

/* ---- permutations ---- */

static cd_status permuted(cd_tensor **y, const cd_tensor *x, const int *order, cd_error *err)
{
    int64_t shape[CD_MAX_DIMS], stride[CD_MAX_DIMS];
    for (int i = 0; i < x->ndim; i++) {
        shape[i] = x->shape[order[i]];
        stride[i] = x->stride[order[i]];
    }
    return cd_tensor_view(y, x, x->ndim, shape, stride, x->offset, err);
}

static cd_status permute_order(int *order, const cd_tensor *x, int n, const double *attr, cd_error *err)
{
    bool seen[CD_MAX_DIMS] = {false};
    if (n != x->ndim) {
        return cd_fail(err, CD_ESHAPE, "permute: a tensor of %d dimensions needs %d of them in dims, got %d.",
                       x->ndim, x->ndim, n);
    }
    for (int i = 0; i < n; i++) {
        CD_TRY(cd_tensor_dim(&order[i], x, cd_int_attr(attr, i), err));
        if (seen[order[i]]) {
            return cd_fail(err, CD_EVALUE, "permute: dimension %d appears more than once.", order[i] + 1);
        }
        seen[order[i]] = true;
    }
    return CD_OK;
}

static cd_status permute_shape(cd_call *call, cd_error *err)
{
    int order[CD_MAX_DIMS];
    CD_TRY(permute_order(order, call->in[0], call->n_attr, call->attr, err));
    return permuted(&call->out[0], call->in[0], order, err);
}

static cd_status permute_backward(cd_gradient *g, cd_error *err)
{
    int order[CD_MAX_DIMS], inverse[CD_MAX_DIMS];
    CD_TRY(permute_order(order, g->in[0], g->n_attr, g->attr, err));
    for (int i = 0; i < g->n_attr; i++) {
        inverse[order[i]] = i;
    }
    return permuted(&g->dx[0], g->dy[0], inverse, err);
}

VIEW(permute, "PermuteBackward0", 0, CD_MAX_DIMS, permute_shape, NULL, permute_backward)

/* Swaps two dimensions, which is its own inverse. */
static cd_status swapped(cd_tensor **y, const cd_tensor *x, const double *attr, cd_error *err)
{
    int order[CD_MAX_DIMS], a, b;
    CD_TRY(cd_tensor_dim(&a, x, cd_int_attr(attr, 0), err));
    CD_TRY(cd_tensor_dim(&b, x, cd_int_attr(attr, 1), err));
    for (int i = 0; i < x->ndim; i++) {
        order[i] = i == a ? b : i == b ? a : i;
    }
    return permuted(y, x, order, err);
}

static cd_status transpose_shape(cd_call *call, cd_error *err)
{
    return swapped(&call->out[0], call->in[0], call->attr, err);
}

static cd_status transpose_backward(cd_gradient *g, cd_error *err)
{
    return swapped(&g->dx[0], g->dy[0], g->attr, err);
}

VIEW(transpose, "TransposeBackward0", 2, 2, transpose_shape, NULL, transpose_backward)

static cd_status reversed(cd_tensor **y, const cd_tensor *x, cd_error *err)
{
    int order[CD_MAX_DIMS];
    if (x->ndim > 2) {
        return cd_fail(err, CD_ESHAPE, "t() expects a tensor with at most 2 dimensions, got %d.", x->ndim);
    }
    for (int i = 0; i < x->ndim; i++) {
        order[i] = x->ndim - 1 - i;
    }
    return permuted(y, x, order, err);
}

static cd_status t_shape(cd_call *call, cd_error *err)
{
    return reversed(&call->out[0], call->in[0], err);
}

static cd_status t_backward(cd_gradient *g, cd_error *err)
{
    return reversed(&g->dx[0], g->dy[0], err);
}

VIEW(t, "TBackward0", 0, 0, t_shape, NULL, t_backward)

/* ---- expand ---- */

/* attr: sizes; -1 keeps the size. */
static cd_status expand_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[0];
    cd_geometry g = {.ndim = call->n_attr, .offset = x->offset};
    int lead = call->n_attr - x->ndim;
    if (lead < 0 || call->n_attr > CD_MAX_DIMS) {
        return cd_fail(err, CD_ESHAPE, "expand: %d sizes given for a tensor of %d dimensions.", call->n_attr,
                       x->ndim);
    }
    for (int i = 0; i < g.ndim; i++) {
        g.shape[i] = cd_int_attr(call->attr, i);
        if (g.shape[i] < 0 && i >= lead) {
            g.shape[i] = x->shape[i - lead];
        }
    }
    CD_TRY(cd_broadcast_strides(g.stride, x, g.ndim, g.shape, err));
    return view_of(call, &g, err);
}

static cd_status expand_backward(cd_gradient *g, cd_error *err)
{
    const cd_tensor *x = g->in[0];
    if (!cd_dtype_has_kernels(g->dy[0]->dtype)) {
        double shape[CD_MAX_DIMS];
        for (int i = 0; i < x->ndim; i++) {
            shape[i] = (double)x->shape[i];
        }
        return cd_run1(&g->dx[0], CD_OP_sum_to_shape, 1, &g->dy[0], x->ndim, shape, err);
    }
    return cd_sum_to_shape(&g->dx[0], g->dy[0], x->ndim, x->shape, err);
}

VIEW(expand, "ExpandBackward0", 0, CD_MAX_DIMS, expand_shape, NULL, expand_backward)

/* ---- parts: slice, diagonal ---- */

typedef cd_status (*part_geometry)(cd_geometry *g, const cd_tensor *x, int n_attr, const double *attr,
                                   cd_error *err);

static cd_status part_backward(cd_gradient *g, part_geometry geometry, cd_error *err)
{
    cd_tensor *part = NULL, *dx;
    cd_geometry at;
    const cd_tensor *x = g->in[0];
    CD_TRY(cd_tensor_new(&dx, x->dtype, x->ndim, x->shape, cd_tensor_preferred_layout(x), err));
    g->dx[0] = dx;
    memset(cd_tensor_data(dx), 0, (size_t)dx->storage->nbytes);
    CD_TRY(geometry(&at, dx, g->n_attr, g->attr, err));
    CD_TRY(cd_tensor_view(&part, dx, at.ndim, at.shape, at.stride, at.offset, err));
    cd_status status = cd_tensor_copy(part, g->dy[0], err);
    cd_tensor_release(part);
    return status;
}

static cd_status slice_shape(cd_call *call, cd_error *err)
{
    cd_geometry g;
    CD_TRY(cd_slice_geometry(&g, call->in[0], call->n_attr, call->attr, err));
    return view_of(call, &g, err);
}

static cd_status slice_backward(cd_gradient *g, cd_error *err)
{
    return part_backward(g, cd_slice_geometry, err);
}

VIEW(slice, "SliceBackward0", 0, CD_ANY_COUNT, slice_shape, NULL, slice_backward)

VIEW(select, "SelectBackward0", 0, CD_ANY_COUNT, slice_shape, NULL, slice_backward)

/* attr: offset, dim1, dim2. The diagonal becomes the last dimension. */
static cd_status diagonal_geometry(cd_geometry *g, const cd_tensor *x, int n_attr, const double *attr,
                                   cd_error *err)
{
    int a, b;
    int64_t shift = cd_int_attr(attr, 0);
    (void)n_attr;
    CD_TRY(cd_tensor_dim(&a, x, cd_int_attr(attr, 1), err));
    CD_TRY(cd_tensor_dim(&b, x, cd_int_attr(attr, 2), err));
    if (a == b || x->ndim < 2) {
        return cd_fail(err, CD_EVALUE, "diagonal: needs two different dimensions, got %d and %d.", a + 1,
                       b + 1);
    }
    int64_t rows = x->shape[a] + (shift < 0 ? shift : 0), columns = x->shape[b] - (shift > 0 ? shift : 0);
    int64_t length = rows < columns ? rows : columns;
    g->ndim = 0;
    for (int i = 0; i < x->ndim; i++) {
        if (i != a && i != b) {
            g->shape[g->ndim] = x->shape[i];
            g->stride[g->ndim++] = x->stride[i];
        }
    }
    g->shape[g->ndim] = length > 0 ? length : 0;
    g->stride[g->ndim++] = x->stride[a] + x->stride[b];
    g->offset = x->offset;
    if (length > 0) {
        g->offset += shift > 0 ? shift * x->stride[b] : -shift * x->stride[a];
    }
    return CD_OK;
}

static cd_status diagonal_shape(cd_call *call, cd_error *err)
{
    cd_geometry g;
    CD_TRY(diagonal_geometry(&g, call->in[0], call->n_attr, call->attr, err));
    return view_of(call, &g, err);
}

static cd_status diagonal_backward(cd_gradient *g, cd_error *err)
{
    return part_backward(g, diagonal_geometry, err);
}

VIEW(diagonal, "DiagonalBackward0", 3, 3, diagonal_shape, NULL, diagonal_backward)

/* ---- copies and casts ---- */

/* attr: the cd_format wanted. */
static cd_status clone_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[0];
    return cd_out_format(call, 0, x->dtype, x, cd_int_attr(call->attr, 0), err);
}

static cd_status copy_forward(cd_call *call, cd_error *err)
{
    CD_TRY(cd_tensor_copy(call->out[0], call->in[0], err));
    call->out[0]->storage->version = 0;
    return CD_OK;
}

static cd_status copy_backward(cd_gradient *g, cd_error *err)
{
    return cd_tensor_as_dtype(&g->dx[0], g->dy[0], g->in[0]->dtype, err);
}

const cd_op cd_op_clone = {.name = "clone",
                           .backward_name = "CloneBackward0",
                           .min_in = 1,
                           .max_in = 1,
                           .min_attr = 1,
                           .max_attr = 1,
                           .n_out = 1,
                           .traits = CD_LINEAR | CD_ANY_DTYPE,
                           .shape = clone_shape,
                           .forward = copy_forward,
                           .backward = copy_backward};

const cd_op cd_op_contiguous = {.name = "contiguous",
                                .backward_name = "CloneBackward0",
                                .min_in = 1,
                                .max_in = 1,
                                .min_attr = 1,
                                .max_attr = 1,
                                .n_out = 1,
                                .traits = CD_LINEAR | CD_ANY_DTYPE,
                                .shape = clone_shape,
                                .forward = copy_forward,
                                .backward = copy_backward};

/* attr: the cd_dtype and the cd_format wanted. */
static cd_status to_dtype_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[0];
    int64_t dtype = cd_int_attr(call->attr, 0);
    if (dtype < 0 || dtype >= CD_DTYPES) {
        return cd_fail(err, CD_EDTYPE, "unknown dtype code %lld.", (long long)dtype);
    }
    return cd_out_format(call, 0, (cd_dtype)dtype, x, cd_int_attr(call->attr, 1), err);
}

const cd_op cd_op_to_dtype = {.name = "to_dtype",
                              .backward_name = "ToCopyBackward0",
                              .min_in = 1,
                              .max_in = 1,
                              .min_attr = 2,
                              .max_attr = 2,
                              .n_out = 1,
                              .traits = CD_LINEAR | CD_ANY_DTYPE,
                              .shape = to_dtype_shape,
                              .forward = copy_forward,
                              .backward = copy_backward};
