#include "kernels/conv_table.h"

#include "kernels/conv.h"
#include "kernels/conv_f64.h"

static cd_status forward_f32(void *y, const void *x, const void *w, const void *bias, const cdk_conv *conv,
                             const cdk_conv_finish *finish, cd_error *err)
{
    return cdk_conv_forward(y, x, w, bias, conv, finish, err);
}

static cd_status input_f32(void *dx, const void *dy, const void *w, const cdk_conv *conv, cd_error *err)
{
    return cdk_conv_backward_input(dx, dy, w, conv, err);
}

static cd_status weight_f32(void *dw, void *dbias, const void *dy, const void *x, const cdk_conv *conv,
                            cd_error *err)
{
    return cdk_conv_backward_weight(dw, dbias, dy, x, conv, err);
}

static cd_status transpose_forward_f32(void *y, const void *x, const void *w, const void *bias,
                                       const cdk_conv *conv, const cdk_conv_finish *finish, cd_error *err)
{
    return cdk_conv_transpose_forward(y, x, w, bias, conv, finish, err);
}

static cd_status transpose_input_f32(void *dx, const void *dy, const void *w, const cdk_conv *conv,
                                     cd_error *err)
{
    return cdk_conv_transpose_backward_input(dx, dy, w, conv, err);
}

static cd_status transpose_weight_f32(void *dw, void *dbias, const void *dy, const void *x,
                                      const cdk_conv *conv, cd_error *err)
{
    return cdk_conv_transpose_backward_weight(dw, dbias, dy, x, conv, err);
}

static cd_status channel_sums_f32(void *sums, const void *x, int64_t pixels, int64_t channels, cd_error *err)
{
    return cdk_channel_sums(sums, x, pixels, channels, err);
}

static const cdk_conv_kernels conv_f32 = {
    .fuses = true,
    .plain = {forward_f32, input_f32, weight_f32},
    .transposed = {transpose_forward_f32, transpose_input_f32, transpose_weight_f32},
    .channel_sums = channel_sums_f32};

const cdk_conv_kernels *const cdk_conv_of[CD_DTYPES] = {
    [CD_FLOAT32] = &conv_f32, [CD_FLOAT64] = &cdk_conv_f64};
