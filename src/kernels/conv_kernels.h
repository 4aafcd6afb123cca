/* What the convolutions of one element type are; conv_table.h has those of each, conv.h the equations. */
#ifndef CANDELA_KERNELS_CONV_KERNELS_H
#define CANDELA_KERNELS_CONV_KERNELS_H

#include <stdbool.h>

#include "base/status.h"
#include "kernels/conv_shape.h"

typedef cd_status cdk_conv_run(void *y, const void *x, const void *w, const void *bias, const cdk_conv *conv,
                               const cdk_conv_finish *finish, cd_error *err);
typedef cd_status cdk_conv_input_run(void *dx, const void *dy, const void *w, const cdk_conv *conv,
                                     cd_error *err);
/* dbias may be NULL. */
typedef cd_status cdk_conv_weight_run(void *dw, void *dbias, const void *dy, const void *x,
                                      const cdk_conv *conv, cd_error *err);

/* One direction: the convolution, or the transposed convolution described by the one it is the adjoint of. */
typedef struct cdk_conv_direction {
    cdk_conv_run *forward;
    cdk_conv_input_run *input;
    cdk_conv_weight_run *weight;
} cdk_conv_direction;

typedef struct cdk_conv_kernels {
    bool
        fuses; /* forward takes a finish that is not all zero, and conv.h's cdk_conv_backward() is for this type */
    cdk_conv_direction plain, transposed;
    /* sums[c] = sum over pixels of x[pixels][channels] */
    cd_status (*channel_sums)(void *sums, const void *x, int64_t pixels, int64_t channels, cd_error *err);
} cdk_conv_kernels;

#endif
