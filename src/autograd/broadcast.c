#include "autograd/broadcast.h"

#include "tensor/copy.h"

enum { WITH_DIMS, ZERO_DIM, NUMBER, PRIORITIES };

static int kind(int dtype)
{
    return dtype == CD_BOOL ? 0 : cd_dtype_is_float((cd_dtype)dtype) ? 2 : 1;
}

cd_dtype cd_promote(int n, cd_tensor *const *in)
{
    int best[PRIORITIES] = {-1, -1, -1};
    for (int i = 0; i < n; i++) {
        if (in[i] != NULL) {
            int priority = in[i]->is_number ? NUMBER : in[i]->ndim == 0 ? ZERO_DIM : WITH_DIMS;
            int dtype = in[i]->is_number && kind(in[i]->dtype) == 2 ? CD_FLOAT32 : (int)in[i]->dtype;
            best[priority] = dtype > best[priority] ? dtype : best[priority];
        }
    }
    int result = best[WITH_DIMS];
    for (int p = ZERO_DIM; p < PRIORITIES; p++) {
        if (best[p] >= 0 && (result < 0 || kind(best[p]) > kind(result))) {
            result = best[p];
        }
    }
    return (cd_dtype)result;
}

static cd_status broadcast_shape(int *ndim, int64_t *shape, const cd_call *call, cd_error *err)
{
    char a[CD_SHAPE_TEXT], b[CD_SHAPE_TEXT];
    *ndim = 0;
    for (int i = 0; i < call->n_in; i++) {
        *ndim = call->in[i]->ndim > *ndim ? call->in[i]->ndim : *ndim;
    }
    for (int d = 1; d <= *ndim; d++) {
        int64_t size = 1;
        for (int i = 0; i < call->n_in; i++) {
            const cd_tensor *t = call->in[i];
            int64_t mine = d <= t->ndim ? t->shape[t->ndim - d] : 1;
            if (mine != 1 && size != 1 && mine != size) {
                return cd_fail(err, CD_ESHAPE,
                               "%s: The size of tensor a (%lld) must match the size of tensor b (%lld) at "
                               "non-singleton dimension %d: shapes %s and %s.",
                               call->op->name, (long long)size, (long long)mine, *ndim - d + 1,
                               cd_shape_text(a, call->in[0]->ndim, call->in[0]->shape),
                               cd_shape_text(b, t->ndim, t->shape));
            }
            size = mine != 1 ? mine : size;
        }
        shape[*ndim - d] = size;
    }
    return CD_OK;
}

cd_status cd_out_broadcast(cd_call *call, cd_dtype dtype, cd_error *err)
{
    int ndim;
    int64_t shape[CD_MAX_DIMS], numel = 1;
    bool some = false, all = true;
    CD_TRY(broadcast_shape(&ndim, shape, call, err));
    for (int d = 0; d < ndim; d++) {
        numel *= shape[d];
    }
    for (int i = 0; i < call->n_in; i++) {
        if (call->in[i]->ndim == 4 && cd_tensor_numel(call->in[i]) == numel) {
            some = some || cd_tensor_preferred_layout(call->in[i]) == CD_CHANNELS_LAST;
            all = all && cd_tensor_is_channels_last(call->in[i]);
        }
    }
    return cd_out(call, 0, dtype, ndim, shape, some && all ? CD_CHANNELS_LAST : CD_CONTIGUOUS, err);
}

cd_status cd_sum_to_like(cd_tensor **sum, cd_tensor *t, const cd_tensor *like, cd_error *err)
{
    double attr[2 + CD_MAX_DIMS] = {0, -1};
    int n_attr = 2, lead = t->ndim - like->ndim;
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
