#include "autograd/pixels.h"

#include "kernels/pixels.h"
#include "tensor/copy.h"
#include "tensor/pending.h"

static cd_status shape_of(cd_tensor **picture, const cd_tensor *bytes, cd_error *err)
{
    int64_t shape[] = {bytes->shape[2], bytes->shape[0], bytes->shape[1]};
    CD_TRY(cd_tensor_new_shape(picture, CD_FLOAT32, 3, shape, CD_CONTIGUOUS, err));
    (*picture)->stride[0] = 1;
    (*picture)->stride[1] = shape[2] * shape[0];
    (*picture)->stride[2] = shape[0];
    return CD_OK;
}

static void fill(cd_tensor *picture, const cd_tensor *bytes)
{
    cdk_byte_shares(cd_tensor_data(picture), cd_tensor_data(bytes), cd_tensor_numel(bytes));
}

/* Rectifiers do nothing to numbers of 0 to 1. The tensor to fill may lie otherwise in memory than the bytes.
 */
static cd_status picture_recipe(cd_tensor *t, const cd_pending *pending, cdk_activation activation,
                                cd_error *err)
{
    cd_tensor *picture;
    (void)activation;
    CD_TRY(shape_of(&picture, pending->source[0], err));
    if (cd_tensor_same_strides(picture, t)) {
        cd_tensor_release(picture);
        fill(t, pending->source[0]);
        return CD_OK;
    }
    cd_status status = cd_tensor_allocate(picture, err);
    if (status == CD_OK) {
        fill(picture, pending->source[0]);
        status = cd_tensor_copy(t, picture, err);
    }
    cd_tensor_release(picture);
    return status;
}

cd_status cd_picture_from_bytes(cd_tensor **picture, cd_tensor *bytes, cd_error *err)
{
    CD_TRY(shape_of(picture, bytes, err));
    cd_status status = cd_tensor_postpone(*picture, picture_recipe, 1, &bytes, 0, NULL, err);
    if (status == CD_OK && !cd_postponing()) {
        status = cd_tensor_force(*picture, err);
    }
    if (status != CD_OK) {
        cd_tensor_release(*picture);
        *picture = NULL;
    }
    return status;
}

const cd_tensor *cd_picture_bytes(const cd_tensor *t)
{
    const cd_pending *picture = cd_pending_result(t, picture_recipe);
    return picture != NULL ? picture->source[0] : NULL;
}
