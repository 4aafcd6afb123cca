/* Views by strides: what the history of a view becomes when the memory it shares is changed in place.
 *
 * A base b is changed through a view v of it: v_new = f(v). For the graph that is b_new = put(b, v_new), and
 * every view of b is from then on as_strided(b_new). Both know the geometry of the base and of the view, so
 * they can be computed for tensors, such as gradients, that lie in memory in another order. */
#include <math.h>
#include <string.h>

#include "autograd/expression.h"
#include "autograd/shapes.h"
#include "autograd/strided.h"
#include "tensor/copy.h"
#include "tensor/slice.h"

/* Both geometries, relative to the first element of the base, and how many elements they span. */
typedef struct {
    cd_geometry base, view;
    int64_t extent;
} placement;

/* Neither a size nor a stride, nor where they lead, is beyond what memory has: what is computed of them does
 * not overflow. */
static bool is_within_reach(const cd_geometry *g)
{
    const double most = 0x1p59;
    double last = fabs((double)g->offset);
    bool within = true;
    for (int d = 0; d < g->ndim; d++) {
        const double shape = (double)g->shape[d], stride = (double)g->stride[d];
        within = within && shape >= 0 && stride >= 0 && shape < most && stride < most;
        last += shape * stride;
    }
    return within && last < most;
}

static bool is_empty(const cd_geometry *g)
{
    bool empty = false;
    for (int d = 0; d < g->ndim; d++) {
        empty = empty || g->shape[d] == 0;
    }
    return empty;
}

/* One more than the place of the last element; 0 without elements. */
static int64_t end_of(const cd_geometry *g)
{
    int64_t last = g->offset;
    for (int d = 0; d < g->ndim; d++) {
        last += (g->shape[d] - 1) * g->stride[d];
    }
    return is_empty(g) ? 0 : last + 1;
}

static cd_status placement_of(placement *p, const cd_op *op, const cd_tensor *base, int n_attr,
                              const double *attr, cd_error *err)
{
    int sizes = n_attr - 1 - base->ndim;
    if (sizes < 0 || sizes % 2 != 0 || sizes / 2 > CD_MAX_DIMS) {
        return cd_fail(err, CD_EVALUE, "%s: `size` and `stride` must have the same length, at most %d.",
                       op->name, CD_MAX_DIMS);
    }
    memset(p, 0, sizeof *p);
    p->base.ndim = base->ndim;
    p->view.ndim = sizes / 2;
    p->view.offset = cd_int_attr(attr, 0);
    for (int d = 0; d < base->ndim; d++) {
        p->base.shape[d] = base->shape[d];
        p->base.stride[d] = cd_int_attr(attr, 1 + d);
    }
    for (int d = 0; d < p->view.ndim; d++) {
        p->view.shape[d] = cd_int_attr(attr, 1 + base->ndim + 2 * d);
        p->view.stride[d] = cd_int_attr(attr, 2 + base->ndim + 2 * d);
    }
    if (!is_within_reach(&p->base) || !is_within_reach(&p->view)) {
        return cd_fail(err, CD_EVALUE,
                       "%s: sizes and strides must not be negative, nor lead beyond what memory has.",
                       op->name);
    }
    int64_t ends[2] = {end_of(&p->base), end_of(&p->view)};
    p->extent = ends[0] > ends[1] ? ends[0] : ends[1];
    return CD_OK;
}

static cd_status look(cd_tensor **view, const cd_tensor *memory, const cd_geometry *g, cd_error *err)
{
    return cd_tensor_view(view, memory, g->ndim, g->shape, g->stride, g->offset, err);
}

/* Memory as the base has it, all zero. */
static cd_status blank(cd_tensor **memory, cd_dtype dtype, const placement *p, cd_error *err)
{
    if (!is_empty(&p->view) && p->view.offset < 0) {
        return cd_fail(err, CD_EVALUE, "a view by strides begins %lld elements before the memory.",
                       (long long)-p->view.offset);
    }
    CD_TRY(cd_tensor_new(memory, dtype, 1, &p->extent, CD_CONTIGUOUS, err));
    return cd_tensor_fill(*memory, 0, err);
}

static cd_status write_part(cd_tensor *memory, const cd_geometry *g, const cd_tensor *values, cd_error *err)
{
    cd_tensor *part;
    CD_TRY(look(&part, memory, g, err));
    cd_status status = cd_tensor_copy(part, values, err);
    cd_tensor_release(part);
    return status;
}

/* ---- as_strided: attr as cd_strided_attributes() writes them ---- */

static bool lies_so(const cd_tensor *x, const cd_geometry *base)
{
    for (int d = 0; d < x->ndim; d++) {
        if (x->shape[d] > 1 && x->stride[d] != base->stride[d]) {
            return false;
        }
    }
    return x->storage != NULL;
}

static cd_status as_strided_shape(cd_call *call, cd_error *err)
{
    placement p;
    const cd_tensor *x = call->in[0];
    CD_TRY(placement_of(&p, call->op, x, call->n_attr, call->attr, err));
    if (!lies_so(x, &p.base)) {
        return cd_out(call, 0, x->dtype, p.view.ndim, p.view.shape, CD_CONTIGUOUS, err);
    }
    const int64_t there = x->storage->nbytes / (int64_t)cd_dtype_size(x->dtype);
    const int64_t first = x->offset + p.view.offset, end = end_of(&p.view);
    if (!is_empty(&p.view) && (first < 0 || x->offset + end > there)) {
        return cd_fail(
            err, CD_EVALUE,
            "as_strided: the sizes and strides reach over %lld elements where the memory has %lld.",
            (long long)(x->offset + end), (long long)there);
    }
    return cd_tensor_view(&call->out[0], x, p.view.ndim, p.view.shape, p.view.stride, first, err);
}

/* The output: what `shown` shows of a memory in which the first input lies as p->base says and then, unless
 * that is NULL, `part` as p->view says. */
static cd_status show(cd_call *call, const placement *p, const cd_geometry *shown, const cd_tensor *part,
                      cd_error *err)
{
    cd_tensor *memory = NULL, *seen = NULL;
    cd_status status = blank(&memory, call->out[0]->dtype, p, err);
    if (status == CD_OK) {
        status = write_part(memory, &p->base, call->in[0], err);
    }
    if (status == CD_OK && part != NULL) {
        status = write_part(memory, &p->view, part, err);
    }
    if (status == CD_OK) {
        status = look(&seen, memory, shown, err);
    }
    if (status == CD_OK) {
        status = cd_tensor_copy(call->out[0], seen, err);
    }
    cd_tensor_release(seen);
    cd_tensor_release(memory);
    return status;
}

static cd_status as_strided_forward(cd_call *call, cd_error *err)
{
    placement p;
    if (call->out[0]->storage == call->in[0]->storage) {
        return CD_OK;
    }
    CD_TRY(placement_of(&p, call->op, call->in[0], call->n_attr, call->attr, err));
    return show(call, &p, &p.view, NULL, err);
}

/* The element after `at` in row-major order; its place in memory moves along. False behind the last one. */
static bool advance(int64_t *at, int64_t *place, const cd_geometry *g)
{
    for (int d = g->ndim - 1; d >= 0; d--) {
        *place += g->stride[d];
        if (++at[d] < g->shape[d]) {
            return true;
        }
        *place -= g->shape[d] * g->stride[d];
        at[d] = 0;
    }
    return false;
}

/* Adds every element of dy at its place, for views that show an element more than once. */
static cd_status add_part(cd_tensor *memory, const cd_geometry *g, cd_tensor *dy, cd_error *err)
{
    cd_tensor *dense;
    int64_t at[CD_MAX_DIMS] = {0}, place = g->offset, i = 0;
    if (cd_tensor_numel(dy) == 0) {
        return CD_OK;
    }
    CD_TRY(cd_tensor_as(&dense, dy, memory->dtype, CD_CONTIGUOUS, err));
    do {
        if (memory->dtype == CD_FLOAT64) {
            ((double *)cd_tensor_data(memory))[place] += ((const double *)cd_tensor_data(dense))[i++];
        } else {
            ((float *)cd_tensor_data(memory))[place] += ((const float *)cd_tensor_data(dense))[i++];
        }
    } while (advance(at, &place, g));
    cd_tensor_release(dense);
    return CD_OK;
}

/* Does every element of the view have a place of its own? Dimensions from the smallest stride on must each
 * step over all that is inside. */
static bool is_injective(const cd_geometry *g)
{
    bool done[CD_MAX_DIMS] = {false};
    int64_t inner = 0;
    for (int k = 0; k < g->ndim; k++) {
        int least = -1;
        for (int d = 0; d < g->ndim; d++) {
            if (!done[d] && (least < 0 || g->stride[d] < g->stride[least])) {
                least = d;
            }
        }
        done[least] = true;
        if (g->shape[least] > 1 && g->stride[least] <= inner) {
            return false;
        }
        inner += (g->shape[least] - 1) * g->stride[least];
    }
    return true;
}

static cd_status as_strided_backward(cd_gradient *g, cd_error *err)
{
    placement p;
    cd_tensor *memory, *dx = NULL;
    CD_TRY(placement_of(&p, g->op, g->in[0], g->n_attr, g->attr, err));
    CD_TRY(blank(&memory, cd_dtype_computed(g->in[0]->dtype), &p, err));
    cd_status status = is_injective(&p.view) ? write_part(memory, &p.view, g->dy[0], err)
                                             : add_part(memory, &p.view, g->dy[0], err);
    if (status == CD_OK) {
        status = look(&dx, memory, &p.base, err);
    }
    if (status == CD_OK) {
        status = cd_tensor_as_dtype(&g->dx[0], dx, g->in[0]->dtype, err);
    }
    cd_tensor_release(dx);
    cd_tensor_release(memory);
    return status;
}

const cd_op cd_op_as_strided = {.name = "as_strided",
                                .backward_name = "AsStridedBackward0",
                                .min_in = 1,
                                .max_in = 1,
                                .min_attr = 1,
                                .max_attr = CD_STRIDED_ATTRS,
                                .n_out = 1,
                                .traits = CD_VIEW | CD_LINEAR,
                                .shape = as_strided_shape,
                                .forward = as_strided_forward,
                                .backward = as_strided_backward};

/* ---- put(base, part) = base with the part that a view shows replaced; attr as those of as_strided ---- */

static cd_status put_shape(cd_call *call, cd_error *err)
{
    return cd_out_like(call, 0, call->in[0], err);
}

static cd_status put_forward(cd_call *call, cd_error *err)
{
    placement p;
    CD_TRY(placement_of(&p, call->op, call->in[0], call->n_attr, call->attr, err));
    return show(call, &p, &p.base, call->in[1], err);
}

/* dbase = dy but for the part, dpart = the part of dy. */
static cd_status put_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    if (g->wants[0]) {
        cd_tensor *in[2] = {g->dy[0], cd_expr_number(&e, 0)};
        cd_expr_give(&e, g, 0, cd_expr_op(&e, CD_OP_put, 2, in, g->n_attr, g->attr));
    }
    if (g->wants[1]) {
        cd_expr_give(&e, g, 1, cd_expr_op(&e, CD_OP_as_strided, 1, &g->dy[0], g->n_attr, g->attr));
    }
    return cd_expr_end(&e);
}

const cd_op cd_op_put = {.name = "put",
                         .backward_name = "CopySlices",
                         .min_in = 2,
                         .max_in = 2,
                         .min_attr = 1,
                         .max_attr = CD_STRIDED_ATTRS,
                         .n_out = 1,
                         .traits = CD_COMPOSED,
                         .shape = put_shape,
                         .forward = put_forward,
                         .backward = put_backward};
