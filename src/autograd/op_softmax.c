/* softmax, log_softmax along a dimension; cross_entropy and nll_loss of classes. */
#include "autograd/classes.h"
#include "autograd/dense.h"
#include "autograd/expression.h"
#include "kernels/loss.h"
#include "kernels/scale.h"
#include "kernels/softmax.h"
#include "tensor/elements.h"

static cd_layout layout_for(const cd_tensor *t, int dim)
{
    return dim == 1 ? cd_tensor_preferred_layout(t) : CD_CONTIGUOUS;
}

static cd_status softmax_shape(cd_call *call, cd_error *err)
{
    int dim;
    const cd_tensor *x = call->in[0];
    CD_TRY(cd_check_float(x, call->op->name, err));
    CD_TRY(cd_tensor_dim(&dim, x, cd_int_attr(call->attr, 0), err));
    return cd_out(call, 0, x->dtype, x->ndim, x->shape, layout_for(x, dim), err);
}

static cd_status softmax_run(cd_call *call, bool logarithm, cd_error *err)
{
    int dim;
    cd_tensor *x, *y = call->out[0];
    CD_TRY(cd_tensor_dim(&dim, y, cd_int_attr(call->attr, 0), err));
    if (cd_tensor_numel(y) == 0) {
        return CD_OK;
    }
    CD_TRY(cd_dense_like(&x, call->in[0], y, err));
    cdk_vectors v = cd_vectors_of(y, dim);
    cd_status status = cdk_softmax[y->dtype](cd_tensor_data(y), cd_tensor_data(x), v, logarithm, err);
    cd_tensor_release(x);
    return status;
}

static cd_status softmax_gradient(cd_gradient *g, bool logarithm, cd_error *err)
{
    int dim;
    cd_tensor *dy, *y = g->out[0];
    CD_TRY(cd_tensor_dim(&dim, y, cd_int_attr(g->attr, 0), err));
    CD_TRY(cd_new_like(&g->dx[0], y, err));
    if (cd_tensor_numel(y) == 0) {
        return CD_OK;
    }
    CD_TRY(cd_dense_like(&dy, g->dy[0], y, err));
    cdk_vectors v = cd_vectors_of(y, dim);
    void *dx = cd_tensor_data(g->dx[0]);
    cd_status status =
        cdk_softmax_gradient[y->dtype](dx, cd_tensor_data(dy), cd_tensor_data(y), v, logarithm, err);
    cd_tensor_release(dy);
    return status;
}

static cd_status softmax_forward(cd_call *call, cd_error *err)
{
    return softmax_run(call, false, err);
}

static cd_status softmax_backward(cd_gradient *g, cd_error *err)
{
    return softmax_gradient(g, false, err);
}

static cd_status log_softmax_forward(cd_call *call, cd_error *err)
{
    return softmax_run(call, true, err);
}

static cd_status log_softmax_backward(cd_gradient *g, cd_error *err)
{
    return softmax_gradient(g, true, err);
}

/* dx = y (dy - sum(dy y)) */
static cd_status softmax_second(cd_gradient *g, cd_error *err)
{
    int dim;
    cd_tensor *y = g->out[0], *dy = g->dy[0];
    CD_TRY(cd_tensor_dim(&dim, y, cd_int_attr(g->attr, 0), err));
    cd_expr e = cd_expr_begin(err);
    cd_tensor *sum = cd_expr_along(&e, CD_OP_sum, cd_expr_mul(&e, dy, y), dim);
    cd_expr_give(&e, g, 0, cd_expr_mul(&e, y, cd_expr_sub(&e, dy, sum)));
    return cd_expr_end(&e);
}

/* dx = dy - exp(y) sum(dy) */
static cd_status log_softmax_second(cd_gradient *g, cd_error *err)
{
    int dim;
    cd_tensor *y = g->out[0], *dy = g->dy[0];
    CD_TRY(cd_tensor_dim(&dim, y, cd_int_attr(g->attr, 0), err));
    cd_expr e = cd_expr_begin(err);
    cd_tensor *sum = cd_expr_along(&e, CD_OP_sum, dy, dim);
    cd_expr_give(&e, g, 0, cd_expr_sub(&e, dy, cd_expr_mul(&e, cd_expr1(&e, CD_OP_exp, y), sum)));
    return cd_expr_end(&e);
}

const cd_op cd_op_softmax = {.name = "softmax",
                             .backward_name = "SoftmaxBackward0",
                             .min_in = 1,
                             .max_in = 1,
                             .min_attr = 1,
                             .max_attr = 1,
                             .n_out = 1,
                             .keeps = CD_KEEP_OUT(0),
                             .shape = softmax_shape,
                             .forward = softmax_forward,
                             .backward = softmax_backward,
                             .second = softmax_second};

const cd_op cd_op_log_softmax = {.name = "log_softmax",
                                 .backward_name = "LogSoftmaxBackward0",
                                 .min_in = 1,
                                 .max_in = 1,
                                 .min_attr = 1,
                                 .max_attr = 1,
                                 .n_out = 1,
                                 .keeps = CD_KEEP_OUT(0),
                                 .shape = softmax_shape,
                                 .forward = log_softmax_forward,
                                 .backward = log_softmax_backward,
                                 .second = log_softmax_second};

/* Class losses. inputs: x (N x C x ..., or C), target (the shape of x without C; 1 .. C), weight (C) or
 * absent. */

enum { IGNORE, REDUCTION, SMOOTHING, IS_LOG };
enum { REDUCE_NONE, REDUCE_MEAN, REDUCE_SUM };
enum { INPUT, TARGET, CLASS_WEIGHT };

static cd_status class_loss_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[INPUT], *target = call->in[TARGET];
    int64_t shape[CD_MAX_DIMS];
    CD_TRY(cd_check_float(x, "cross entropy", err));
    if (x->ndim < 1) {
        return cd_fail(err, CD_ESHAPE, "cross entropy: the input must have at least one dimension.");
    }
    CD_TRY(cd_check_class_target(shape, x, target, "cross entropy", err));
    const cd_tensor *weight = call->n_in > CLASS_WEIGHT ? call->in[CLASS_WEIGHT] : NULL;
    int64_t C = x->shape[cd_class_dim(x)];
    if (weight != NULL && cd_tensor_numel(weight) != C) {
        return cd_fail(err, CD_ESHAPE,
                       "cross entropy: weight must have %lld elements, one for each class, got %lld.",
                       (long long)C, (long long)cd_tensor_numel(weight));
    }
    bool whole = cd_int_attr(call->attr, REDUCTION) == REDUCE_NONE;
    return cd_out(call, 0, x->dtype, whole ? target->ndim : 0, shape, CD_CONTIGUOUS, err);
}

typedef struct {
    cd_tensor *x, *target, *weight;
} class_tensors;

static void class_tensors_clear(class_tensors *t)
{
    cd_tensor_release(t->x);
    cd_tensor_release(t->target);
    cd_tensor_release(t->weight);
}

static cd_status class_tensors_of(class_tensors *t, cd_call *call, cd_error *err)
{
    cd_tensor *x = call->in[INPUT], *target = call->in[TARGET];
    CD_TRY(cd_tensor_as(&t->x, x, x->dtype, cd_tensor_preferred_layout(x), err));
    CD_TRY(cd_tensor_as(&t->target, target, CD_INT64, CD_CONTIGUOUS, err));
    if (call->n_in > CLASS_WEIGHT && call->in[CLASS_WEIGHT] != NULL) {
        CD_TRY(cd_tensor_as(&t->weight, call->in[CLASS_WEIGHT], CD_FLOAT64, CD_CONTIGUOUS, err));
    }
    if (call->differentiable) {
        CD_TRY(cd_new_like(&call->saved[0], t->x, err));
    }
    return CD_OK;
}

static cd_status run_class_loss(cd_call *call, const class_tensors *t, double *total,
                                cdk_cross_entropy_options *options, cd_error *err)
{
    cdk_vectors v = cd_vectors_of(t->x, cd_class_dim(t->x));
    void *dx = call->saved[0] != NULL ? cd_tensor_data(call->saved[0]) : NULL;
    void *losses = cd_int_attr(call->attr, REDUCTION) == REDUCE_NONE ? cd_tensor_data(call->out[0]) : NULL;
    return cdk_cross_entropy[t->x->dtype](total, losses, dx, cd_tensor_data(t->x), v, options, err);
}

static cd_status class_loss_dense(cd_call *call, const class_tensors *t, cd_error *err)
{
    double weights, total = 0;
    const double *weight = t->weight != NULL ? cd_tensor_data(t->weight) : NULL;
    const int64_t *target = cd_tensor_data(t->target);
    int64_t reduction = cd_int_attr(call->attr, REDUCTION), ignore = cd_int_attr(call->attr, IGNORE);
    cdk_classes classes = {
        target, weight, cd_tensor_numel(t->target), t->x->shape[cd_class_dim(t->x)], ignore, "cross entropy"};
    CD_TRY(cdk_classes_weight(&weights, &classes, err));
    double scale = reduction == REDUCE_MEAN ? 1 / weights : 1;
    cdk_cross_entropy_options options = {
        target, weight, ignore, call->attr[SMOOTHING], scale, call->attr[IS_LOG] != 0};
    if (cd_tensor_numel(t->x) > 0) {
        CD_TRY(run_class_loss(call, t, &total, &options, err));
    }
    return reduction == REDUCE_NONE
               ? CD_OK
               : cd_tensor_fill(call->out[0], reduction == REDUCE_MEAN ? total / weights : total, err);
}

static cd_status class_loss_forward(cd_call *call, cd_error *err)
{
    class_tensors t = {0};
    cd_status status = class_tensors_of(&t, call, err);
    if (status == CD_OK) {
        status = class_loss_dense(call, &t, err);
    }
    class_tensors_clear(&t);
    return status;
}

static bool is_one(const cd_tensor *dy)
{
    return dy->ndim == 0 && cd_tensor_get(dy, 0) == 1;
}

/* dx = saved * dy, which is one number or has one for each vector of classes. */
static cd_status class_loss_backward(cd_gradient *g, cd_error *err)
{
    cd_tensor *dy;
    const cd_tensor *saved = g->saved[0];
    if (is_one(g->dy[0])) {
        g->dx[INPUT] = cd_tensor_retain(g->saved[0]);
        return CD_OK;
    }
    CD_TRY(cd_tensor_as(&dy, g->dy[0], saved->dtype, CD_CONTIGUOUS, err));
    cd_status status = cd_new_like(&g->dx[INPUT], saved, err);
    if (status == CD_OK) {
        void *dx = cd_tensor_data(g->dx[INPUT]);
        cdk_vectors v = cd_vectors_of(saved, cd_class_dim(saved));
        if (dy->ndim == 0) {
            cdk_scale[saved->dtype](dx, cd_tensor_data(saved), cd_tensor_get(dy, 0), cd_tensor_numel(saved));
        } else {
            cdk_scale_vectors[saved->dtype](dx, cd_tensor_data(saved), cd_tensor_data(dy), v.outer, v.D,
                                            v.inner);
        }
    }
    cd_tensor_release(dy);
    return status;
}

/* What the loss of log-probabilities has for its gradient, -m, with m the factors of the loss -sum(m
 * log(p)). */
static cd_tensor *loss_factors(cd_expr *e, const cd_gradient *g)
{
    double attr[4] = {g->attr[IGNORE], g->attr[REDUCTION], g->attr[SMOOTHING], 1};
    cd_call call = {
        .op = g->op, .n_in = g->n_in, .in = g->in, .n_attr = 4, .attr = attr, .differentiable = true};
    cd_runner recorder = cd_set_runner(NULL);
    e->status = cd_call_run(&call, NULL, e->err);
    cd_set_runner(recorder);
    cd_tensor *minus_m = e->status == CD_OK ? cd_expr_hold(e, cd_tensor_retain(call.saved[0])) : NULL;
    cd_call_clear(&call);
    return minus_m;
}

/* dx = dy (softmax(x) sum(m) - m), and -dy m where x are log-probabilities. */
static cd_status class_loss_second(cd_gradient *g, cd_error *err)
{
    cd_tensor *x = g->in[INPUT], *dy = g->dy[0];
    cd_expr e = cd_expr_begin(err);
    cd_tensor *slope = loss_factors(&e, g);
    const int dim = cd_class_dim(x);
    if (g->attr[IS_LOG] == 0) {
        const double at = dim;
        cd_tensor *minus_sum = cd_expr_along(&e, CD_OP_sum, slope, dim);
        cd_tensor *p = cd_expr_op(&e, CD_OP_softmax, 1, &x, 1, &at);
        slope = cd_expr_sub(&e, slope, cd_expr_mul(&e, p, minus_sum));
    }
    if (e.status == CD_OK && dy->ndim > 0) {
        int64_t shape[CD_MAX_DIMS];
        for (int d = 0; d < x->ndim; d++) {
            shape[d] = d == dim ? 1 : x->shape[d];
        }
        dy = cd_expr_reshape(&e, dy, x->ndim, shape);
    }
    cd_expr_give(&e, g, INPUT, cd_expr_mul(&e, slope, dy));
    return cd_expr_end(&e);
}

const cd_op cd_op_cross_entropy = {.name = "cross_entropy",
                                   .backward_name = "NllLossBackward0",
                                   .min_in = 2,
                                   .max_in = 3,
                                   .min_attr = 4,
                                   .max_attr = 4,
                                   .n_out = 1,
                                   .keeps = CD_KEEP_IN(INPUT) | CD_KEEP_IN(TARGET) | CD_KEEP_IN(CLASS_WEIGHT),
                                   .shape = class_loss_shape,
                                   .forward = class_loss_forward,
                                   .backward = class_loss_backward,
                                   .second = class_loss_second};
