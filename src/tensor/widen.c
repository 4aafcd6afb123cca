#include "tensor/widen.h"

#include "tensor/elements.h"

cd_status cd_tensor_stay_narrow(cd_tensor *t, cd_tensor *bytes, cd_error *err)
{
    cd_tensor *wide;
    CD_TRY(cd_tensor_borrow(&wide, NULL, t->dtype, t->ndim, t->shape, t->stride, err));
    wide->storage->bytes = cd_tensor_retain(bytes);
    t->storage = wide->storage;
    wide->storage = NULL;
    cd_tensor_release(wide);
    return CD_OK;
}

cd_status cd_tensor_widen_later(cd_tensor **t, cd_dtype dtype, cd_tensor *bytes, cd_error *err)
{
    CD_TRY(cd_tensor_new_shape(t, dtype, bytes->ndim, bytes->shape, CD_CONTIGUOUS, err));
    const cd_status status = cd_tensor_stay_narrow(*t, bytes, err);
    if (status != CD_OK) {
        cd_tensor_release(*t);
        *t = NULL;
    }
    return status;
}

static bool has_bytes(const cd_tensor *t)
{
    return t->storage != NULL && t->storage->bytes != NULL;
}

bool cd_tensor_is_narrow(const cd_tensor *t)
{
    return has_bytes(t) && cd_tensor_is_contiguous(t) &&
           cd_tensor_numel(t) == cd_tensor_numel(t->storage->bytes);
}

cd_status cd_tensor_narrow(cd_tensor **bytes, const cd_tensor *t, cd_error *err)
{
    return cd_tensor_view(bytes, t->storage->bytes, t->ndim, t->shape, t->stride, t->storage->bytes->offset,
                          err);
}

cd_status cd_tensor_widen(cd_tensor *t, cd_error *err)
{
    cd_tensor *wide;
    if (!has_bytes(t)) {
        return CD_OK;
    }
    cd_storage *storage = t->storage;
    const cd_tensor *bytes = storage->bytes;
    CD_TRY(cd_tensor_new(&wide, t->dtype, bytes->ndim, bytes->shape, CD_CONTIGUOUS, err));
    cd_status status = cd_elements_copy(wide, bytes, NULL, err);
    if (status != CD_OK) {
        cd_tensor_release(wide);
        return status;
    }
    storage->data = wide->storage->data;
    storage->nbytes = wide->storage->nbytes;
    storage->borrowed = false;
    wide->storage->data = NULL;
    cd_tensor_release(wide);
    cd_tensor_release(storage->bytes);
    storage->bytes = NULL;
    return CD_OK;
}
