#include "tensor/widen.h"

#include "tensor/elements.h"

cd_status cd_tensor_widen_later(cd_tensor **t, cd_dtype dtype, cd_tensor *bytes, cd_error *err)
{
    CD_TRY(cd_tensor_borrow(t, NULL, dtype, bytes->ndim, bytes->shape, bytes->stride, err));
    (*t)->storage->bytes = cd_tensor_retain(bytes);
    return CD_OK;
}

static bool is_narrow(const cd_tensor *t)
{
    return t->storage != NULL && t->storage->bytes != NULL;
}

const void *cd_tensor_narrow_data(const cd_tensor *t)
{
    const bool all = is_narrow(t) && cd_tensor_is_contiguous(t) &&
                     cd_tensor_numel(t) == cd_tensor_numel(t->storage->bytes);
    return all ? cd_tensor_data(t->storage->bytes) : NULL;
}

cd_status cd_tensor_widen(cd_tensor *t, cd_error *err)
{
    cd_tensor *wide;
    if (!is_narrow(t)) {
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
