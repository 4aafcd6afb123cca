#include "tensor/widen.h"

#include <stdlib.h>

#include "base/memory.h"
#include "tensor/copy.h"

cd_status cd_tensor_widen_later(cd_tensor **t, cd_dtype dtype, cd_tensor *bytes, cd_error *err)
{
    CD_TRY(cd_tensor_new_shape(t, dtype, bytes->ndim, bytes->shape, CD_CONTIGUOUS, err));
    cd_storage *storage = calloc(1, sizeof *storage);
    if (storage == NULL) {
        cd_tensor_release(*t);
        *t = NULL;
        return cd_fail(err, CD_EALLOC, "cannot allocate a tensor handle.");
    }
    storage->refs = 1;
    storage->bytes = cd_tensor_retain(bytes);
    (*t)->storage = storage;
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

/* The bytes as elements of the dtype wanted. */
static cd_status widened(cd_tensor **wide, const cd_tensor *bytes, cd_dtype dtype, cd_error *err)
{
    CD_TRY(cd_tensor_new(wide, dtype, bytes->ndim, bytes->shape, CD_CONTIGUOUS, err));
    const cd_status status = cd_tensor_copy(*wide, bytes, err);
    if (status != CD_OK) {
        cd_tensor_release(*wide);
    }
    return status;
}

cd_status cd_tensor_widen(cd_tensor *t, cd_error *err)
{
    cd_tensor *wide;
    if (!is_narrow(t)) {
        return CD_OK;
    }
    cd_storage *storage = t->storage;
    CD_TRY(widened(&wide, storage->bytes, t->dtype, err));
    storage->data = wide->storage->data;
    storage->nbytes = wide->storage->nbytes;
    wide->storage->data = NULL;
    cd_tensor_release(wide);
    cd_tensor_release(storage->bytes);
    storage->bytes = NULL;
    return CD_OK;
}
