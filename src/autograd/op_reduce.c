/* Reductions. Attributes: keepdim, dtype of the result (-1: by rule), then the
 * dimensions from 0 (none: all). */
#include <math.h>
#include <stdlib.h>

#include "autograd/expression.h"
#include "autograd/second.h"
#include "autograd/shapes.h"
#include "base/memory.h"
#include "kernels/reduce.h"
#include "kernels/scale.h"
#include "tensor/copy.h"

enum { KEEPDIM, DTYPE, DIMS };

/* ---- which dimensions, which shape ---- */

static cd_status reduced_dims(bool *reduced, const cd_tensor *x, int n_attr, const double *attr,
                              cd_error *err)
{
    return cd_reduced_dims(reduced, x, n_attr > DIMS ? n_attr - DIMS : 0, attr + DIMS, err);
}

static bool keeps_dims(int n_attr, const double *attr)
{
    return n_attr > KEEPDIM && attr[KEEPDIM] != 0;
}

static cd_status out_reduced(cd_call *call, cd_dtype dtype, cd_error *err)
{
    bool reduced[CD_MAX_DIMS];
    int64_t shape[CD_MAX_DIMS];
    CD_TRY(reduced_dims(reduced, call->in[0], call->n_attr, call->attr, err));
    int ndim = cd_reduced_shape(shape, call->in[0], reduced, keeps_dims(call->n_attr, call->attr));
    return cd_out(call, 0, dtype, ndim, shape, CD_CONTIGUOUS, err);
}

static cd_dtype wanted_dtype(const cd_call *call, cd_dtype by_rule)
{
    return call->n_attr > DTYPE && call->attr[DTYPE] >= 0 ? (cd_dtype)cd_int_attr(call->attr, DTYPE)
                                                          : by_rule;
}

/* t, without the reduced dimensions, as a view of the shape of x (stride 0). Backward uses it. */
static cd_tensor *expanded(cd_expr *e, cd_tensor *t, const cd_tensor *x, int n_attr, const double *attr)
{
    bool reduced[CD_MAX_DIMS];
    int64_t stride[CD_MAX_DIMS];
    cd_tensor *view = NULL;
    if (e->status != CD_OK || (e->status = reduced_dims(reduced, x, n_attr, attr, e->err)) != CD_OK) {
        return NULL;
    }
    if (cd_run_is_recorded()) {
        int64_t shape[CD_MAX_DIMS];
        return cd_expr_expand(e, cd_expr_reshape(e, t, cd_reduced_shape(shape, x, reduced, true), shape),
                              x->ndim, x->shape);
    }
    bool keepdim = keeps_dims(n_attr, attr);
    for (int d = 0, k = 0; d < x->ndim; d++) {
        stride[d] = reduced[d] || t->shape[k] == 1 ? 0 : t->stride[k];
        k += !reduced[d] || keepdim;
    }
    e->status = cd_tensor_view(&view, t, x->ndim, x->shape, stride, t->offset, e->err);
    return e->status == CD_OK ? cd_expr_hold(e, view) : NULL;
}

/* ---- memory of x as runs of dimensions ---- */

typedef struct {
    int count;
    int64_t size[CD_MAX_DIMS + 1];
    bool reduced[CD_MAX_DIMS + 1];
} runs;

/* The dimensions of dense x from the slowest to the fastest, neighbours of one kind joined. */
static void find_runs(runs *r, int *order, const cd_tensor *x, const bool *reduced)
{
    for (int d = 0; d < x->ndim; d++) {
        int at = d;
        while (at > 0 && x->stride[order[at - 1]] < x->stride[d]) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = d;
    }
    r->count = 0;
    for (int k = 0; k < x->ndim; k++) {
        int d = order[k];
        if (x->shape[d] == 1) {
            continue;
        }
        if (r->count > 0 && r->reduced[r->count - 1] == reduced[d]) {
            r->size[r->count - 1] *= x->shape[d];
        } else {
            r->size[r->count] = x->shape[d];
            r->reduced[r->count++] = reduced[d];
        }
    }
}

/* Reduces the last run that is to be; buffer becomes its result. */
static cd_status reduce_last_run(runs *r, void **buffer, const void *x, cd_dtype type,
                                 cdk_reduction reduction, cd_error *err)
{
    int k = r->count - 1;
    int64_t outer = 1, inner = 1;
    void *y;
    size_t nbytes;
    while (!r->reduced[k]) {
        inner *= r->size[k--];
    }
    for (int i = 0; i < k; i++) {
        outer *= r->size[i];
    }
    CD_TRY(cd_memory_size(&nbytes, (size_t)outer, (size_t)inner, 8, err));
    CD_TRY(cd_memory_alloc(&y, nbytes, err));
    cd_status status = cdk_reduce(y, reduction, x, type, outer, r->size[k], inner, err);
    cd_memory_free(*buffer);
    *buffer = y;
    if (k > 0 && k + 1 < r->count) {
        r->size[k - 1] *= r->size[k + 1];
        r->count--;
    }
    for (int i = k; i + 1 < r->count; i++) {
        r->size[i] = r->size[i + 1 + (k > 0)];
        r->reduced[i] = r->reduced[i + 1 + (k > 0)];
    }
    r->count--;
    return status;
}

static bool any_reduced(const runs *r)
{
    for (int k = 0; k < r->count; k++) {
        if (r->reduced[k]) {
            return true;
        }
    }
    return false;
}

/* out = the kept dimensions of x, which lie in the buffer in the order of x. */
static cd_status take_from_buffer(cd_tensor *out, void *buffer, cd_dtype type, const cd_tensor *x,
                                  const int *order, const bool *reduced, double scale, cd_error *err)
{
    int64_t stride[CD_MAX_DIMS], out_stride[CD_MAX_DIMS], step = 1;
    cd_tensor *view;
    for (int k = x->ndim - 1; k >= 0; k--) {
        int d = order[k];
        stride[d] = reduced[d] ? 0 : step;
        step *= reduced[d] ? 1 : x->shape[d];
    }
    for (int d = 0, k = 0; d < x->ndim; d++) {
        if (!reduced[d] || out->ndim == x->ndim) {
            out_stride[k++] = stride[d];
        }
    }
    if (scale != 1) {
        cdk_scale[type](buffer, buffer, scale, step);
    }
    CD_TRY(cd_tensor_borrow(&view, buffer, type, out->ndim, out->shape, out_stride, err));
    cd_status status = cd_tensor_copy(out, view, err);
    cd_tensor_release(view);
    return status;
}

static cd_status reduce_dense(cd_tensor *out, cdk_reduction reduction, const cd_tensor *x,
                              const bool *reduced, double scale, cd_error *err)
{
    runs r;
    int order[CD_MAX_DIMS] = {0};
    void *buffer = NULL;
    const void *data = cd_tensor_data(x);
    cd_dtype type = x->dtype;
    cd_status status = CD_OK;
    find_runs(&r, order, x, reduced);
    if (!any_reduced(&r)) {
        r.size[r.count] = 1;
        r.reduced[r.count++] = true;
    }
    while (status == CD_OK && any_reduced(&r)) {
        status = reduce_last_run(&r, &buffer, data, type, reduction, err);
        type = cd_dtype_widest(type);
        data = buffer;
    }
    if (status == CD_OK) {
        status = take_from_buffer(out, buffer, type, x, order, reduced, scale, err);
    }
    cd_memory_free(buffer);
    return status;
}

/* out = scale * reduction of x in the given dtype. */
static cd_status reduce_tensor(cd_tensor *out, cdk_reduction reduction, cd_tensor *x, const bool *reduced,
                               double scale, cd_error *err)
{
    cd_tensor *dense;
    if (cd_tensor_numel(x) == 0) {
        double empty = reduction == CDK_PRODUCT ? 1 : 0;
        return cd_tensor_fill(out, scale == INFINITY ? NAN : empty, err);
    }
    if (cd_tensor_is_dense(x)) {
        return reduce_dense(out, reduction, x, reduced, scale, err);
    }
    CD_TRY(cd_tensor_clone(&dense, x, CD_CONTIGUOUS, err));
    cd_status status = reduce_dense(out, reduction, dense, reduced, scale, err);
    cd_tensor_release(dense);
    return status;
}

static cd_status run_reduction(cd_call *call, cdk_reduction reduction, bool mean, cd_error *err)
{
    bool reduced[CD_MAX_DIMS];
    cd_tensor *x, *given = call->in[0];
    CD_TRY(reduced_dims(reduced, given, call->n_attr, call->attr, err));
    bool through_float = cd_dtype_is_float(call->out[0]->dtype) && !cd_dtype_is_float(given->dtype);
    cd_dtype dtype = through_float ? CD_FLOAT64 : given->dtype;
    CD_TRY(cd_tensor_as(&x, given, dtype, cd_tensor_preferred_layout(given), err));
    double scale = mean ? 1 / (double)cd_reduced_count(x, reduced) : 1;
    cd_status status = reduce_tensor(call->out[0], reduction, x, reduced, scale, err);
    cd_tensor_release(x);
    return status;
}

/* ---- sum, mean ---- */

static cd_status sum_shape(cd_call *call, cd_error *err)
{
    cd_dtype dtype = call->in[0]->dtype;
    return out_reduced(call, wanted_dtype(call, cd_dtype_is_float(dtype) ? dtype : CD_INT64), err);
}

static cd_status sum_forward(cd_call *call, cd_error *err)
{
    return run_reduction(call, CDK_SUM, false, err);
}

static cd_status sum_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    cd_expr_give(&e, g, 0, expanded(&e, g->dy[0], g->in[0], g->n_attr, g->attr));
    return cd_expr_end(&e);
}

static cd_status mean_shape(cd_call *call, cd_error *err)
{
    cd_dtype dtype = wanted_dtype(call, call->in[0]->dtype);
    if (!cd_dtype_is_float(dtype)) {
        return cd_fail(
            err, CD_EDTYPE,
            "mean(): input dtype should be either floating point or complex dtypes. Got %s instead. Use "
            "$mean(dtype = torch_float()).",
            cd_dtype_name(dtype));
    }
    return out_reduced(call, dtype, err);
}

static cd_status mean_forward(cd_call *call, cd_error *err)
{
    return run_reduction(call, CDK_SUM, true, err);
}

static double count_of(const cd_gradient *g)
{
    double n = (double)cd_tensor_numel(g->in[0]), kept = (double)cd_tensor_numel(g->out[0]);
    return kept > 0 ? n / kept : 0;
}

static cd_status mean_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    cd_tensor *share = cd_expr_times(&e, g->dy[0], 1 / count_of(g));
    cd_expr_give(&e, g, 0, expanded(&e, share, g->in[0], g->n_attr, g->attr));
    return cd_expr_end(&e);
}

/* ---- amax, amin: over any dimensions; the gradient is shared by equal elements ---- */

static cd_status extreme_shape(cd_call *call, cd_error *err)
{
    if (cd_tensor_numel(call->in[0]) == 0) {
        return cd_fail(err, CD_EVALUE, "%s(): an empty tensor has no largest or smallest element.",
                       call->op->name);
    }
    return out_reduced(call, call->in[0]->dtype, err);
}

static cd_status amax_forward(cd_call *call, cd_error *err)
{
    return run_reduction(call, CDK_LARGEST, false, err);
}

static cd_status amin_forward(cd_call *call, cd_error *err)
{
    return run_reduction(call, CDK_SMALLEST, false, err);
}

static cd_status amax_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    cd_tensor *y = expanded(&e, g->out[0], g->in[0], g->n_attr, g->attr);
    cd_tensor *equal = cd_expr2(&e, CD_OP_eq, g->in[0], y);
    cd_tensor *ties = cd_expr_op(&e, CD_OP_sum, 1, &equal, g->n_attr, g->attr);
    cd_tensor *share = expanded(&e, cd_expr_div(&e, g->dy[0], ties), g->in[0], g->n_attr, g->attr);
    cd_expr_give(&e, g, 0, cd_expr_mul(&e, share, equal));
    return cd_expr_end(&e);
}

/* ---- any, all ---- */

static cd_status bool_shape(cd_call *call, cd_error *err)
{
    return out_reduced(call, CD_BOOL, err);
}

static cd_status run_logical(cd_call *call, cdk_reduction reduction, double empty, cd_error *err)
{
    bool reduced[CD_MAX_DIMS];
    cd_tensor *x;
    CD_TRY(reduced_dims(reduced, call->in[0], call->n_attr, call->attr, err));
    if (cd_tensor_numel(call->in[0]) == 0) {
        return cd_tensor_fill(call->out[0], empty, err);
    }
    CD_TRY(cd_tensor_as(&x, call->in[0], CD_BOOL, cd_tensor_preferred_layout(call->in[0]), err));
    cd_status status = reduce_tensor(call->out[0], reduction, x, reduced, 1, err);
    cd_tensor_release(x);
    return status;
}

static cd_status any_forward(cd_call *call, cd_error *err)
{
    return run_logical(call, CDK_LARGEST, 0, err);
}

static cd_status all_forward(cd_call *call, cd_error *err)
{
    return run_logical(call, CDK_SMALLEST, 1, err);
}

/* ---- prod ---- */

static cd_status prod_forward(cd_call *call, cd_error *err)
{
    return run_reduction(call, CDK_PRODUCT, false, err);
}

static cd_status prod_backward(cd_gradient *g, cd_error *err)
{
    cd_tensor *x = NULL, *dy = NULL, *dx = NULL;
    cdk_middle rows = {1, cd_tensor_numel(g->in[0]), 1};
    if (g->n_attr > DIMS) {
        cd_along a;
        CD_TRY(cd_find_along(&a, g->in[0], cd_int_attr(g->attr, DIMS), err));
        rows = (cdk_middle){a.outer, a.n, a.inner};
    }
    cd_status status = cd_tensor_as(&x, g->in[0], CD_FLOAT64, CD_CONTIGUOUS, err);
    if (status == CD_OK && (status = cd_tensor_as(&dy, g->dy[0], CD_FLOAT64, CD_CONTIGUOUS, err)) == CD_OK &&
        (status = cd_tensor_new(&dx, CD_FLOAT64, x->ndim, x->shape, CD_CONTIGUOUS, err)) == CD_OK) {
        cdk_product_gradient(cd_tensor_data(dx), cd_tensor_data(dy), cd_tensor_data(x), rows);
        status = cd_tensor_as(&g->dx[0], dx, g->in[0]->dtype, CD_CONTIGUOUS, err);
    }
    cd_tensor_release(x);
    cd_tensor_release(dy);
    cd_tensor_release(dx);
    return status;
}

/* dx = dy y / x, where no element is 0 */
static cd_status prod_second(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    cd_tensor *x = g->in[0], *y, *all;
    cd_runner recorder = cd_set_runner(NULL);
    all = cd_expr1(&e, CD_OP_all, x);
    cd_set_runner(recorder);
    if (e.status == CD_OK && *(const uint8_t *)cd_tensor_data(all) == 0) {
        CD_TRY(cd_expr_end(&e));
        return cd_second_once(g, err);
    }
    y = cd_expr_op(&e, CD_OP_prod, 1, &x, g->n_attr, g->attr);
    cd_tensor *whole =
        e.status == CD_OK ? expanded(&e, cd_expr_mul(&e, g->dy[0], y), x, g->n_attr, g->attr) : NULL;
    cd_expr_give(&e, g, 0, cd_expr_div(&e, whole, x));
    return cd_expr_end(&e);
}

/* ---- var, std: the attribute DTYPE is what is subtracted from the count (1: unbiased) ---- */

static cd_status spread_shape(cd_call *call, cd_error *err)
{
    if (!cd_dtype_is_float(call->in[0]->dtype)) {
        return cd_fail(err, CD_EDTYPE,
                       "%s(): needs a float tensor, got %s. Convert with $to(dtype = torch_float()).",
                       call->op->name, cd_dtype_name(call->in[0]->dtype));
    }
    return out_reduced(call, call->in[0]->dtype, err);
}

/* The attributes as those of a mean, keepdim as asked for. */
static void plain_attr(double *attr, int n_attr, const double *given, double keepdim)
{
    for (int i = 0; i < n_attr; i++) {
        attr[i] = given[i];
    }
    attr[KEEPDIM] = keepdim;
    attr[DTYPE] = -1;
}

static cd_tensor *deviation(cd_expr *e, cd_tensor *x, int n_attr, const double *given)
{
    double attr[DIMS + CD_MAX_DIMS];
    plain_attr(attr, n_attr, given, 1);
    return cd_expr_sub(e, x, cd_expr_op(e, CD_OP_mean, 1, &x, n_attr, attr));
}

static cd_status spread_forward(cd_call *call, bool root, cd_error *err)
{
    double attr[DIMS + CD_MAX_DIMS];
    bool reduced[CD_MAX_DIMS];
    cd_expr e = cd_expr_begin(err);
    e.status = reduced_dims(reduced, call->in[0], call->n_attr, call->attr, err);
    double n = (double)cd_reduced_count(call->in[0], reduced), freedom = n - call->attr[DTYPE];
    plain_attr(attr, call->n_attr, call->attr, call->attr[KEEPDIM]);
    cd_tensor *d = deviation(&e, call->in[0], call->n_attr, call->attr);
    cd_tensor *squares = cd_expr1(&e, CD_OP_square, d);
    cd_tensor *sum = cd_expr_op(&e, CD_OP_sum, 1, &squares, call->n_attr, attr);
    cd_tensor *y = cd_expr2n(&e, CD_OP_div, sum, freedom > 0 ? freedom : 0);
    y = root ? cd_expr1(&e, CD_OP_sqrt, y) : y;
    if (e.status == CD_OK) {
        e.status = cd_tensor_copy(call->out[0], y, err);
    }
    return cd_expr_end(&e);
}

static cd_status var_forward(cd_call *call, cd_error *err)
{
    return spread_forward(call, false, err);
}

static cd_status std_forward(cd_call *call, cd_error *err)
{
    return spread_forward(call, true, err);
}

/* dx = dy * 2 (x - mean) / freedom; for std divided by 2 std, 0 where that is 0 */
static cd_status spread_backward(cd_gradient *g, bool root, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    double freedom = count_of(g) - g->attr[DTYPE];
    cd_tensor *slope = g->dy[0];
    if (root) {
        cd_tensor *quotient = cd_expr_div(&e, g->dy[0], g->out[0]);
        slope = cd_expr_where(&e, cd_expr2n(&e, CD_OP_eq, g->out[0], 0), cd_expr_number(&e, 0), quotient);
    }
    slope = cd_expr_times(&e, slope, (root ? 1 : 2) / freedom);
    slope = expanded(&e, slope, g->in[0], g->n_attr, g->attr);
    cd_expr_give(&e, g, 0, cd_expr_mul(&e, deviation(&e, g->in[0], g->n_attr, g->attr), slope));
    return cd_expr_end(&e);
}

static cd_status var_backward(cd_gradient *g, cd_error *err)
{
    return spread_backward(g, false, err);
}

static cd_status std_backward(cd_gradient *g, cd_error *err)
{
    return spread_backward(g, true, err);
}

/* ---- norm: (sum |x|^p)^(1/p); the attribute DTYPE is p ---- */

static cd_status norm_forward(cd_call *call, cd_error *err)
{
    double attr[DIMS + CD_MAX_DIMS], p = call->attr[DTYPE];
    cd_expr e = cd_expr_begin(err);
    plain_attr(attr, call->n_attr, call->attr, call->attr[KEEPDIM]);
    cd_tensor *size = cd_expr1(&e, CD_OP_abs, call->in[0]), *y;
    if (isinf(p)) {
        y = cd_expr_op(&e, p > 0 ? CD_OP_amax : CD_OP_amin, 1, &size, call->n_attr, attr);
    } else if (p == 0) {
        cd_tensor *counted = cd_expr2n(&e, CD_OP_ne, size, 0);
        y = cd_expr_op(&e, CD_OP_sum, 1, &counted, call->n_attr, attr);
    } else {
        cd_tensor *powers = p == 1 ? size : cd_expr2n(&e, CD_OP_pow, size, p);
        y = cd_expr_op(&e, CD_OP_sum, 1, &powers, call->n_attr, attr);
        y = p == 1 ? y : cd_expr2n(&e, CD_OP_pow, y, 1 / p);
    }
    if (e.status == CD_OK) {
        e.status = cd_tensor_copy(call->out[0], y, err);
    }
    return cd_expr_end(&e);
}

/* dx = dy sign(x) (|x| / y)^(p - 1), 0 where y is 0; for p = Inf shared by the largest */
static cd_status norm_backward(cd_gradient *g, cd_error *err)
{
    double attr[DIMS + CD_MAX_DIMS], p = g->attr[DTYPE];
    cd_expr e = cd_expr_begin(err);
    plain_attr(attr, g->n_attr, g->attr, g->attr[KEEPDIM]);
    cd_tensor *y = expanded(&e, g->out[0], g->in[0], g->n_attr, g->attr);
    cd_tensor *dy = expanded(&e, g->dy[0], g->in[0], g->n_attr, g->attr);
    cd_tensor *size = cd_expr1(&e, CD_OP_abs, g->in[0]), *share;
    if (isinf(p)) {
        share = cd_expr2(&e, CD_OP_eq, size, y);
        cd_tensor *ties = cd_expr_op(&e, CD_OP_sum, 1, &share, g->n_attr, attr);
        share = cd_expr_div(&e, share, expanded(&e, ties, g->in[0], g->n_attr, g->attr));
    } else {
        share = cd_expr2n(&e, CD_OP_pow, cd_expr_div(&e, size, y), p - 1);
    }
    share = p == 0 ? cd_expr_times(&e, size, 0)
                   : cd_expr_where(&e, cd_expr2n(&e, CD_OP_eq, y, 0), cd_expr_number(&e, 0), share);
    cd_tensor *slope = cd_expr_mul(&e, share, cd_expr1(&e, CD_OP_sign, g->in[0]));
    cd_expr_give(&e, g, 0, cd_expr_mul(&e, dy, slope));
    return cd_expr_end(&e);
}

/* ---- logsumexp: m + log(sum(exp(x - m))), m the largest ---- */

static cd_status logsumexp_forward(cd_call *call, cd_error *err)
{
    double attr[DIMS + CD_MAX_DIMS];
    cd_tensor *x = call->in[0];
    cd_expr e = cd_expr_begin(err);
    plain_attr(attr, call->n_attr, call->attr, 1);
    cd_tensor *largest = cd_expr_op(&e, CD_OP_amax, 1, &x, call->n_attr, attr);
    largest = cd_expr_where(&e, cd_expr1(&e, CD_OP_isfinite, largest), largest, cd_expr_number(&e, 0));
    cd_tensor *terms = cd_expr1(&e, CD_OP_exp, cd_expr_sub(&e, x, largest));
    cd_tensor *sum = cd_expr_op(&e, CD_OP_sum, 1, &terms, call->n_attr, attr);
    cd_tensor *y = cd_expr_add(&e, cd_expr1(&e, CD_OP_log, sum), largest);
    if (e.status == CD_OK) {
        y = cd_expr_reshape(&e, y, call->out[0]->ndim, call->out[0]->shape);
    }
    if (e.status == CD_OK) {
        e.status = cd_tensor_copy(call->out[0], y, err);
    }
    return cd_expr_end(&e);
}

static cd_status logsumexp_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    cd_tensor *y = expanded(&e, g->out[0], g->in[0], g->n_attr, g->attr);
    cd_tensor *dy = expanded(&e, g->dy[0], g->in[0], g->n_attr, g->attr);
    cd_tensor *softmax = cd_expr1(&e, CD_OP_exp, cd_expr_sub(&e, g->in[0], y));
    cd_expr_give(&e, g, 0, cd_expr_mul(&e, dy, softmax));
    return cd_expr_end(&e);
}

/* ---- sum_to_shape: attributes are the shape ---- */

static cd_status sum_to_shape_shape(cd_call *call, cd_error *err)
{
    int64_t shape[CD_MAX_DIMS];
    for (int d = 0; d < call->n_attr && d < CD_MAX_DIMS; d++) {
        shape[d] = cd_int_attr(call->attr, d);
    }
    return cd_out(call, 0, call->in[0]->dtype, call->n_attr, shape, CD_CONTIGUOUS, err);
}

static cd_status sum_to_shape_forward(cd_call *call, cd_error *err)
{
    cd_tensor *sum;
    CD_TRY(cd_sum_to_like(&sum, call->in[0], call->out[0], err));
    cd_status status = cd_tensor_copy(call->out[0], sum, err);
    cd_tensor_release(sum);
    return status;
}

static cd_status sum_to_shape_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    cd_expr_give(&e, g, 0, cd_expr_expand(&e, g->dy[0], g->in[0]->ndim, g->in[0]->shape));
    return cd_expr_end(&e);
}

#define REDUCTION(id, printed, kept, least, shape_rule, gradient, ...) \
    const cd_op cd_op_##id = {.name = #id,                             \
                              .backward_name = printed,                \
                              .min_in = 1,                             \
                              .max_in = 1,                             \
                              .min_attr = least,                       \
                              .max_attr = DIMS + CD_MAX_DIMS,          \
                              .n_out = 1,                              \
                              .keeps = kept,                           \
                              .shape = shape_rule##_shape,             \
                              .forward = id##_forward,                 \
                              .backward = gradient,                    \
                              __VA_ARGS__}
#define BOTH (CD_KEEP_IN(0) | CD_KEEP_OUT(0))

REDUCTION(sum, "SumBackward0", 0, 0, sum, sum_backward, .traits = CD_COMPOSED);
REDUCTION(mean, "MeanBackward0", 0, 0, mean, mean_backward, .traits = CD_COMPOSED);
REDUCTION(prod, "ProdBackward0", CD_KEEP_IN(0), 0, sum, prod_backward, .second = prod_second);
REDUCTION(amax, "AmaxBackward0", BOTH, 0, extreme, amax_backward, .traits = CD_COMPOSED);
REDUCTION(amin, "AminBackward0", BOTH, 0, extreme, amax_backward, .traits = CD_COMPOSED);
REDUCTION(any, NULL, 0, 0, bool, NULL, .traits = CD_COMPOSED);
REDUCTION(all, NULL, 0, 0, bool, NULL, .traits = CD_COMPOSED);
REDUCTION(var, "VarBackward0", CD_KEEP_IN(0), 2, spread, var_backward, .traits = CD_COMPOSED);
REDUCTION(std, "StdBackward0", BOTH, 2, spread, std_backward, .traits = CD_COMPOSED);
REDUCTION(norm, "NormBackward0", BOTH, 2, spread, norm_backward, .traits = CD_COMPOSED);
REDUCTION(logsumexp, "LogsumexpBackward0", BOTH, 1, spread, logsumexp_backward, .traits = CD_COMPOSED);
REDUCTION(sum_to_shape, "SumBackward1", 0, 0, sum_to_shape, sum_to_shape_backward, .traits = CD_COMPOSED);
