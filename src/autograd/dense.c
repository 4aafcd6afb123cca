#include "autograd/dense.h"

#include "kernels/mask.h"

cd_layout cd_dense_layout(const cd_tensor *t)
{
    return !cd_tensor_is_contiguous(t) && cd_tensor_is_channels_last(t) ? CD_CHANNELS_LAST : CD_CONTIGUOUS;
}

cd_status cd_dense_like(cd_tensor **as, cd_tensor *t, const cd_tensor *like, cd_error *err)
{
    return cd_tensor_as(as, t, like->dtype, cd_dense_layout(like), err);
}

cd_status cd_new_like(cd_tensor **t, const cd_tensor *like, cd_error *err)
{
    return cd_tensor_new(t, like->dtype, like->ndim, like->shape, cd_dense_layout(like), err);
}

void cd_dense_mask(uint8_t *mask, const cd_tensor *y, double high)
{
    cdk_mask[y->dtype](mask, cd_tensor_data(y), cd_tensor_numel(y), high);
}

bool cd_is_all_of_storage(const cd_tensor *t)
{
    return t->storage != NULL && t->storage->bytes == NULL && t->offset == 0 && cd_tensor_is_contiguous(t) &&
           cd_tensor_numel(t) * (int64_t)cd_dtype_size(t->dtype) == t->storage->nbytes;
}
