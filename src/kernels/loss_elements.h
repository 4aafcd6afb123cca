/* Losses of single elements, whose formulas are lines of kernels/loss.def, and their sums. */
#ifndef CANDELA_KERNELS_LOSS_ELEMENTS_H
#define CANDELA_KERNELS_LOSS_ELEMENTS_H

#include <stdint.h>

#include "base/status.h"
#include "kernels/by_dtype.h"
#include "kernels/formula.h"

typedef enum {
#define LOSS(name, ...) CDK_LOSS_##name,
#include "kernels/loss.def"
    CDK_LOSSES
} cdk_loss_function;

/* Formulas of x, the input, and g, the target, with the parameter a; results are multiplied with b. */
typedef struct cdk_loss {
    cdk_formula *value, *input_slope, *target_slope;
} cdk_loss;

/* NULL for a type without kernels. */
const cdk_loss *cdk_loss_for(cdk_loss_function f, cd_dtype dtype);

/* *sum = the sum of the values, in pieces of fixed size that are joined in order, in double: the same on any
 * number of threads. Strides are 1; r->y is not used. Errors: CD_EALLOC. */
cd_status cdk_loss_sum(double *sum, cdk_formula *value, const cdk_run *r, cd_dtype dtype, int64_t n,
                       cd_error *err);

/* r->y = the formula, on several threads; strides are 1. */
void cdk_loss_fill(cdk_formula *formula, const cdk_run *r, cd_dtype dtype, int64_t n);

/* Whether an element is below 0 or above 1 (NaN is neither). */
typedef int cdk_any_outside_run(const void *x, int64_t n);
extern cdk_any_outside_run *const cdk_any_outside_unit[CD_DTYPES];

#endif
