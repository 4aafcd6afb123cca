#include "autograd/shapes.h"

#include <string.h>

#include "tensor/copy.h"
#include "tensor/elements.h"
#include "tensor/format.h"

bool cd_broadcast_size(int64_t *size, int64_t other)
{
    bool fits = *size == other || *size == 1 || other == 1;
    *size = other != 1 ? other : *size;
    return fits;
}

cd_status cd_broadcast_shape(int *ndim, int64_t *shape, int n, cd_tensor *const *in, const char *op,
                             cd_error *err)
{
    char a[CD_SHAPE_TEXT], b[CD_SHAPE_TEXT];
    *ndim = 0;
    for (int i = 0; i < n; i++) {
        *ndim = in[i]->ndim > *ndim ? in[i]->ndim : *ndim;
    }
    for (int d = 1; d <= *ndim; d++) {
        int64_t size = 1;
        for (int i = 0; i < n; i++) {
            const cd_tensor *t = in[i];
            int64_t before = size, mine = d <= t->ndim ? t->shape[t->ndim - d] : 1;
            if (!cd_broadcast_size(&size, mine)) {
                return cd_fail(err, CD_ESHAPE,
                               "%s: The size of tensor a (%lld) must match the size of tensor b (%lld) at "
                               "non-singleton dimension %d: shapes %s and %s.",
                               op, (long long)before, (long long)mine, *ndim - d + 1,
                               cd_shape_text(a, in[0]->ndim, in[0]->shape),
                               cd_shape_text(b, t->ndim, t->shape));
            }
        }
        shape[*ndim - d] = size;
    }
    return CD_OK;
}

cd_status cd_out_broadcast(cd_call *call, cd_dtype dtype, cd_error *err)
{
    int ndim;
    int64_t shape[CD_MAX_DIMS], numel = 1;
    CD_TRY(cd_broadcast_shape(&ndim, shape, call->n_in, call->in, call->op->name, err));
    for (int d = 0; d < ndim; d++) {
        numel *= shape[d];
    }
    return cd_out(call, 0, dtype, ndim, shape, cd_format_common(call->n_in, call->in, numel), err);
}

/* cd_sum_to_like by operators alone. */
static cd_status sum_recorded(cd_tensor **sum, cd_tensor *t, const cd_tensor *like, cd_error *err)
{
    cd_tensor *of_shape = NULL;
    double shape[CD_MAX_DIMS];
    for (int d = 0; d < like->ndim; d++) {
        shape[d] = (double)like->shape[d];
    }
    if (cd_tensor_same_shape(t, like)) {
        of_shape = cd_tensor_retain(t);
    } else {
        CD_TRY(cd_run1(&of_shape, CD_OP_sum_to_shape, 1, &t, like->ndim, shape, err));
    }
    if (of_shape->dtype == like->dtype) {
        *sum = of_shape;
        return CD_OK;
    }
    const double attr[2] = {like->dtype, CD_FORMAT_PRESERVE};
    cd_status status = cd_run1(sum, CD_OP_to_dtype, 1, &of_shape, 2, attr, err);
    cd_tensor_release(of_shape);
    return status;
}

cd_status cd_sum_to_like(cd_tensor **sum, cd_tensor *t, const cd_tensor *like, cd_error *err)
{
    double attr[2 + CD_MAX_DIMS] = {0, -1};
    int n_attr = 2, lead = t->ndim - like->ndim;
    if (cd_run_is_recorded()) {
        return sum_recorded(sum, t, like, err);
    }
    cd_tensor *reduced = cd_tensor_retain(t);
    for (int d = 0; d < t->ndim; d++) {
        if (d < lead || (like->shape[d - lead] == 1 && t->shape[d] != 1)) {
            attr[n_attr++] = d;
        }
    }
    cd_status status = CD_OK;
    if (n_attr > 2) {
        attr[0] = lead == 0;
        cd_tensor *whole = reduced;
        status = cd_run1(&reduced, CD_OP_sum, 1, &whole, n_attr, attr, err);
        cd_tensor_release(whole);
    }
    if (status == CD_OK && !cd_tensor_same_shape(reduced, like)) {
        cd_tensor *loose = reduced, *dense;
        status = cd_tensor_as(&dense, loose, loose->dtype, CD_CONTIGUOUS, err);
        cd_tensor_release(loose);
        reduced = NULL;
        if (status == CD_OK) {
            int64_t stride[CD_MAX_DIMS];
            cd_tensor_fill_strides(stride, like->ndim, like->shape, CD_CONTIGUOUS);
            status = cd_tensor_view(&reduced, dense, like->ndim, like->shape, stride, dense->offset, err);
            cd_tensor_release(dense);
        }
    }
    *sum = NULL;
    if (status == CD_OK && reduced->dtype != like->dtype) {
        status = cd_tensor_as(sum, reduced, like->dtype, cd_tensor_preferred_layout(reduced), err);
    } else if (status == CD_OK) {
        *sum = cd_tensor_retain(reduced);
    }
    cd_tensor_release(reduced);
    return status;
}

cd_status cd_sum_to_shape(cd_tensor **sum, cd_tensor *t, int ndim, const int64_t *shape, cd_error *err)
{
    cd_tensor *total;
    bool same = t->ndim == ndim && (ndim == 0 || memcmp(shape, t->shape, (size_t)ndim * sizeof *shape) == 0);
    if (same) {
        *sum = cd_tensor_retain(t);
        return CD_OK;
    }
    if (cd_run_is_recorded()) {
        double size[CD_MAX_DIMS];
        for (int d = 0; d < ndim; d++) {
            size[d] = (double)shape[d];
        }
        return cd_run1(sum, CD_OP_sum_to_shape, 1, &t, ndim, size, err);
    }
    if (!cd_dtype_is_float(t->dtype)) {
        return cd_fail(err, CD_EDTYPE, "only gradients of floating point dtype can be summed.");
    }
    CD_TRY(cd_tensor_new(&total, CD_FLOAT64, ndim, shape, CD_CONTIGUOUS, err));
    memset(cd_tensor_data(total), 0, (size_t)total->storage->nbytes);
    cd_status status = cd_elements_add(total, t, err);
    if (status == CD_OK) {
        status = cd_tensor_as(sum, total, t->dtype, CD_CONTIGUOUS, err);
    }
    cd_tensor_release(total);
    return status;
}

cd_status cd_reduced_dims(bool *reduced, const cd_tensor *x, int n, const double *dims, cd_error *err)
{
    for (int d = 0; d < x->ndim; d++) {
        reduced[d] = n == 0;
    }
    for (int i = 0; i < n; i++) {
        int d;
        CD_TRY(cd_tensor_dim(&d, x, cd_int_attr(dims, i), err));
        if (x->ndim > 0 && reduced[d]) {
            return cd_fail(err, CD_EVALUE, "dim %d appears multiple times in the list of dims.", d + 1);
        }
        reduced[d] = true;
    }
    return CD_OK;
}

int cd_reduced_shape(int64_t *shape, const cd_tensor *x, const bool *reduced, bool keepdim)
{
    int ndim = 0;
    for (int d = 0; d < x->ndim; d++) {
        if (!reduced[d] || keepdim) {
            shape[ndim++] = reduced[d] ? 1 : x->shape[d];
        }
    }
    return ndim;
}

int64_t cd_reduced_count(const cd_tensor *x, const bool *reduced)
{
    int64_t n = 1;
    for (int d = 0; d < x->ndim; d++) {
        n *= reduced[d] ? x->shape[d] : 1;
    }
    return n;
}

cd_status cd_find_along(cd_along *a, const cd_tensor *x, int64_t dim, cd_error *err)
{
    CD_TRY(cd_tensor_dim(&a->dim, x, dim, err));
    a->outer = a->inner = 1;
    a->n = x->ndim > 0 ? x->shape[a->dim] : 1;
    for (int d = 0; d < x->ndim; d++) {
        *(d < a->dim ? &a->outer : &a->inner) *= d == a->dim ? 1 : x->shape[d];
    }
    return CD_OK;
}
