#include "autograd/compute.h"

#include "tensor/format.h"

enum { WITH_DIMS, ZERO_DIM, NUMBER, PRIORITIES };

static cd_dtype promote(int n, cd_tensor *const *in, int priority_of_zero_dim)
{
    int best[PRIORITIES] = {-1, -1, -1};
    for (int i = 0; i < n; i++) {
        if (in[i] != NULL) {
            int priority = in[i]->is_number ? NUMBER : in[i]->ndim == 0 ? priority_of_zero_dim : WITH_DIMS;
            bool is_float_number = in[i]->is_number && cd_dtype_is_float(in[i]->dtype);
            const cd_dtype dtype = is_float_number ? CD_FLOAT32 : in[i]->dtype;
            best[priority] =
                (int)(best[priority] < 0 ? dtype : cd_dtype_promote((cd_dtype)best[priority], dtype));
        }
    }
    int result = best[WITH_DIMS];
    for (int p = ZERO_DIM; p < PRIORITIES; p++) {
        if (best[p] >= 0 &&
            (result < 0 || cd_dtype_kind((cd_dtype)best[p]) > cd_dtype_kind((cd_dtype)result))) {
            result = best[p];
        }
    }
    return (cd_dtype)result;
}

cd_dtype cd_promote(int n, cd_tensor *const *in)
{
    return promote(n, in, ZERO_DIM);
}

cd_dtype cd_promote_chosen(int n, cd_tensor *const *in)
{
    return promote(n, in, WITH_DIMS);
}

cd_status cd_check_float(const cd_tensor *t, const char *op, cd_error *err)
{
    if (cd_dtype_has_kernels(t->dtype)) {
        return CD_OK;
    }
    if (cd_dtype_is_float(t->dtype)) {
        return cd_fail(err, CD_EDTYPE,
                       "%s has no kernels for %s tensors; convert with $to(dtype = torch_float()).", op,
                       cd_dtype_name(t->dtype));
    }
    return cd_fail(err, CD_EDTYPE,
                   "%s works on Float or Double tensors, got %s; convert it with $to(dtype = torch_float()).",
                   op, cd_dtype_name(t->dtype));
}

/* ---- types that are only stored ---- */

static bool is_only_stored(const cd_tensor *t)
{
    return t != NULL && cd_dtype_computed(t->dtype) != t->dtype;
}

bool cd_any_only_stored(int n, cd_tensor *const *in)
{
    for (int i = 0; i < n; i++) {
        if (is_only_stored(in[i])) {
            return true;
        }
    }
    return false;
}

cd_dtype cd_stored_type(cd_dtype result, int n, cd_tensor *const *in)
{
    int stored = -1;
    for (int i = 0; i < n; i++) {
        if (in[i] == NULL || in[i]->is_number) {
            continue;
        }
        const cd_dtype dtype = in[i]->dtype;
        if (dtype == result && in[i]->ndim > 0) {
            return result;
        }
        if (cd_dtype_computed(dtype) == result ? dtype != result : dtype == CD_UINT8 && result == CD_INT32) {
            stored = (int)(stored < 0 ? dtype : cd_dtype_promote((cd_dtype)stored, dtype));
        }
    }
    return stored < 0 ? result : (cd_dtype)stored;
}

int cd_cast_attributes(double *attr, cd_dtype dtype)
{
    attr[0] = (double)dtype;
    attr[1] = (double)CD_FORMAT_PRESERVE;
    return CD_CAST_ATTRS;
}
