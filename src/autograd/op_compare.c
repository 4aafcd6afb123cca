/* Comparisons and logic: y = a op b, broadcast, bool; tests of single elements. No gradients. */
#include <math.h>

#include "autograd/compute.h"
#include "autograd/pointwise.h"
#include "autograd/shapes.h"
#include "tensor/copy.h"

static cd_status bool_shape(cd_call *call, cd_error *err)
{
    return cd_out_broadcast(call, CD_BOOL, err);
}

#define COMPARISON(id, kernel)                                                                              \
    static cd_status id##_forward(cd_call *call, cd_error *err)                                             \
    {                                                                                                       \
        return cd_binary_into(call->out[0], kernel, call->in[0], call->in[1], cd_promote(2, call->in), #id, \
                              err);                                                                         \
    }                                                                                                       \
    const cd_op cd_op_##id = {.name = #id,                                                                  \
                              .min_in = 2,                                                                  \
                              .max_in = 2,                                                                  \
                              .n_out = 1,                                                                   \
                              .traits = CD_NUMBERS,                                                         \
                              .shape = bool_shape,                                                          \
                              .forward = id##_forward}

COMPARISON(eq, CDK_EQ);
COMPARISON(ne, CDK_NE);
COMPARISON(lt, CDK_LT);
COMPARISON(le, CDK_LE);
COMPARISON(gt, CDK_GT);
COMPARISON(ge, CDK_GE);
COMPARISON(logical_and, CDK_AND);
COMPARISON(logical_or, CDK_OR);
COMPARISON(logical_xor, CDK_XOR);

/* One-input tests compare the elements with a number or with themselves. */
static cd_status compare_with(cd_call *call, cdk_binary op, double value, cd_error *err)
{
    cd_tensor *number;
    CD_TRY(cd_tensor_number(&number, CD_FLOAT64, value, err));
    cd_status status =
        cd_binary_into(call->out[0], op, call->in[0], number, call->in[0]->dtype, call->op->name, err);
    cd_tensor_release(number);
    return status;
}

static cd_status logical_not_forward(cd_call *call, cd_error *err)
{
    return compare_with(call, CDK_EQ, 0, err);
}

static cd_status isnan_forward(cd_call *call, cd_error *err)
{
    return cd_binary_into(call->out[0], CDK_NE, call->in[0], call->in[0], call->in[0]->dtype, "isnan", err);
}

/* |x| = Inf; integers are finite. */
static cd_status isinf_forward(cd_call *call, cd_error *err)
{
    if (!cd_dtype_is_float(call->in[0]->dtype)) {
        return cd_tensor_fill(call->out[0], 0, err);
    }
    cd_tensor *size;
    CD_TRY(cd_run1(&size, CD_OP_abs, 1, call->in, 0, NULL, err));
    call->in = &size;
    cd_status status = compare_with(call, CDK_EQ, INFINITY, err);
    cd_tensor_release(size);
    return status;
}

static cd_status isfinite_forward(cd_call *call, cd_error *err)
{
    if (!cd_dtype_is_float(call->in[0]->dtype)) {
        return cd_tensor_fill(call->out[0], 1, err);
    }
    cd_tensor *size;
    CD_TRY(cd_run1(&size, CD_OP_abs, 1, call->in, 0, NULL, err));
    call->in = &size;
    cd_status status = compare_with(call, CDK_LT, INFINITY, err);
    cd_tensor_release(size);
    return status;
}

#define TEST(id)               \
    const cd_op cd_op_##id = { \
        .name = #id, .min_in = 1, .max_in = 1, .n_out = 1, .shape = bool_shape, .forward = id##_forward}

TEST(logical_not);
TEST(isnan);
TEST(isinf);
TEST(isfinite);
