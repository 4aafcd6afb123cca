/* Convolutions looked up by element type; conv.h has the equations, layouts and errors.
 *
 *     cdk_conv_of[dtype]->plain.forward(y, x, w, bias, &conv, &finish, err)
 *
 * The entry of a type without convolutions is NULL.
 */
#ifndef CANDELA_KERNELS_CONV_TABLE_H
#define CANDELA_KERNELS_CONV_TABLE_H

#include "kernels/by_dtype.h"
#include "kernels/conv_kernels.h"

extern const cdk_conv_kernels *const cdk_conv_of[CD_DTYPES];

#endif
