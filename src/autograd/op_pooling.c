/* Pooling of images, N x C x H x W: largest and mean of windows, of given size or as many as wanted. */
#include "autograd/dense.h"
#include "autograd/expression.h"
#include "base/memory.h"
#include "kernels/pooling.h"
#include "kernels/reduce.h"
#include "kernels/separable.h"

/* max_pool2d, avg_pool2d: window, stride, padding, dilation per side; adaptive: output sizes. */
enum {
    KERNEL_H,
    KERNEL_W,
    STRIDE_H,
    STRIDE_W,
    PAD_H,
    PAD_W,
    DILATION_H,
    DILATION_W,
    CEIL,
    COUNT_PAD,
    DIVISOR
};
enum { OUT_H, OUT_W };

static bool is_adaptive(const double *attr, int n_attr)
{
    (void)attr;
    return n_attr == 2;
}

static int64_t output_count(int64_t size, const double *attr, int dim)
{
    int64_t stride = cd_int_attr(attr, STRIDE_H + dim), pad = cd_int_attr(attr, PAD_H + dim);
    int64_t reach = cd_int_attr(attr, DILATION_H + dim) * (cd_int_attr(attr, KERNEL_H + dim) - 1) + 1;
    int64_t room = size + 2 * pad - reach;
    if (room < 0) {
        return 0;
    }
    if (attr[CEIL] == 0) {
        return room / stride + 1;
    }
    int64_t count = (room + stride - 1) / stride + 1;
    /* The last window must start inside of the image or its padding before it. */
    return (count - 1) * stride >= size + pad ? count - 1 : count;
}

/* The windows of one side, in one block of memory. */
typedef struct {
    cdk_windows windows;
    int64_t *origin, *first, *end;
} side;

static void fixed_windows(side *s, int64_t size, const double *attr, int dim)
{
    const int64_t kernel = cd_int_attr(attr, KERNEL_H + dim), pad = cd_int_attr(attr, PAD_H + dim);
    const int64_t dilation = cd_int_attr(attr, DILATION_H + dim), stride = cd_int_attr(attr, STRIDE_H + dim);
    s->windows.taps = kernel;
    s->windows.step = dilation;
    s->windows.stride = stride;
    for (int64_t i = 0; i < s->windows.count; i++) {
        const int64_t origin = i * stride - pad, end = origin + dilation * (kernel - 1) + 1;
        s->origin[i] = origin;
        s->first[i] = origin < 0 ? origin + (dilation - 1 - origin) / dilation * dilation : origin;
        s->end[i] = end < size ? end : size;
    }
}

/* Windows of equal size side by side are the fixed ones of that size. */
static void adaptive_windows(side *s, int64_t size)
{
    const int64_t count = s->windows.count;
    s->windows.step = 1;
    s->windows.stride = size % count == 0 ? size / count : 0;
    for (int64_t i = 0; i < count; i++) {
        s->origin[i] = s->first[i] = i * size / count;
        s->end[i] = ((i + 1) * size + count - 1) / count;
        const int64_t taps = s->end[i] - s->first[i];
        s->windows.taps = taps > s->windows.taps ? taps : s->windows.taps;
    }
}

static cd_status make_side(side *s, int64_t count, int64_t size, const double *attr, int n_attr, int dim,
                           cd_error *err)
{
    void *block;
    CD_TRY(cd_memory_alloc(&block, (size_t)count * 3 * sizeof(int64_t), err));
    s->origin = block;
    s->first = s->origin + count;
    s->end = s->first + count;
    s->windows = (cdk_windows){.count = count, .origin = s->origin, .first = s->first, .end = s->end};
    if (is_adaptive(attr, n_attr)) {
        adaptive_windows(s, size);
    } else {
        fixed_windows(s, size, attr, dim);
    }
    return CD_OK;
}

typedef struct {
    side rows, columns;
    cdk_pooling kernel;
} plan;

static void plan_clear(plan *p)
{
    cd_memory_free(p->rows.origin);
    cd_memory_free(p->columns.origin);
}

/* x and y lie alike: channels last, or as images of one channel. */
static cd_status make_plan(plan *p, const cd_tensor *x, const cd_tensor *y, const double *attr, int n_attr,
                           cd_error *err)
{
    const bool last = cd_dense_layout(x) == CD_CHANNELS_LAST;
    CD_TRY(make_side(&p->rows, y->shape[2], x->shape[2], attr, n_attr, 0, err));
    CD_TRY(make_side(&p->columns, y->shape[3], x->shape[3], attr, n_attr, 1, err));
    p->kernel = (cdk_pooling){.N = last ? x->shape[0] : x->shape[0] * x->shape[1],
                              .C = last ? x->shape[1] : 1,
                              .H = x->shape[2],
                              .W = x->shape[3],
                              .rows = p->rows.windows,
                              .columns = p->columns.windows};
    return CD_OK;
}

static cd_status check_window(const cd_call *call, cd_error *err)
{
    const double *a = call->attr;
    for (int dim = 0; dim < 2; dim++) {
        if (a[KERNEL_H + dim] < 1 || a[STRIDE_H + dim] < 1 || a[DILATION_H + dim] < 1 || a[PAD_H + dim] < 0) {
            return cd_fail(err, CD_EVALUE,
                           "%s: kernel_size, stride and dilation must be at least 1, padding at least 0.",
                           call->op->name);
        }
        if (a[PAD_H + dim] > a[KERNEL_H + dim] / 2) {
            return cd_fail(
                err, CD_EVALUE,
                "%s: pad should be at most half of effective kernel size, but got pad=%d and kernel_size=%d.",
                call->op->name, (int)a[PAD_H + dim], (int)a[KERNEL_H + dim]);
        }
    }
    return CD_OK;
}

static cd_status pool_extents(int64_t *shape, const cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[0];
    bool adaptive = is_adaptive(call->attr, call->n_attr);
    char got[CD_SHAPE_TEXT];
    for (int dim = 0; dim < 2; dim++) {
        shape[2 + dim] = adaptive ? cd_int_attr(call->attr, OUT_H + dim)
                                  : output_count(x->shape[2 + dim], call->attr, dim);
        if (shape[2 + dim] < 1 || x->shape[2 + dim] < 1) {
            return cd_fail(err, CD_ESHAPE, "%s: input of size %s gives an output of %s %lld: too small.",
                           call->op->name, cd_shape_text(got, x->ndim, x->shape),
                           dim == 0 ? "height" : "width", (long long)shape[2 + dim]);
        }
    }
    return CD_OK;
}

static cd_status pool_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[0];
    char got[CD_SHAPE_TEXT];
    int64_t shape[4];
    CD_TRY(cd_check_float(x, call->op->name, err));
    if (x->ndim != 4) {
        return cd_fail(err, CD_ESHAPE, "%s: expected an input of 4 dimensions, got size %s.", call->op->name,
                       cd_shape_text(got, x->ndim, x->shape));
    }
    if (!is_adaptive(call->attr, call->n_attr)) {
        CD_TRY(check_window(call, err));
    }
    shape[0] = x->shape[0];
    shape[1] = x->shape[1];
    CD_TRY(pool_extents(shape, call, err));
    const cd_layout layout = cd_tensor_preferred_layout(x);
    if (call->op->n_out > 1) {
        CD_TRY(cd_out(call, 1, CD_INT64, 4, shape, layout, err));
    }
    return cd_out(call, 0, x->dtype, 4, shape, layout, err);
}

/* ---- largest ---- */

static cd_dtype place_dtype(const cdk_pooling *p)
{
    return p->rows.taps * p->columns.taps <= 256 ? CD_UINT8 : CD_INT32;
}

static cdk_places places_in(const cd_tensor *t)
{
    if (t == NULL) {
        return (cdk_places){NULL, 0};
    }
    return (cdk_places){cd_tensor_data(t), cd_dtype_size(t->dtype)};
}

static cd_status max_run(cd_call *call, const cd_tensor *x, const cdk_pooling *p, cd_error *err)
{
    cd_tensor *y = call->out[0];
    int64_t *index = call->op->n_out > 1 ? cd_tensor_data(call->out[1]) : NULL;
    if (call->differentiable) {
        const cd_layout layout = cd_dense_layout(x);
        CD_TRY(cd_tensor_new(&call->saved[0], place_dtype(p), 4, y->shape, layout, err));
    }
    return cdk_max_pool[y->dtype](cd_tensor_data(y), places_in(call->saved[0]), index, cd_tensor_data(x), p,
                                  err);
}

static cd_status max_forward(cd_call *call, cd_error *err)
{
    cd_tensor *x = NULL, *y = call->out[0];
    plan p = {0};
    cd_status status = cd_dense_like(&x, call->in[0], y, err);
    if (status == CD_OK) {
        status = make_plan(&p, x, y, call->attr, call->n_attr, err);
    }
    if (status == CD_OK) {
        status = max_run(call, x, &p.kernel, err);
    }
    plan_clear(&p);
    cd_tensor_release(x);
    return status;
}

static cd_status max_gradient_run(cd_gradient *g, const cd_tensor *dy, cd_error *err)
{
    plan p = {0};
    cd_status status = make_plan(&p, g->dx[0], dy, g->attr, g->n_attr, err);
    if (status == CD_OK) {
        status = cdk_max_pool_gradient[dy->dtype](cd_tensor_data(g->dx[0]), cd_tensor_data(dy),
                                                  places_in(g->saved[0]), &p.kernel, err);
    }
    plan_clear(&p);
    return status;
}

static cd_status max_backward(cd_gradient *g, cd_error *err)
{
    cd_tensor *dy = NULL;
    const cd_tensor *x = g->in[0];
    if (g->dy[0] == NULL || g->saved[0] == NULL) {
        return CD_OK;
    }
    const cd_layout layout = cd_dense_layout(g->saved[0]);
    cd_status status = cd_tensor_as(&dy, g->dy[0], x->dtype, layout, err);
    if (status == CD_OK) {
        status = cd_tensor_new(&g->dx[0], x->dtype, 4, x->shape, layout, err);
    }
    if (status == CD_OK && cd_tensor_numel(x) > 0) {
        status = max_gradient_run(g, dy, err);
    }
    cd_tensor_release(dy);
    return status;
}

#define MAX_POOL(id, printed, outputs, attrs)           \
    const cd_op cd_op_##id = {.name = #id,              \
                              .backward_name = printed, \
                              .min_in = 1,              \
                              .max_in = 1,              \
                              .min_attr = attrs,        \
                              .max_attr = attrs,        \
                              .n_out = outputs,         \
                              .shape = pool_shape,      \
                              .forward = max_forward,   \
                              .backward = max_backward, \
                              .second = max_second}

/* Where the largest elements are: N x C x windows, row * W + column, counted from 1. */
static cd_status flat_positions(cd_tensor **index, const cd_gradient *g, cd_error *err)
{
    plan p = {0};
    cd_tensor *place = NULL;
    const cd_tensor *x = g->in[0], *y = g->out[0];
    const int64_t OH = y->shape[2], OW = y->shape[3], shape[3] = {x->shape[0], x->shape[1], OH * OW};
    cd_status status = make_plan(&p, x, y, g->attr, g->n_attr, err);
    if (status == CD_OK &&
        (status = cd_tensor_as(&place, g->saved[0], CD_INT64, CD_CONTIGUOUS, err)) == CD_OK) {
        status = cd_tensor_new(index, CD_INT64, 3, shape, CD_CONTIGUOUS, err);
    }
    const int64_t *from = status == CD_OK ? cd_tensor_data(place) : NULL;
    int64_t *to = status == CD_OK ? cd_tensor_data(*index) : NULL;
    const cdk_windows *r = &p.kernel.rows, *c = &p.kernel.columns;
    for (int64_t k = 0; status == CD_OK && k < cd_tensor_numel(*index); k++) {
        const int64_t i = k / OW % OH, j = k % OW;
        const int64_t row = r->origin[i] + from[k] / c->taps * r->step,
                      column = c->origin[j] + from[k] % c->taps * c->step;
        to[k] = row * x->shape[3] + column + 1;
    }
    cd_tensor_release(place);
    plan_clear(&p);
    return status;
}

static cd_status max_second(cd_gradient *g, cd_error *err)
{
    const cd_tensor *x = g->in[0];
    cd_tensor *index = NULL;
    if (g->dy[0] == NULL || g->saved[0] == NULL || cd_tensor_numel(x) == 0) {
        return max_backward(g, err);
    }
    cd_expr e = cd_expr_begin(err);
    e.status = flat_positions(&index, g, err);
    if (cd_expr_hold(&e, index) == NULL || e.status != CD_OK) {
        return cd_expr_end(&e);
    }
    const int64_t planes[3] = {x->shape[0], x->shape[1], x->shape[2] * x->shape[3]};
    const double dim = 2;
    cd_tensor *zeros = cd_expr_reshape(&e, cd_expr_full_like(&e, x, 0), 3, planes);
    cd_tensor *in[3] = {zeros, index, cd_expr_reshape(&e, g->dy[0], 3, index->shape)};
    cd_tensor *dx = cd_expr_op(&e, CD_OP_scatter_add, 3, in, 1, &dim);
    cd_expr_give(&e, g, 0, cd_expr_reshape(&e, dx, 4, x->shape));
    return cd_expr_end(&e);
}

/* Windows of the largest element; with indices, its position from 0 as well. */
MAX_POOL(max_pool2d, "MaxPool2DWithIndicesBackward0", 1, 11);
MAX_POOL(max_pool2d_with_indices, "MaxPool2DWithIndicesBackward0", 2, 11);
MAX_POOL(adaptive_max_pool2d, "AdaptiveMaxPool2DBackward0", 1, 2);
MAX_POOL(adaptive_max_pool2d_with_indices, "AdaptiveMaxPool2DBackward0", 2, 2);

/* ---- mean ---- */

static int64_t terms_of(const cdk_windows *w)
{
    int64_t terms = 0;
    for (int64_t i = 0; i < w->count; i++) {
        terms += w->end[i] > w->first[i] ? w->end[i] - w->first[i] : 0;
    }
    return terms;
}

/* What the sum of a window is divided by, along one side: its elements, with the padding in it where that
 * counts. */
static double window_size(const side *s, int64_t i, int64_t size, const double *attr, int n_attr, int dim)
{
    if (is_adaptive(attr, n_attr) || attr[COUNT_PAD] == 0) {
        return (double)(s->end[i] - s->first[i]);
    }
    const int64_t end = s->origin[i] + s->windows.taps, padded = size + cd_int_attr(attr, PAD_H + dim);
    return (double)((end < padded ? end : padded) - s->origin[i]);
}

/* A divisor of the user's takes the place of the sizes: the rows' is it, the columns' 1. */
static double divisor_of(const side *s, int64_t i, int64_t size, const double *attr, int n_attr, int dim)
{
    if (!is_adaptive(attr, n_attr) && attr[DIVISOR] > 0) {
        return dim == 0 ? attr[DIVISOR] : 1;
    }
    return window_size(s, i, size, attr, n_attr, dim);
}

static cd_status mean_side(cdk_side *to, const side *s, int64_t size, const double *attr, int n_attr, int dim,
                           cd_error *err)
{
    const int64_t count = s->windows.count;
    CD_TRY(cdk_side_make(to, size, count, terms_of(&s->windows), err));
    to->start[0] = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t k = to->start[i];
        for (int64_t x = s->first[i]; x < s->end[i]; x++, k++) {
            to->index[k] = x;
            to->weight[k] = 1;
        }
        to->start[i + 1] = k;
        to->divisor[i] = divisor_of(s, i, size, attr, n_attr, dim);
    }
    return CD_OK;
}

static cd_status mean_sides(cdk_separable *s, const cd_tensor *x, const cd_tensor *y, const double *attr,
                            int n_attr, cd_error *err)
{
    plan p = {0};
    cd_status status = make_plan(&p, x, y, attr, n_attr, err);
    *s = (cdk_separable){.planes = p.kernel.N, .C = p.kernel.C};
    if (status == CD_OK) {
        status = mean_side(&s->rows, &p.rows, x->shape[2], attr, n_attr, 0, err);
    }
    if (status == CD_OK) {
        status = mean_side(&s->columns, &p.columns, x->shape[3], attr, n_attr, 1, err);
    }
    plan_clear(&p);
    return status;
}

static bool is_whole(const double *attr, int n_attr, const cd_tensor *y)
{
    return is_adaptive(attr, n_attr) && y->shape[2] == 1 && y->shape[3] == 1;
}

/* The one window of an image is the image: a sum over space. */
static cd_status mean_of_images(cd_tensor *y, const cd_tensor *x, cd_error *err)
{
    const int64_t N = x->shape[0], C = x->shape[1], pixels = x->shape[2] * x->shape[3];
    const bool last = cd_dense_layout(x) == CD_CHANNELS_LAST;
    void *sums;
    CD_TRY(cd_memory_alloc(&sums, (size_t)(N * C) * sizeof(double), err));
    cd_status status =
        cdk_reduce(sums, CDK_SUM, cd_tensor_data(x), x->dtype, last ? N : N * C, pixels, last ? C : 1, err);
    if (status == CD_OK) {
        const double *sum = sums;
        float *single = cd_tensor_data(y);
        double *exact = cd_tensor_data(y);
        const double share = 1 / (double)pixels;
        for (int64_t i = 0; i < N * C && y->dtype == CD_FLOAT32; i++) {
            single[i] = (float)(sum[i] * share);
        }
        for (int64_t i = 0; i < N * C && y->dtype == CD_FLOAT64; i++) {
            exact[i] = sum[i] / (double)pixels;
        }
    }
    cd_memory_free(sums);
    return status;
}

static cd_status mean_of_windows(cd_call *call, const cd_tensor *x, cd_error *err)
{
    cd_tensor *y = call->out[0];
    cdk_separable s = {0};
    cd_status status = mean_sides(&s, x, y, call->attr, call->n_attr, err);
    if (status == CD_OK) {
        status = cdk_separable_sum[y->dtype](cd_tensor_data(y), cd_tensor_data(x), &s, err);
    }
    cdk_separable_free(&s);
    return status;
}

static cd_status mean_forward(cd_call *call, cd_error *err)
{
    cd_tensor *x = NULL, *y = call->out[0];
    const bool whole = is_whole(call->attr, call->n_attr, y);
    CD_TRY(cd_tensor_as(&x, call->in[0], y->dtype, cd_tensor_preferred_layout(call->in[0]), err));
    cd_status status = whole ? mean_of_images(y, x, err) : mean_of_windows(call, x, err);
    cd_tensor_release(x);
    return status;
}

/* The transposed sum of dy. */
static cd_status mean_gradient_run(cd_gradient *g, const cd_tensor *dy, cd_error *err)
{
    cdk_separable forward = {0}, s = {0};
    cd_status status = mean_sides(&forward, g->dx[0], dy, g->attr, g->n_attr, err);
    if (status == CD_OK) {
        status = cdk_separable_transpose(&s, &forward, err);
    }
    if (status == CD_OK) {
        status = cdk_separable_sum[dy->dtype](cd_tensor_data(g->dx[0]), cd_tensor_data(dy), &s, err);
    }
    cdk_separable_free(&forward);
    cdk_separable_free(&s);
    return status;
}

/* The one window of an image gives each pixel the same, which is one number for all of them in memory. */
static cd_status spread_over_images(cd_gradient *g, cd_error *err)
{
    const cd_tensor *x = g->in[0];
    cd_tensor *view = NULL;
    cd_expr e = cd_expr_begin(err);
    cd_tensor *share = cd_expr2n(&e, CD_OP_div, g->dy[0], (double)(x->shape[2] * x->shape[3]));
    if (share != NULL) {
        const int64_t stride[4] = {share->stride[0], share->stride[1], 0, 0};
        e.status = cd_tensor_view(&view, share, 4, x->shape, stride, share->offset, err);
        cd_expr_give(&e, g, 0, cd_expr_hold(&e, view));
    }
    return cd_expr_end(&e);
}

static cd_status mean_backward(cd_gradient *g, cd_error *err)
{
    cd_tensor *dy = NULL;
    const cd_tensor *x = g->in[0];
    if (is_whole(g->attr, g->n_attr, g->out[0]) && cd_tensor_numel(x) > 0) {
        return spread_over_images(g, err);
    }
    const cd_layout layout = cd_tensor_preferred_layout(x);
    cd_status status = cd_tensor_as(&dy, g->dy[0], x->dtype, layout, err);
    if (status == CD_OK) {
        status = cd_tensor_new(&g->dx[0], x->dtype, 4, x->shape, layout, err);
    }
    if (status == CD_OK && cd_tensor_numel(x) > 0) {
        status = mean_gradient_run(g, dy, err);
    }
    cd_tensor_release(dy);
    return status;
}

#define MEAN_POOL(id, printed, attrs)                   \
    const cd_op cd_op_##id = {.name = #id,              \
                              .backward_name = printed, \
                              .min_in = 1,              \
                              .max_in = 1,              \
                              .min_attr = attrs,        \
                              .max_attr = attrs,        \
                              .n_out = 1,               \
                              .traits = CD_LINEAR,      \
                              .shape = pool_shape,      \
                              .forward = mean_forward,  \
                              .backward = mean_backward}

MEAN_POOL(avg_pool2d, "AvgPool2DBackward0", 11);
MEAN_POOL(adaptive_avg_pool2d, "AdaptiveAvgPool2DBackward0", 2);
