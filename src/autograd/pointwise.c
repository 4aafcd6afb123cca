#include "autograd/pointwise.h"

#include <string.h>

#include "tensor/copy.h"
#include "tensor/iterate.h"

/* t in the dtype; a copy also where writing `out` would change elements of t before they are read. */
static cd_status operand(cd_tensor **as, cd_tensor *t, cd_dtype dtype, const cd_tensor *out, cd_error *err)
{
    bool overlaps =
        t->storage == out->storage && (t->offset != out->offset || !cd_tensor_same_strides(t, out));
    if (t->dtype == dtype && !overlaps) {
        *as = cd_tensor_retain(t);
        return CD_OK;
    }
    CD_TRY(cd_tensor_new(as, dtype, t->ndim, t->shape, cd_tensor_preferred_layout(t), err));
    return cd_tensor_copy(*as, t, err);
}

typedef struct {
    cdk_binary_run run;
    int64_t size, out_size; /* bytes of an element of the operands, and of the result */
} binary_context;

/* Elements of a first operand that is one number: kernels have loops for two dense ones. */
enum { NUMBERS = 256 };

static void number_with_elements(const binary_context *c, char *const *data, int64_t n)
{
    double numbers[NUMBERS];
    char *const first = (char *)numbers;
    const int64_t size = c->size, count = n < NUMBERS ? n : NUMBERS;
    for (int64_t i = 0; i < count; i++) {
        memcpy(first + i * size, data[1], (size_t)size);
    }
    for (int64_t i = 0; i < n; i += count) {
        c->run(data[0] + i * c->out_size, first, data[2] + i * size, 1, 1, 1, n - i < count ? n - i : count);
    }
}

static void binary_body(const void *context, char *const *data, const int64_t *stride, int64_t n)
{
    const binary_context *c = context;
    if (stride[0] == 1 && stride[1] == 0 && stride[2] == 1 && n > 1) {
        number_with_elements(c, data, n);
    } else {
        c->run(data[0], data[1], data[2], stride[0], stride[1], stride[2], n);
    }
}

static cd_status no_kernel(const char *name, cd_dtype dtype, cd_error *err)
{
    return cd_fail(err, CD_EDTYPE, "%s is not available for tensors of dtype %s. Convert with $to(dtype = ).",
                   name, cd_dtype_name(dtype));
}

cd_status cd_binary_into(cd_tensor *out, cdk_binary op, cd_tensor *a, cd_tensor *b, cd_dtype dtype,
                         const char *name, cd_error *err)
{
    cdk_binary_run run = cdk_binary_for(op, dtype);
    if (run == NULL) {
        return no_kernel(name, dtype, err);
    }
    cd_tensor *operands[3] = {out, NULL, NULL};
    cd_status status = operand(&operands[1], a, dtype, out, err);
    if (status == CD_OK) {
        status = operand(&operands[2], b, dtype, out, err);
    }
    if (status == CD_OK) {
        const binary_context context = {run, (int64_t)cd_dtype_size(dtype),
                                        (int64_t)cd_dtype_size(out->dtype)};
        status = cd_iterate(3, operands, binary_body, &context, err);
    }
    cd_tensor_release(operands[1]);
    cd_tensor_release(operands[2]);
    return status;
}

/* ---- functions of one tensor ---- */

static void unary_body(const void *context, char *const *data, const int64_t *stride, int64_t n)
{
    (*(const cdk_unary_run *)context)(data[0], data[1], stride[0], stride[1], n);
}

static cd_status integer_unary(cd_tensor *out, cdk_unary op, cd_tensor *x, const char *name, cd_error *err)
{
    cdk_unary_run run = cdk_unary_for(op, out->dtype);
    if (run == NULL) {
        return no_kernel(name, out->dtype, err);
    }
    cd_tensor *operands[2] = {out, NULL};
    cd_status status = operand(&operands[1], x, out->dtype, out, err);
    if (status == CD_OK) {
        status = cd_iterate(2, operands, unary_body, &run, err);
    }
    cd_tensor_release(operands[1]);
    return status;
}

cd_status cd_unary_into(cd_tensor *out, cdk_unary op, cd_tensor *x, const char *name, cd_error *err)
{
    cdk_formula *formula = cdk_unary_formula(op, out->dtype);
    return formula != NULL ? cd_formula_into(out, formula, x, 0, 0, err)
                           : integer_unary(out, op, x, name, err);
}

/* ---- formulas ---- */

typedef struct {
    cdk_formula *formula;
    double a, b;
    size_t size;
} formula_context;

static void value_body(const void *context, char *const *data, const int64_t *stride, int64_t n)
{
    const formula_context *c = context;
    const cdk_run run = {data[0], data[1], NULL, stride[0], stride[1], 0, c->a, c->b};
    cdk_run_formula(c->formula, &run, c->size, n);
}

static void gradient_body(const void *context, char *const *data, const int64_t *stride, int64_t n)
{
    const formula_context *c = context;
    const cdk_run run = {data[0], data[1], data[2], stride[0], stride[1], stride[2], c->a, c->b};
    cdk_run_formula(c->formula, &run, c->size, n);
}

cd_status cd_formula_into(cd_tensor *out, cdk_formula *formula, cd_tensor *x, double a, double b,
                          cd_error *err)
{
    cd_tensor *operands[2] = {out, NULL};
    const formula_context context = {formula, a, b, cd_dtype_size(out->dtype)};
    cd_status status = operand(&operands[1], x, out->dtype, out, err);
    if (status == CD_OK) {
        status = cd_iterate(2, operands, value_body, &context, err);
    }
    cd_tensor_release(operands[1]);
    return status;
}

static bool may_overwrite(const cd_tensor *dy, const cd_tensor *like)
{
    return dy->storage->refs == 1 && dy->refs == 1 && !dy->storage->borrowed && dy->dtype == like->dtype &&
           cd_tensor_same_strides(dy, like) && cd_tensor_is_dense(dy);
}

cd_status cd_gradient_target(cd_gradient *g, const cd_tensor *like, cd_error *err)
{
    if (may_overwrite(g->dy[0], like)) {
        g->dx[0] = cd_tensor_retain(g->dy[0]);
        return CD_OK;
    }
    return cd_tensor_new(&g->dx[0], like->dtype, like->ndim, like->shape, cd_tensor_preferred_layout(like),
                         err);
}

cd_status cd_formula_gradient(cd_gradient *g, cdk_formula *formula, cd_tensor *kept, double a, double b,
                              cd_error *err)
{
    cd_tensor *operands[3] = {NULL, kept != NULL ? kept : g->dy[0], NULL};
    const formula_context context = {formula, a, b, cd_dtype_size(operands[1]->dtype)};
    CD_TRY(cd_gradient_target(g, operands[1], err));
    operands[0] = g->dx[0];
    cd_status status = operand(&operands[2], g->dy[0], operands[0]->dtype, operands[0], err);
    if (status == CD_OK) {
        status = cd_iterate(3, operands, gradient_body, &context, err);
    }
    cd_tensor_release(operands[2]);
    return status;
}
