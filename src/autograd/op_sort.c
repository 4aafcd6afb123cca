/* Operators along one dimension that find elements: the largest, the order, the median; cumulative sums.
 * Indices are Long and count from 1. */
#include "autograd/expression.h"
#include "autograd/second.h"
#include "autograd/shapes.h"
#include "kernels/reduce.h"
#include "kernels/sort.h"
#include "tensor/copy.h"

/* The shape of x without one dimension, or with size 1 for it. */
static int shape_without(int64_t *shape, const cd_tensor *x, int dim, bool keepdim)
{
    bool reduced[CD_MAX_DIMS] = {false};
    reduced[dim] = true;
    return cd_reduced_shape(shape, x, reduced, keepdim);
}

static cd_status check_not_empty(const cd_call *call, int64_t n, cd_error *err)
{
    return n > 0 ? CD_OK : cd_fail(err, CD_EVALUE, "%s(): the dimension to search is empty.", call->op->name);
}

/* ---- max_dim, min_dim, argmax, argmin: attributes keepdim, dim (none: all
 * elements in row-major order) ---- */

enum { KEEPDIM, DIM };

static cd_status pair_shape(cd_call *call, cd_error *err)
{
    cd_along a;
    int64_t shape[CD_MAX_DIMS];
    CD_TRY(cd_find_along(&a, call->in[0], cd_int_attr(call->attr, DIM), err));
    CD_TRY(check_not_empty(call, a.n, err));
    int ndim = shape_without(shape, call->in[0], a.dim, call->attr[KEEPDIM] != 0);
    CD_TRY(cd_out(call, 0, call->in[0]->dtype, ndim, shape, CD_CONTIGUOUS, err));
    return cd_out(call, 1, CD_INT64, ndim, shape, CD_CONTIGUOUS, err);
}

/* Channels of channels-last images lie side by side: no copy is needed, and the result is N, H, W. */
static cd_status find_extreme(cd_tensor *value, cd_tensor *index, bool smallest, cd_tensor *x, cd_along a,
                              cd_error *err)
{
    cd_tensor *dense;
    bool channels = a.dim == 1 && cd_tensor_preferred_layout(x) == CD_CHANNELS_LAST;
    CD_TRY(cd_tensor_as(&dense, x, x->dtype, channels ? CD_CHANNELS_LAST : CD_CONTIGUOUS, err));
    if (channels) {
        a.outer *= a.inner;
        a.inner = 1;
    }
    cdk_arg_extreme(value != NULL ? cd_tensor_data(value) : NULL, cd_tensor_data(index), smallest,
                    cd_tensor_data(dense), x->dtype, a.outer, a.n, a.inner);
    cd_tensor_release(dense);
    return CD_OK;
}

static cd_status pair_forward(cd_call *call, bool smallest, cd_error *err)
{
    cd_along a;
    CD_TRY(cd_find_along(&a, call->in[0], cd_int_attr(call->attr, DIM), err));
    return find_extreme(call->out[0], call->out[1], smallest, call->in[0], a, err);
}

static cd_status max_dim_forward(cd_call *call, cd_error *err)
{
    return pair_forward(call, false, err);
}

static cd_status min_dim_forward(cd_call *call, cd_error *err)
{
    return pair_forward(call, true, err);
}

static cd_status arg_shape(cd_call *call, cd_error *err)
{
    cd_along a;
    int64_t shape[CD_MAX_DIMS];
    cd_tensor *x = call->in[0];
    bool keepdim = call->attr[KEEPDIM] != 0;
    if (call->n_attr <= DIM) {
        CD_TRY(check_not_empty(call, cd_tensor_numel(x), err));
        for (int d = 0; d < x->ndim; d++) {
            shape[d] = 1;
        }
        return cd_out(call, 0, CD_INT64, keepdim ? x->ndim : 0, shape, CD_CONTIGUOUS, err);
    }
    CD_TRY(cd_find_along(&a, x, cd_int_attr(call->attr, DIM), err));
    CD_TRY(check_not_empty(call, a.n, err));
    int ndim = shape_without(shape, x, a.dim, keepdim);
    return cd_out(call, 0, CD_INT64, ndim, shape, CD_CONTIGUOUS, err);
}

static cd_status arg_forward(cd_call *call, bool smallest, cd_error *err)
{
    cd_along a = {.dim = 0, .outer = 1, .n = cd_tensor_numel(call->in[0]), .inner = 1};
    if (call->n_attr > DIM) {
        CD_TRY(cd_find_along(&a, call->in[0], cd_int_attr(call->attr, DIM), err));
        return find_extreme(NULL, call->out[0], smallest, call->in[0], a, err);
    }
    cd_tensor *x;
    CD_TRY(cd_tensor_as(&x, call->in[0], call->in[0]->dtype, CD_CONTIGUOUS, err));
    a.dim = -1;
    cdk_arg_extreme(NULL, cd_tensor_data(call->out[0]), smallest, cd_tensor_data(x), x->dtype, 1, a.n, 1);
    cd_tensor_release(x);
    return CD_OK;
}

static cd_status argmax_forward(cd_call *call, cd_error *err)
{
    return arg_forward(call, false, err);
}

static cd_status argmin_forward(cd_call *call, cd_error *err)
{
    return arg_forward(call, true, err);
}

/* ---- gradients go to the elements that were found ---- */

static cd_status found_backward_along(cd_gradient *g, int64_t dim, cd_error *err)
{
    cd_along a;
    cd_tensor *dy = NULL, *dx = NULL;
    CD_TRY(cd_find_along(&a, g->in[0], dim, err));
    if (g->dy[0] == NULL || !g->wants[0]) {
        return CD_OK;
    }
    int64_t around = a.outer * a.inner, m = around > 0 ? cd_tensor_numel(g->out[1]) / around : 0;
    const cd_tensor *x = g->in[0];
    cd_dtype dtype = cdk_return_found[x->dtype] != NULL ? x->dtype : CD_FLOAT64;
    cd_status status = cd_tensor_as(&dy, g->dy[0], dtype, CD_CONTIGUOUS, err);
    if (status == CD_OK) {
        status = cd_tensor_new(&dx, dtype, x->ndim, x->shape, CD_CONTIGUOUS, err);
    }
    if (status == CD_OK) {
        cdk_return_found[dtype](cd_tensor_data(dx), cd_tensor_data(g->out[1]), cd_tensor_data(dy), m,
                                (cdk_middle){a.outer, a.n, a.inner});
        status = cd_tensor_as(&g->dx[0], dx, x->dtype, CD_CONTIGUOUS, err);
    }
    cd_tensor_release(dy);
    cd_tensor_release(dx);
    return status;
}

static cd_status found_backward(cd_gradient *g, cd_error *err)
{
    return found_backward_along(g, cd_int_attr(g->attr, DIM), err);
}

/* dy added at the positions. */
static cd_status found_second(cd_gradient *g, cd_error *err)
{
    cd_along a;
    const cd_tensor *x = g->in[0];
    cd_tensor *dy = g->dy[0], *index = g->out[1];
    if (dy == NULL || !g->wants[0]) {
        return CD_OK;
    }
    cd_expr e = cd_expr_begin(err);
    if ((e.status = cd_find_along(&a, x, cd_int_attr(g->attr, DIM), err)) == CD_OK && dy->ndim < x->ndim) {
        int64_t shape[CD_MAX_DIMS];
        const int ndim = shape_without(shape, x, a.dim, true);
        dy = cd_expr_reshape(&e, dy, ndim, shape);
        index = cd_expr_reshape(&e, index, ndim, shape);
    }
    const double dim = a.dim;
    cd_tensor *in[3] = {cd_expr_full_like(&e, x, 0), index, dy};
    cd_expr_give(&e, g, 0, cd_expr_op(&e, CD_OP_scatter_add, 3, in, 1, &dim));
    return cd_expr_end(&e);
}

/* ---- sort: attributes descending, dim; topk has a third, k; median keepdim, dim ---- */

enum { DESCENDING = 0, K = 2 };

static cd_status run_sort(cd_call *call, cdk_sorting s, cd_error *err)
{
    cd_along a;
    cd_tensor *x = NULL, *value = NULL, *out = call->out[0];
    cd_dtype dtype = cdk_sort[out->dtype] != NULL ? out->dtype : cd_dtype_widest(out->dtype);
    CD_TRY(cd_find_along(&a, call->in[0], cd_int_attr(call->attr, DIM), err));
    s.outer = a.outer;
    s.n = a.n;
    s.inner = a.inner;
    cd_status status = cd_tensor_as(&x, call->in[0], dtype, CD_CONTIGUOUS, err);
    if (status == CD_OK) {
        status = cd_tensor_new(&value, dtype, out->ndim, out->shape, CD_CONTIGUOUS, err);
    }
    if (status == CD_OK) {
        status =
            cdk_sort[dtype](cd_tensor_data(value), cd_tensor_data(call->out[1]), cd_tensor_data(x), &s, err);
    }
    if (status == CD_OK) {
        status = cd_tensor_copy(out, value, err);
    }
    cd_tensor_release(x);
    cd_tensor_release(value);
    return status;
}

static cd_status selected_shape(cd_call *call, int64_t m, cd_error *err)
{
    cd_along a;
    cd_tensor *x = call->in[0];
    int64_t shape[CD_MAX_DIMS];
    CD_TRY(cd_find_along(&a, x, cd_int_attr(call->attr, DIM), err));
    if (m > a.n) {
        return cd_fail(err, CD_EVALUE, "topk(): `k` is %lld, but the dimension has only %lld elements.",
                       (long long)m, (long long)a.n);
    }
    for (int d = 0; d < x->ndim; d++) {
        shape[d] = d == a.dim && m >= 0 ? m : x->shape[d];
    }
    CD_TRY(cd_out(call, 0, x->dtype, x->ndim, shape, CD_CONTIGUOUS, err));
    return cd_out(call, 1, CD_INT64, x->ndim, shape, CD_CONTIGUOUS, err);
}

static cd_status sort_shape(cd_call *call, cd_error *err)
{
    return selected_shape(call, -1, err);
}

static cd_status sort_forward(cd_call *call, cd_error *err)
{
    cd_along a;
    CD_TRY(cd_find_along(&a, call->in[0], cd_int_attr(call->attr, DIM), err));
    return run_sort(call, (cdk_sorting){.descending = call->attr[DESCENDING] != 0, .m = a.n}, err);
}

static cd_status topk_shape(cd_call *call, cd_error *err)
{
    if (call->attr[K] < 0) {
        return cd_fail(err, CD_EVALUE, "topk(): `k` must not be negative, got %g.", call->attr[K]);
    }
    return selected_shape(call, cd_int_attr(call->attr, K), err);
}

static cd_status topk_forward(cd_call *call, cd_error *err)
{
    return run_sort(
        call, (cdk_sorting){.descending = call->attr[DESCENDING] != 0, .m = cd_int_attr(call->attr, K)}, err);
}

static cd_status median_forward(cd_call *call, cd_error *err)
{
    return run_sort(call, (cdk_sorting){.median = true, .m = 1}, err);
}

/* ---- cumsum, cumprod: attributes dim, dtype (-1: by rule) ---- */

enum { CUM_DIM, CUM_DTYPE };

static cd_status cum_shape(cd_call *call, cd_error *err)
{
    cd_dtype dtype = call->in[0]->dtype;
    dtype = cd_dtype_is_float(dtype) ? dtype : CD_INT64;
    dtype = call->attr[CUM_DTYPE] >= 0 ? (cd_dtype)cd_int_attr(call->attr, CUM_DTYPE) : dtype;
    return cd_out(call, 0, dtype, call->in[0]->ndim, call->in[0]->shape, CD_CONTIGUOUS, err);
}

static cd_status run_cumulate(cd_call *call, bool product, cd_error *err)
{
    cd_along a;
    cd_tensor *x;
    CD_TRY(cd_find_along(&a, call->in[0], cd_int_attr(call->attr, CUM_DIM), err));
    CD_TRY(cd_tensor_as(&x, call->in[0], call->out[0]->dtype, CD_CONTIGUOUS, err));
    cdk_cumulate(cd_tensor_data(call->out[0]), product, cd_tensor_data(x), x->dtype, a.outer, a.n, a.inner);
    cd_tensor_release(x);
    return CD_OK;
}

static cd_status cumsum_forward(cd_call *call, cd_error *err)
{
    return run_cumulate(call, false, err);
}

static cd_status cumprod_forward(cd_call *call, cd_error *err)
{
    return run_cumulate(call, true, err);
}

static cd_status cumprod_backward(cd_gradient *g, cd_error *err)
{
    cd_along a;
    cd_tensor *dy = NULL, *x = NULL, *dx = NULL;
    CD_TRY(cd_find_along(&a, g->in[0], cd_int_attr(g->attr, CUM_DIM), err));
    cd_status status = cd_tensor_as(&dy, g->dy[0], CD_FLOAT64, CD_CONTIGUOUS, err);
    if (status == CD_OK) {
        status = cd_tensor_as(&x, g->in[0], CD_FLOAT64, CD_CONTIGUOUS, err);
    }
    if (status == CD_OK) {
        status = cd_tensor_new(&dx, CD_FLOAT64, dy->ndim, dy->shape, CD_CONTIGUOUS, err);
    }
    if (status == CD_OK) {
        cdk_cumprod_gradient(cd_tensor_data(dx), cd_tensor_data(dy), cd_tensor_data(x),
                             (cdk_middle){a.outer, a.n, a.inner});
        status = cd_tensor_as(&g->dx[0], dx, g->in[0]->dtype, CD_CONTIGUOUS, err);
    }
    cd_tensor_release(dy);
    cd_tensor_release(x);
    cd_tensor_release(dx);
    return status;
}

/* dx[k] = the sum of dy[i] y[i] over i >= k, divided by x[k], where no element is 0 */
static cd_status cumprod_second(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    cd_tensor *x = g->in[0];
    cd_runner recorder = cd_set_runner(NULL);
    cd_tensor *all = cd_expr1(&e, CD_OP_all, x);
    cd_set_runner(recorder);
    if (e.status == CD_OK && *(const uint8_t *)cd_tensor_data(all) == 0) {
        CD_TRY(cd_expr_end(&e));
        return cd_second_once(g, err);
    }
    cd_tensor *y = cd_expr_op(&e, CD_OP_cumprod, 1, &x, g->n_attr, g->attr);
    cd_tensor *in[2] = {cd_expr_mul(&e, g->dy[0], y), NULL};
    cd_tensor *sums = cd_expr_gradient_term(&e, cd_op_at(CD_OP_cumsum), 0, x, 1, in, g->n_attr, g->attr);
    cd_expr_give(&e, g, 0, cd_expr_div(&e, sums, x));
    return cd_expr_end(&e);
}

/* dx[k] = the sum of dy[i] over i >= k */
static cd_status cumsum_backward(cd_gradient *g, cd_error *err)
{
    cd_along a;
    cd_tensor *dy = NULL, *dx = NULL;
    cd_dtype dtype = g->out[0]->dtype;
    CD_TRY(cd_find_along(&a, g->in[0], cd_int_attr(g->attr, CUM_DIM), err));
    CD_TRY(cd_tensor_as(&dy, g->dy[0], dtype, CD_CONTIGUOUS, err));
    cd_status status = cd_tensor_new(&dx, dtype, dy->ndim, dy->shape, CD_CONTIGUOUS, err);
    if (status == CD_OK) {
        cdk_cumsum_gradient[dtype](cd_tensor_data(dx), cd_tensor_data(dy),
                                   (cdk_middle){a.outer, a.n, a.inner});
        status = cd_tensor_as(&g->dx[0], dx, g->in[0]->dtype, CD_CONTIGUOUS, err);
    }
    cd_tensor_release(dy);
    cd_tensor_release(dx);
    return status;
}

#define ALONG(id, printed, outputs, kept, least, most, shape_rule, gradient, ...) \
    const cd_op cd_op_##id = {.name = #id,                                        \
                              .backward_name = printed,                           \
                              .min_in = 1,                                        \
                              .max_in = 1,                                        \
                              .min_attr = least,                                  \
                              .max_attr = most,                                   \
                              .n_out = outputs,                                   \
                              .keeps = kept,                                      \
                              .shape = shape_rule,                                \
                              .forward = id##_forward,                            \
                              .backward = gradient,                               \
                              __VA_ARGS__}

ALONG(max_dim, "MaxBackward0", 2, CD_KEEP_OUT(1), 2, 2, pair_shape, found_backward, .second = found_second);
ALONG(min_dim, "MinBackward0", 2, CD_KEEP_OUT(1), 2, 2, pair_shape, found_backward, .second = found_second);
ALONG(median, "MedianBackward1", 2, CD_KEEP_OUT(1), 2, 2, pair_shape, found_backward, .second = found_second);
ALONG(sort, "SortBackward0", 2, CD_KEEP_OUT(1), 2, 2, sort_shape, found_backward, .second = found_second);
ALONG(topk, "TopkBackward0", 2, CD_KEEP_OUT(1), 3, 3, topk_shape, found_backward, .second = found_second);
ALONG(argmax, NULL, 1, 0, 1, 2, arg_shape, NULL, .traits = 0);
ALONG(argmin, NULL, 1, 0, 1, 2, arg_shape, NULL, .traits = 0);
ALONG(cumsum, "CumsumBackward0", 1, 0, 2, 2, cum_shape, cumsum_backward, .traits = CD_LINEAR);
ALONG(cumprod, "CumprodBackward0", 1, CD_KEEP_IN(0), 2, 2, cum_shape, cumprod_backward,
      .second = cumprod_second);
