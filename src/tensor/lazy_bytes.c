#include "tensor/lazy_bytes.h"

#include "tensor/elements.h"

cd_status cd_tensor_defer_bytes(cd_tensor *t, cd_tensor *bytes, cd_error *err)
{
    cd_tensor *converted;
    CD_TRY(cd_tensor_borrow(&converted, NULL, t->dtype, t->ndim, t->shape, t->stride, err));
    converted->storage->bytes = cd_tensor_retain(bytes);
    t->storage = converted->storage;
    converted->storage = NULL;
    cd_tensor_release(converted);
    return CD_OK;
}

cd_status cd_lazy_bytes_new(cd_tensor **t, cd_dtype dtype, cd_tensor *bytes, cd_error *err)
{
    CD_TRY(cd_tensor_new_shape(t, dtype, bytes->ndim, bytes->shape, CD_CONTIGUOUS, err));
    const cd_status status = cd_tensor_defer_bytes(*t, bytes, err);
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

bool cd_is_lazy_bytes(const cd_tensor *t)
{
    return has_bytes(t) && cd_tensor_is_contiguous(t) &&
           cd_tensor_numel(t) == cd_tensor_numel(t->storage->bytes);
}

cd_status cd_lazy_bytes_view(cd_tensor **bytes, const cd_tensor *t, cd_error *err)
{
    return cd_tensor_view(bytes, t->storage->bytes, t->ndim, t->shape, t->stride, t->storage->bytes->offset,
                          err);
}

cd_status cd_lazy_bytes_convert(cd_tensor *t, cd_error *err)
{
    cd_tensor *converted;
    if (!has_bytes(t)) {
        return CD_OK;
    }
    cd_storage *storage = t->storage;
    const cd_tensor *bytes = storage->bytes;
    CD_TRY(cd_tensor_new(&converted, t->dtype, bytes->ndim, bytes->shape, CD_CONTIGUOUS, err));
    cd_status status = cd_elements_copy(converted, bytes, NULL, err);
    if (status != CD_OK) {
        cd_tensor_release(converted);
        return status;
    }
    storage->data = converted->storage->data;
    storage->nbytes = converted->storage->nbytes;
    storage->borrowed = false;
    converted->storage->data = NULL;
    cd_tensor_release(converted);
    cd_tensor_release(storage->bytes);
    storage->bytes = NULL;
    return CD_OK;
}
