/* Activations: y = f(x), element by element, in the memory order of x. */
#include <math.h>

#include "autograd/dense.h"
#include "autograd/pointwise.h"
#include "autograd/positions.h"
#include "autograd/second.h"
#include "base/parallel.h"
#include "kernels/activation.h"
#include "kernels/mask.h"
#include "tensor/iterate.h"

/* Parameters of a function: 0 where it has fewer. */
enum { FIRST, SECOND };

static double parameter(int n_attr, const double *attr, int i)
{
    return i < n_attr ? attr[i] : 0;
}

static cd_status activation_shape(cd_call *call, cd_error *err)
{
    CD_TRY(cd_check_float(call->in[0], call->op->name, err));
    return cd_out_like(call, 0, call->in[0], err);
}

static cd_status activation_forward(cd_call *call, cdk_activation_function f, cd_error *err)
{
    cd_tensor *y = call->out[0];
    return cd_formula_into(y, cdk_activation_for(f, y->dtype), call->in[0],
                           parameter(call->n_attr, call->attr, FIRST),
                           parameter(call->n_attr, call->attr, SECOND), err);
}

static cd_status activation_backward(cd_gradient *g, cdk_activation_function f, cd_error *err)
{
    return cd_formula_gradient(g, cdk_activation_gradient_for(f, g->in[0]->dtype), g->in[0],
                               parameter(g->n_attr, g->attr, FIRST), parameter(g->n_attr, g->attr, SECOND),
                               err);
}

/* Rectifiers keep one bit per element: whether the gradient passes. */

static cd_status save_mask(cd_call *call, double high, cd_error *err)
{
    int64_t bytes = cdk_mask_bytes(cd_tensor_numel(call->out[0]));
    cd_tensor **mask = &call->saved[CD_RECTIFIER_MASK];
    CD_TRY(cd_tensor_new(mask, CD_UINT8, 1, &bytes, CD_CONTIGUOUS, err));
    cd_dense_mask(cd_tensor_data(*mask), call->out[0], high);
    return CD_OK;
}

/* y and its mask in one pass over memory: a block of x is still in the cache when it is read again. */
typedef struct {
    cdk_formula *formula;
    float *y;
    const float *x;
    uint8_t *mask;
    int64_t n;
    float high;
} rectifier_work;

enum { BLOCK_BYTES = 256, RECTIFIER_GRAIN = 4096 }; /* of the mask: eight elements each */

static void rectify_range(void *context, int64_t begin, int64_t end, int thread)
{
    const rectifier_work *w = context;
    (void)thread;
    for (int64_t b = begin; b < end; b += BLOCK_BYTES) {
        const int64_t last = b + BLOCK_BYTES < end ? b + BLOCK_BYTES : end;
        const int64_t n = (8 * last < w->n ? 8 * last : w->n) - 8 * b;
        cdk_mask_run(w->mask + b, w->x + 8 * b, n, w->high);
        w->formula(&(cdk_run){.y = w->y + 8 * b, .x = w->x + 8 * b, .sy = 1, .sx = 1}, n);
    }
}

static cd_status rectify_with_mask(cd_call *call, cdk_activation_function f, double high, cd_error *err)
{
    const int64_t n = cd_tensor_numel(call->out[0]), bytes = cdk_mask_bytes(n);
    cd_tensor **mask = &call->saved[CD_RECTIFIER_MASK];
    CD_TRY(cd_tensor_new(mask, CD_UINT8, 1, &bytes, CD_CONTIGUOUS, err));
    rectifier_work w = {.formula = cdk_activation_for(f, CD_FLOAT32), .n = n, .high = (float)high};
    w.y = cd_tensor_data(call->out[0]);
    w.x = cd_tensor_data(call->in[0]);
    w.mask = cd_tensor_data(*mask);
    cd_parallel_for(bytes, RECTIFIER_GRAIN, rectify_range, &w);
    return CD_OK;
}

/* Elements of both follow each other in memory in the same order. */
static bool lie_alike(const cd_tensor *x, const cd_tensor *y)
{
    return x->dtype == y->dtype && cd_tensor_same_strides(x, y) && cd_tensor_is_dense(x);
}

static cd_status rectifier_forward(cd_call *call, cdk_activation_function f, double high, cd_error *err)
{
    const cd_tensor *y = call->out[0];
    if (call->differentiable && y->dtype == CD_FLOAT32 && lie_alike(call->in[0], y)) {
        return rectify_with_mask(call, f, high, err);
    }
    CD_TRY(activation_forward(call, f, err));
    return call->differentiable ? save_mask(call, high, err) : CD_OK;
}

/* A gradient in another memory order than the mask's, a run at a time. */
typedef struct {
    const uint8_t *mask;
    const char *dx;
    cd_dtype dtype;
} mask_context;

static void mask_body(const void *context, char *const *data, const int64_t *stride, int64_t n)
{
    const mask_context *c = context;
    const int64_t at = (data[0] - c->dx) / (int64_t)cd_dtype_size(c->dtype);
    cdk_mask_gradient_strided[c->dtype](data[0], data[1], stride[1], c->mask, at, n);
}

static cd_status rectifier_backward(cd_gradient *g, cd_error *err)
{
    const uint8_t *mask = cd_tensor_data(g->saved[CD_RECTIFIER_MASK]);
    cd_tensor *dy = g->dy[0];
    CD_TRY(cd_gradient_target(g, g->out[0], err));
    cd_tensor *operands[2] = {g->dx[0], dy};
    void *dx = cd_tensor_data(g->dx[0]);
    if (cd_tensor_same_strides(dy, g->dx[0]) && dy->dtype == g->dx[0]->dtype) {
        cdk_mask_gradient[dy->dtype](dx, cd_tensor_data(dy), mask, cd_tensor_numel(dy));
        return CD_OK;
    }
    CD_TRY(cd_tensor_as_dtype(&operands[1], dy, g->dx[0]->dtype, err));
    const mask_context context = {mask, dx, g->dx[0]->dtype};
    cd_status status = cd_iterate(2, operands, mask_body, &context, err);
    cd_tensor_release(operands[1]);
    return status;
}

#define RECTIFY(id, function, high, backward_text)                \
    static cd_status id##_forward(cd_call *call, cd_error *err)   \
    {                                                             \
        return rectifier_forward(call, function, high, err);      \
    }                                                             \
    const cd_op cd_op_##id = {.name = #id,                        \
                              .backward_name = backward_text,     \
                              .min_in = 1,                        \
                              .max_in = 1,                        \
                              .n_out = 1,                         \
                              .traits = CD_POINTWISE | CD_SCALES, \
                              .shape = activation_shape,          \
                              .forward = id##_forward,            \
                              .backward = rectifier_backward};

RECTIFY(relu, CDK_FUNCTION_relu, INFINITY, "ReluBackward0")
RECTIFY(relu6, CDK_FUNCTION_relu6, 6, "HardtanhBackward0")

/* The others, from their lines in kernels/activation.def. */
#define RECTIFIER(id, node, y)
#define ACTIVATION(id, node, y, dx)                               \
    static cd_status id##_forward(cd_call *call, cd_error *err)   \
    {                                                             \
        return activation_forward(call, CDK_FUNCTION_##id, err);  \
    }                                                             \
    static cd_status id##_backward(cd_gradient *g, cd_error *err) \
    {                                                             \
        return activation_backward(g, CDK_FUNCTION_##id, err);    \
    }                                                             \
    const cd_op cd_op_##id = {.name = #id,                        \
                              .backward_name = node,              \
                              .min_in = 1,                        \
                              .max_in = 1,                        \
                              .max_attr = SECOND + 1,             \
                              .n_out = 1,                         \
                              .keeps = CD_KEEP_IN(0),             \
                              .traits = CD_POINTWISE,             \
                              .shape = activation_shape,          \
                              .forward = id##_forward,            \
                              .backward = id##_backward,          \
                              .second = cd_second_by_slope};
#include "kernels/activation.def"
