/* Pooling of images, N x C x H x W: largest and mean of windows, of given size or as many as wanted. */
#include "autograd/dense.h"
#include "base/memory.h"
#include "kernels/pooling.h"

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

/* The windows of one side, in one block of memory. */
typedef struct {
    int64_t count;
    int64_t *first, *end;
    double *size;
} side;

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

static void fixed_windows(side *s, int64_t size, const double *attr, int dim)
{
    int64_t kernel = cd_int_attr(attr, KERNEL_H + dim), pad = cd_int_attr(attr, PAD_H + dim);
    int64_t dilation = cd_int_attr(attr, DILATION_H + dim);
    for (int64_t i = 0; i < s->count; i++) {
        int64_t first = i * cd_int_attr(attr, STRIDE_H + dim) - pad,
                end = first + dilation * (kernel - 1) + 1;
        int64_t padded_end = end < size + pad ? end : size + pad, padded_first = first;
        while (first < 0) {
            first += dilation;
        }
        s->first[i] = first;
        s->end[i] = end < size ? end : size;
        s->size[i] = (double)(attr[COUNT_PAD] != 0 ? padded_end - padded_first : s->end[i] - first);
    }
}

static void adaptive_windows(side *s, int64_t size)
{
    for (int64_t i = 0; i < s->count; i++) {
        s->first[i] = i * size / s->count;
        s->end[i] = ((i + 1) * size + s->count - 1) / s->count;
        s->size[i] = (double)(s->end[i] - s->first[i]);
    }
}

static cd_status make_side(side *s, int64_t count, int64_t size, const double *attr, int n_attr, int dim,
                           cd_error *err)
{
    void *block;
    CD_TRY(cd_memory_alloc(&block, (size_t)count * (2 * sizeof(int64_t) + sizeof(double)), err));
    s->count = count;
    s->first = block;
    s->end = s->first + count;
    s->size = (double *)(s->end + count);
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
    cd_memory_free(p->rows.first);
    cd_memory_free(p->columns.first);
}

static cd_status make_plan(plan *p, const cd_tensor *x, const cd_tensor *y, const double *attr, int n_attr,
                           cd_error *err)
{
    bool adaptive = is_adaptive(attr, n_attr);
    CD_TRY(make_side(&p->rows, y->shape[2], x->shape[2], attr, n_attr, 0, err));
    CD_TRY(make_side(&p->columns, y->shape[3], x->shape[3], attr, n_attr, 1, err));
    p->kernel = (cdk_pooling){.N = x->shape[0],
                              .C = x->shape[1],
                              .H = x->shape[2],
                              .W = x->shape[3],
                              .rows = {p->rows.count, adaptive ? 1 : cd_int_attr(attr, DILATION_H),
                                       p->rows.first, p->rows.end, p->rows.size},
                              .columns = {p->columns.count, adaptive ? 1 : cd_int_attr(attr, DILATION_W),
                                          p->columns.first, p->columns.end, p->columns.size},
                              .divisor = adaptive ? 0 : attr[DIVISOR]};
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
    if (call->op->n_out > 1) {
        CD_TRY(cd_out(call, 1, CD_INT64, 4, shape, CD_CHANNELS_LAST, err));
    }
    return cd_out(call, 0, x->dtype, 4, shape, CD_CHANNELS_LAST, err);
}

static cd_status pool_forward(cd_call *call, cd_error *err)
{
    cd_tensor *x = NULL, *y = call->out[0];
    plan p = {0};
    cd_status status = cd_tensor_as(&x, call->in[0], y->dtype, CD_CHANNELS_LAST, err);
    if (status == CD_OK) {
        status = make_plan(&p, x, y, call->attr, call->n_attr, err);
    }
    if (status == CD_OK && call->op->n_out > 1) {
        int64_t *index = cd_tensor_data(call->out[1]);
        cdk_max_pool[y->dtype](cd_tensor_data(y), index, cd_tensor_data(x), &p.kernel);
    } else if (status == CD_OK) {
        cdk_mean_pool[y->dtype](cd_tensor_data(y), cd_tensor_data(x), &p.kernel);
    }
    plan_clear(&p);
    cd_tensor_release(x);
    return status;
}

static void run_gradient(cd_gradient *g, const cd_tensor *dy, const cdk_pooling *p)
{
    void *dx = cd_tensor_data(g->dx[0]);
    const void *gradient = cd_tensor_data(dy);
    if (g->op->n_out > 1) {
        cdk_max_pool_gradient[dy->dtype](dx, gradient, cd_tensor_data(g->out[1]), p);
    } else {
        cdk_mean_pool_gradient[dy->dtype](dx, gradient, p);
    }
}

static cd_status pool_backward(cd_gradient *g, cd_error *err)
{
    cd_tensor *dy = NULL;
    const cd_tensor *x = g->in[0];
    plan p = {0};
    if (g->dy[0] == NULL) {
        return CD_OK;
    }
    cd_status status = cd_tensor_as(&dy, g->dy[0], x->dtype, CD_CHANNELS_LAST, err);
    if (status == CD_OK) {
        status = cd_tensor_new(&g->dx[0], x->dtype, 4, x->shape, CD_CHANNELS_LAST, err);
    }
    if (status == CD_OK) {
        status = make_plan(&p, x, g->out[0], g->attr, g->n_attr, err);
    }
    if (status == CD_OK) {
        run_gradient(g, dy, &p.kernel);
    }
    plan_clear(&p);
    cd_tensor_release(dy);
    return status;
}

/* Windows of the largest element: outputs are it and its position, from 0. */
const cd_op cd_op_max_pool2d = {.name = "max_pool2d",
                                .backward_name = "MaxPool2DWithIndicesBackward0",
                                .min_in = 1,
                                .max_in = 1,
                                .min_attr = 11,
                                .max_attr = 11,
                                .n_out = 2,
                                .keeps = CD_KEEP_OUT(1),
                                .shape = pool_shape,
                                .forward = pool_forward,
                                .backward = pool_backward};

const cd_op cd_op_adaptive_max_pool2d = {.name = "adaptive_max_pool2d",
                                         .backward_name = "AdaptiveMaxPool2DBackward0",
                                         .min_in = 1,
                                         .max_in = 1,
                                         .min_attr = 2,
                                         .max_attr = 2,
                                         .n_out = 2,
                                         .keeps = CD_KEEP_OUT(1),
                                         .shape = pool_shape,
                                         .forward = pool_forward,
                                         .backward = pool_backward};

const cd_op cd_op_avg_pool2d = {.name = "avg_pool2d",
                                .backward_name = "AvgPool2DBackward0",
                                .min_in = 1,
                                .max_in = 1,
                                .min_attr = 11,
                                .max_attr = 11,
                                .n_out = 1,
                                .shape = pool_shape,
                                .forward = pool_forward,
                                .backward = pool_backward};

const cd_op cd_op_adaptive_avg_pool2d = {.name = "adaptive_avg_pool2d",
                                         .backward_name = "AdaptiveAvgPool2DBackward0",
                                         .min_in = 1,
                                         .max_in = 1,
                                         .min_attr = 2,
                                         .max_attr = 2,
                                         .n_out = 1,
                                         .shape = pool_shape,
                                         .forward = pool_forward,
                                         .backward = pool_backward};
