#include "autograd/channels.h"

#include "autograd/dense.h"

cdk_channels cd_channels_of(const cd_tensor *x)
{
    int64_t C = x->shape[1], plane = 1;
    for (int i = 2; i < x->ndim; i++) {
        plane *= x->shape[i];
    }
    if (cd_dense_layout(x) == CD_CHANNELS_LAST) {
        return (cdk_channels){.rows = x->shape[0] * plane, .C = C, .plane = 1};
    }
    return (cdk_channels){.rows = x->shape[0], .C = C, .plane = plane};
}

cd_status cd_channel_affine(cd_tensor *y, const cd_tensor *x, const double *scale, const double *shift,
                            const cdk_epilogue *end, cd_error *err)
{
    void *out = cd_tensor_data(y), *in = cd_tensor_data(x);
    const cdk_channels channels = cd_channels_of(x);
    CD_TRY(cdk_channel_affine[x->dtype](out, in, scale, shift, end->activation, channels, err));
    if (end->mask != NULL) {
        cd_dense_mask(end->mask, y, end->high);
    }
    return CD_OK;
}
