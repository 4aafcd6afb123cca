#include "tensor/copy.h"

#include "tensor/elements.h"
#include "tensor/lazy.h"

cd_status cd_tensor_copy(cd_tensor *dst, const cd_tensor *src, cd_error *err)
{
    return cd_tensor_copy_reversed(dst, src, NULL, err);
}

cd_status cd_tensor_copy_reversed(cd_tensor *dst, const cd_tensor *src, const bool *reversed, cd_error *err)
{
    CD_TRY(cd_tensor_will_change(dst, err));
    CD_TRY(cd_elements_copy(dst, src, reversed, err));
    dst->storage->version++;
    return CD_OK;
}

/* A new tensor that could not be filled, because the user stopped that, is dropped. */
static cd_status filled(cd_tensor **dst, const cd_tensor *src, cd_error *err)
{
    const cd_status status = cd_elements_copy(*dst, src, NULL, err);
    if (status != CD_OK) {
        cd_tensor_release(*dst);
        *dst = NULL;
    }
    return status;
}

cd_status cd_tensor_clone(cd_tensor **copy, const cd_tensor *t, cd_layout layout, cd_error *err)
{
    CD_TRY(cd_tensor_new(copy, t->dtype, t->ndim, t->shape, layout, err));
    return filled(copy, t, err);
}

static bool has_layout(const cd_tensor *t, cd_layout layout)
{
    return layout == CD_CHANNELS_LAST && t->ndim == 4 ? cd_tensor_is_channels_last(t)
                                                      : cd_tensor_is_contiguous(t);
}

cd_status cd_tensor_as(cd_tensor **as, cd_tensor *t, cd_dtype dtype, cd_layout layout, cd_error *err)
{
    if (t->dtype == dtype && has_layout(t, layout)) {
        *as = cd_tensor_retain(t);
        return CD_OK;
    }
    CD_TRY(cd_tensor_new(as, dtype, t->ndim, t->shape, layout, err));
    return filled(as, t, err);
}

cd_status cd_tensor_as_dtype(cd_tensor **as, cd_tensor *t, cd_dtype dtype, cd_error *err)
{
    if (t->dtype == dtype) {
        *as = cd_tensor_retain(t);
        return CD_OK;
    }
    return cd_tensor_as(as, t, dtype, cd_tensor_preferred_layout(t), err);
}

cd_status cd_tensor_fill(cd_tensor *t, double value, cd_error *err)
{
    cd_tensor *number;
    CD_TRY(cd_tensor_number(&number, t->dtype == CD_BOOL ? CD_BOOL : CD_FLOAT64,
                            t->dtype == CD_BOOL ? value != 0 : value, err));
    cd_status status = cd_tensor_copy(t, number, err);
    cd_tensor_release(number);
    return status;
}
