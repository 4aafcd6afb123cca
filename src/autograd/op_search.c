/* Places in sorted sequences, cumulated extremes and sums of exponentials, and operations on the bits of
 * integers. */
#include <string.h>

#include "autograd/compute.h"
#include "autograd/shapes.h"
#include "kernels/search.h"
#include "tensor/copy.h"
#include "tensor/iterate.h"

/* ---- searchsorted: sequence, values; attribute right. The sequence has one dimension, or those of the values before
 * its last one ---- */

static cd_status searchsorted_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *sequence = call->in[0], *value = call->in[1];
    bool fits = sequence->ndim == 1 || (sequence->ndim == value->ndim && sequence->ndim > 0);
    for (int d = 0; fits && sequence->ndim > 1 && d < sequence->ndim - 1; d++) {
        fits = sequence->shape[d] == value->shape[d];
    }
    if (!fits) {
        char a[CD_SHAPE_TEXT], b[CD_SHAPE_TEXT];
        return cd_fail(
            err, CD_ESHAPE,
            "searchsorted: the sequence %s must have one dimension, or those of the values %s but for the "
            "last.",
            cd_shape_text(a, sequence->ndim, sequence->shape), cd_shape_text(b, value->ndim, value->shape));
    }
    return cd_out(call, 0, CD_INT64, value->ndim, value->shape, CD_CONTIGUOUS, err);
}

static cd_status searchsorted_forward(cd_call *call, cd_error *err)
{
    cd_tensor *sequence = NULL, *value = NULL;
    cd_status status = cd_tensor_as(&sequence, call->in[0], CD_FLOAT64, CD_CONTIGUOUS, err);
    if (status == CD_OK) {
        status = cd_tensor_as(&value, call->in[1], CD_FLOAT64, CD_CONTIGUOUS, err);
    }
    if (status == CD_OK) {
        const int64_t values = cd_tensor_numel(value);
        const int64_t last = value->ndim > 0 ? value->shape[value->ndim - 1] : 1;
        const cdk_search s = {.n = sequence->shape[sequence->ndim - 1],
                              .values = values,
                              .per_sequence = sequence->ndim == 1 || last == 0 ? values + 1 : last,
                              .right = call->attr[0] != 0};
        cdk_searchsorted(cd_tensor_data(call->out[0]), cd_tensor_data(sequence), cd_tensor_data(value), &s);
    }
    cd_tensor_release(sequence);
    cd_tensor_release(value);
    return status;
}

const cd_op cd_op_searchsorted = {.name = "searchsorted",
                                  .min_in = 2,
                                  .max_in = 2,
                                  .min_attr = 1,
                                  .max_attr = 1,
                                  .n_out = 1,
                                  .shape = searchsorted_shape,
                                  .forward = searchsorted_forward};

/* ---- cumulated_extreme: attributes dim, whether the smallest; gives positions ---- */

static cd_status cumulated_extreme_shape(cd_call *call, cd_error *err)
{
    cd_along a;
    CD_TRY(cd_find_along(&a, call->in[0], cd_int_attr(call->attr, 0), err));
    return cd_out(call, 0, CD_INT64, call->in[0]->ndim, call->in[0]->shape, CD_CONTIGUOUS, err);
}

static cd_status cumulated_extreme_forward(cd_call *call, cd_error *err)
{
    cd_along a;
    cd_tensor *x;
    CD_TRY(cd_find_along(&a, call->in[0], cd_int_attr(call->attr, 0), err));
    CD_TRY(cd_tensor_as(&x, call->in[0], CD_FLOAT64, CD_CONTIGUOUS, err));
    cdk_cumulated_extreme(cd_tensor_data(call->out[0]), call->attr[1] != 0, cd_tensor_data(x),
                          (cdk_middle){a.outer, a.n, a.inner});
    cd_tensor_release(x);
    return CD_OK;
}

const cd_op cd_op_cumulated_extreme = {.name = "cumulated_extreme",
                                       .min_in = 1,
                                       .max_in = 1,
                                       .min_attr = 2,
                                       .max_attr = 2,
                                       .n_out = 1,
                                       .shape = cumulated_extreme_shape,
                                       .forward = cumulated_extreme_forward};

/* ---- logcumsumexp: attribute dim ---- */

static cd_status logcumsumexp_shape(cd_call *call, cd_error *err)
{
    cd_along a;
    CD_TRY(cd_check_float(call->in[0], "logcumsumexp", err));
    CD_TRY(cd_find_along(&a, call->in[0], cd_int_attr(call->attr, 0), err));
    return cd_out(call, 0, call->in[0]->dtype, call->in[0]->ndim, call->in[0]->shape, CD_CONTIGUOUS, err);
}

static cd_status logcumsumexp_forward(cd_call *call, cd_error *err)
{
    cd_along a;
    cd_tensor *x = NULL, *y = NULL;
    CD_TRY(cd_find_along(&a, call->in[0], cd_int_attr(call->attr, 0), err));
    cd_status status = cd_tensor_as(&x, call->in[0], CD_FLOAT64, CD_CONTIGUOUS, err);
    if (status == CD_OK) {
        status = cd_tensor_new(&y, CD_FLOAT64, x->ndim, x->shape, CD_CONTIGUOUS, err);
    }
    if (status == CD_OK) {
        cdk_logcumsumexp(cd_tensor_data(y), cd_tensor_data(x), (cdk_middle){a.outer, a.n, a.inner});
        status = cd_tensor_copy(call->out[0], y, err);
    }
    cd_tensor_release(x);
    cd_tensor_release(y);
    return status;
}

static cd_status logcumsumexp_backward(cd_gradient *g, cd_error *err)
{
    cd_along a;
    cd_tensor *part[3] = {NULL, NULL, NULL}, *from[3] = {g->dy[0], g->in[0], g->out[0]}, *dx = NULL;
    CD_TRY(cd_find_along(&a, g->in[0], cd_int_attr(g->attr, 0), err));
    cd_status status = CD_OK;
    for (int i = 0; i < 3 && status == CD_OK; i++) {
        status = cd_tensor_as(&part[i], from[i], CD_FLOAT64, CD_CONTIGUOUS, err);
    }
    if (status == CD_OK) {
        status = cd_tensor_new(&dx, CD_FLOAT64, g->in[0]->ndim, g->in[0]->shape, CD_CONTIGUOUS, err);
    }
    if (status == CD_OK) {
        cdk_logcumsumexp_gradient(cd_tensor_data(dx), cd_tensor_data(part[0]), cd_tensor_data(part[1]),
                                  cd_tensor_data(part[2]), (cdk_middle){a.outer, a.n, a.inner});
        status = cd_tensor_as(&g->dx[0], dx, g->in[0]->dtype, CD_CONTIGUOUS, err);
    }
    for (int i = 0; i < 3; i++) {
        cd_tensor_release(part[i]);
    }
    cd_tensor_release(dx);
    return status;
}

const cd_op cd_op_logcumsumexp = {.name = "logcumsumexp",
                                  .backward_name = "LogcumsumexpBackward0",
                                  .min_in = 1,
                                  .max_in = 1,
                                  .min_attr = 1,
                                  .max_attr = 1,
                                  .n_out = 1,
                                  .keeps = CD_KEEP_IN(0) | CD_KEEP_OUT(0),
                                  .shape = logcumsumexp_shape,
                                  .forward = logcumsumexp_forward,
                                  .backward = logcumsumexp_backward};

/* ---- integers: a op b, broadcast, in the type they have together ---- */

static cd_status integers_shape(cd_call *call, cd_error *err)
{
    const cd_dtype dtype = cd_promote(2, call->in);
    if (cd_dtype_is_float(dtype)) {
        return cd_fail(err, CD_EDTYPE, "%s works on integers and bools, got %s.", call->op->name,
                       cd_dtype_name(dtype));
    }
    return cd_out_broadcast(call, dtype, err);
}

static void integers_body(const void *context, char *const *data, const int64_t *stride, int64_t n)
{
    cdk_integers((int64_t *)(void *)data[0], *(const cdk_integer_op *)context,
                 (const int64_t *)(void *)data[1], (const int64_t *)(void *)data[2], stride, n);
}

static cd_status integers_forward(cd_call *call, cdk_integer_op op, cd_error *err)
{
    cd_tensor *operand[3] = {NULL, NULL, NULL}, *out = call->out[0];
    cd_status status = cd_tensor_new(&operand[0], CD_INT64, out->ndim, out->shape, CD_CONTIGUOUS, err);
    for (int i = 0; i < 2 && status == CD_OK; i++) {
        status = cd_tensor_as(&operand[i + 1], call->in[i], CD_INT64, CD_CONTIGUOUS, err);
    }
    if (status == CD_OK) {
        status = cd_iterate(3, operand, integers_body, &op, err);
    }
    if (status == CD_OK) {
        status = cd_tensor_copy(out, operand[0], err);
    }
    for (int i = 0; i < 3; i++) {
        cd_tensor_release(operand[i]);
    }
    return status;
}

#define INTEGERS(id, kernel)                                    \
    static cd_status id##_forward(cd_call *call, cd_error *err) \
    {                                                           \
        return integers_forward(call, kernel, err);             \
    }                                                           \
    const cd_op cd_op_##id = {.name = #id,                      \
                              .min_in = 2,                      \
                              .max_in = 2,                      \
                              .n_out = 1,                       \
                              .traits = CD_NUMBERS,             \
                              .shape = integers_shape,          \
                              .forward = id##_forward}

INTEGERS(bitwise_and, CDK_BIT_AND);
INTEGERS(bitwise_or, CDK_BIT_OR);
INTEGERS(bitwise_xor, CDK_BIT_XOR);
INTEGERS(shift_left, CDK_SHIFT_LEFT);
INTEGERS(shift_right, CDK_SHIFT_RIGHT);
INTEGERS(gcd, CDK_GCD);
