/* Attention of float64 (kernels/attention.h), query by query. */
#ifndef CANDELA_KERNELS_ATTENTION_F64_H
#define CANDELA_KERNELS_ATTENTION_F64_H

#include "kernels/attention_shape.h"

cdk_attention_run cdk_attention_forward_f64;
cdk_attention_gradient_run cdk_attention_backward_f64;

#endif
