/* Mean squared error: the mean (or sum) of d^2, d = input - target. The differences are kept for backward. */
#include "autograd/dense.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "tensor/elements.h"

enum { REDUCTION };
enum { REDUCE_MEAN = 1, REDUCE_SUM };
enum { INPUT, TARGET };

/* Sums are taken in pieces of this size, so that they do not depend on the number of threads. */
#define PIECE 16384

static cd_status mse_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[INPUT], *target = call->in[TARGET];
    bool is_double = x->dtype == CD_FLOAT64 || target->dtype == CD_FLOAT64;
    if (!cd_dtype_is_float(x->dtype) && !cd_dtype_is_float(target->dtype)) {
        return cd_fail(err, CD_EDTYPE, "mse_loss: expected float tensors, got %s.", cd_dtype_name(x->dtype));
    }
    if (!cd_tensor_same_shape(x, target)) {
        char have[CD_SHAPE_TEXT], want[CD_SHAPE_TEXT];
        return cd_fail(err, CD_ESHAPE, "mse_loss: the target has size %s, the input %s.",
                       cd_shape_text(have, target->ndim, target->shape),
                       cd_shape_text(want, x->ndim, x->shape));
    }
    return cd_out(call, 0, is_double ? CD_FLOAT64 : CD_FLOAT32, 0, NULL, CD_CONTIGUOUS, err);
}

typedef struct {
    const void *x, *target;
    void *d;         /* NULL: not kept */
    double *partial; /* per piece, the sum of squares */
    int64_t n;
} difference_task;

#define DEFINE_DIFFERENCES(name, T)                                         \
    static void name(void *context, int64_t begin, int64_t end, int thread) \
    {                                                                       \
        const difference_task *t = context;                                 \
        const T *x = t->x, *target = t->target;                             \
        T *kept = t->d;                                                     \
        (void)thread;                                                       \
        for (int64_t p = begin; p < end; p++) {                             \
            int64_t last = (p + 1) * PIECE < t->n ? (p + 1) * PIECE : t->n; \
            double sum = 0;                                                 \
            for (int64_t i = p * PIECE; i < last; i++) {                    \
                const T d = x[i] - target[i];                               \
                sum += (double)d * d;                                       \
            }                                                               \
            for (int64_t i = p * PIECE; i < last && kept != NULL; i++) {    \
                kept[i] = x[i] - target[i];                                 \
            }                                                               \
            t->partial[p] = sum;                                            \
        }                                                                   \
    }
DEFINE_DIFFERENCES(differences_f32, float)
DEFINE_DIFFERENCES(differences_f64, double)

static cd_status sum_of_squares(double *sum, cd_tensor *kept, const cd_tensor *x, const cd_tensor *target,
                                cd_error *err)
{
    int64_t n = cd_tensor_numel(x), pieces = (n + PIECE - 1) / PIECE;
    void *partial;
    CD_TRY(cd_memory_alloc(&partial, (size_t)pieces * sizeof(double), err));
    difference_task t = {.x = cd_tensor_data(x),
                         .target = cd_tensor_data(target),
                         .d = kept != NULL ? cd_tensor_data(kept) : NULL,
                         .partial = partial,
                         .n = n};
    cd_parallel_for(pieces, 2, x->dtype == CD_FLOAT32 ? differences_f32 : differences_f64, &t);
    *sum = 0;
    for (int64_t p = 0; p < pieces; p++) {
        *sum += t.partial[p];
    }
    cd_memory_free(partial);
    return CD_OK;
}

static cd_status mse_run(cd_call *call, const cd_tensor *x, cd_tensor *given, cd_error *err)
{
    double sum;
    cd_tensor *target;
    bool mean = cd_int_attr(call->attr, REDUCTION) == REDUCE_MEAN;
    if (call->differentiable) {
        CD_TRY(cd_new_like(&call->saved[0], x, err));
    }
    CD_TRY(cd_dense_like(&target, given, x, err));
    cd_status status = sum_of_squares(&sum, call->saved[0], x, target, err);
    cd_tensor_release(target);
    CD_TRY(status);
    return cd_tensor_fill(call->out[0], mean ? sum / (double)cd_tensor_numel(x) : sum, err);
}

static cd_status mse_forward(cd_call *call, cd_error *err)
{
    cd_tensor *x;
    CD_TRY(cd_tensor_as(&x, call->in[INPUT], call->out[0]->dtype, cd_tensor_preferred_layout(call->in[INPUT]),
                        err));
    cd_status status = mse_run(call, x, call->in[TARGET], err);
    cd_tensor_release(x);
    return status;
}

typedef struct {
    void *dx;
    const void *d;
    double factor;
} scale_task;

#define DEFINE_SCALE(name, T)                                               \
    static void name(void *context, int64_t begin, int64_t end, int thread) \
    {                                                                       \
        const scale_task *t = context;                                      \
        const T *d = t->d, factor = (T)t->factor;                           \
        T *dx = t->dx;                                                      \
        (void)thread;                                                       \
        for (int64_t i = begin; i < end; i++) {                             \
            dx[i] = factor * d[i];                                          \
        }                                                                   \
    }
DEFINE_SCALE(scale_f32, float)
DEFINE_SCALE(scale_f64, double)

static cd_status scaled(cd_tensor **dx, const cd_tensor *d, double factor, cd_dtype dtype, cd_error *err)
{
    cd_tensor *product;
    CD_TRY(cd_new_like(&product, d, err));
    scale_task t = {cd_tensor_data(product), cd_tensor_data(d), factor};
    cd_parallel_for(cd_tensor_numel(d), 2 * PIECE, d->dtype == CD_FLOAT32 ? scale_f32 : scale_f64, &t);
    cd_status status = cd_tensor_as(dx, product, dtype, cd_dense_layout(product), err);
    cd_tensor_release(product);
    return status;
}

static cd_status mse_backward(cd_gradient *g, cd_error *err)
{
    const cd_tensor *d = g->saved[0];
    double factor = 2 * cd_tensor_get(g->dy[0], 0);
    if (cd_int_attr(g->attr, REDUCTION) == REDUCE_MEAN) {
        factor /= (double)cd_tensor_numel(d);
    }
    for (int i = INPUT; i <= TARGET; i++) {
        if (g->wants[i]) {
            CD_TRY(scaled(&g->dx[i], d, i == INPUT ? factor : -factor, g->in[i]->dtype, err));
        }
    }
    return CD_OK;
}

const cd_op cd_op_mse_loss = {.name = "mse_loss",
                              .backward_name = "MseLossBackward0",
                              .min_in = 2,
                              .max_in = 2,
                              .n_out = 1,
                              .shape = mse_shape,
                              .forward = mse_forward,
                              .backward = mse_backward};
