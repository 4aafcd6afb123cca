/* Kernels looked up by element type.
 *
 * A kernel that exists for several types is a table of functions with one signature, its pointers to elements
 * being void *:
 *
 *     typedef void cdk_exp_run(void *y, const void *x, int64_t n);
 *     extern cdk_exp_run *const cdk_exp[CD_DTYPES];
 *
 *     cdk_exp[dtype](y, x, n);
 *
 * The entry of a type the kernel does not have is NULL: the caller computes in one that it has
 * (autograd/compute.h). Functions are named after the table, with one suffix for each type: _u8 (bool too),
 * _i32, _i64, _f32, _f64. Those of the two float types are commonly written once, in a template that is
 * included with T, the type, and NAME(name), which adds the suffix.
 */
#ifndef CANDELA_KERNELS_BY_DTYPE_H
#define CANDELA_KERNELS_BY_DTYPE_H

#include "base/dtype.h"

/* The table of a kernel of floats: kernel_f32 and kernel_f64. */
#define CDK_FLOATS(kernel)                                       \
    {                                                            \
        [CD_FLOAT32] = kernel##_f32, [CD_FLOAT64] = kernel##_f64 \
    }

#endif
