/* Formulas of single elements: y = f(x), and the gradient dx = f(x or y, dy) in one pass.
 *
 * A kernel of type cdk_formula works on contiguous elements, whatever their number; cdk_run_formula() feeds
 * it from strided ones. The formulas are the lines of kernels/activation.def and kernels/unary.def.
 */
#ifndef CANDELA_KERNELS_FORMULA_H
#define CANDELA_KERNELS_FORMULA_H

#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"

/* y[i sy] from x[i sx] and, for gradients, g[i sg]; y may be x or g. a, b: the formula's parameters. */
typedef struct cdk_run {
    void *y;
    const void *x, *g; /* g is NULL for a formula of x alone */
    int64_t sy, sx, sg;
    double a, b;
} cdk_run;

/* The strides of r are 1. */
typedef void cdk_formula(const cdk_run *r, int64_t n);

/* What a table of formulas has for one of them. */
typedef struct cdk_formula_pair {
    cdk_formula *value, *gradient; /* gradient is NULL where there is none */
} cdk_formula_pair;

/* The i'th pair of the table of that float type; both NULL for any other type. */
cdk_formula_pair cdk_formula_pair_for(cd_dtype dtype, const cdk_formula_pair *f32,
                                      const cdk_formula_pair *f64, int i);

/* size: bytes of an element, 4 or 8. */
void cdk_run_formula(cdk_formula *f, const cdk_run *r, size_t size, int64_t n);

#endif
