/* Element-by-element functions of one and two arguments, on runs of strided elements.
 *
 * Integers wrap around on overflow; bool is a byte 0 or 1. The functions of float32 are those of
 * kernels/vector_math.h, which has their errors; those of float64 are the C library's.
 */
#ifndef CANDELA_KERNELS_POINTWISE_H
#define CANDELA_KERNELS_POINTWISE_H

#include <stdint.h>

#include "base/dtype.h"
#include "kernels/formula.h"

typedef enum {
    CDK_ADD,
    CDK_SUB,
    CDK_MUL,
    CDK_DIV,       /* floats only */
    CDK_DIV_TRUNC, /* quotient rounded towards 0 */
    CDK_DIV_FLOOR, /* quotient rounded down; integers: the divisor must not be 0 */
    CDK_POW,
    CDK_MAXIMUM, /* NaN if either is */
    CDK_MINIMUM,
    CDK_FMOD,      /* sign of the dividend */
    CDK_REMAINDER, /* sign of the divisor */
    CDK_ATAN2,     /* floats only */
    CDK_NEXTAFTER, /* floats only: the next number from a towards b */
    CDK_EQ,        /* from here on the result is bool */
    CDK_NE,
    CDK_LT,
    CDK_LE,
    CDK_GT,
    CDK_GE,
    CDK_AND,
    CDK_OR,
    CDK_XOR,
    CDK_BINARIES
} cdk_binary;

/* y[i * sy] = a[i * sa] op b[i * sb], i < n; y may be a or b. */
typedef void (*cdk_binary_run)(void *y, const void *a, const void *b, int64_t sy, int64_t sa, int64_t sb,
                               int64_t n);

/* NULL where the type has no such operation. */
cdk_binary_run cdk_binary_for(cdk_binary op, cd_dtype type);

/* The first of n integers that is 0, from 0; n where there is none. */
typedef int64_t cdk_first_zero_run(const void *x, int64_t n);
extern cdk_first_zero_run *const cdk_first_zero[CD_DTYPES];

/* The functions of one argument: lines of kernels/unary.def. Floats have all of them, integers NEG, ABS, SIGN
 * and SQUARE. */
typedef enum {
#define UNARY(name, kernel, ...) CDK_##kernel,
#include "kernels/unary.def"
    CDK_UNARIES
} cdk_unary;

/* y[i * sy] = f(x[i * sx]), i < n; y may be x. */
typedef void (*cdk_unary_run)(void *y, const void *x, int64_t sy, int64_t sx, int64_t n);

/* NULL where the type has no such function of integers. */
cdk_unary_run cdk_unary_for(cdk_unary op, cd_dtype type);

/* y = f(x), and dx from g and the kept x or y, for a float type; else NULL. */
cdk_formula *cdk_unary_formula(cdk_unary op, cd_dtype type);
cdk_formula *cdk_unary_gradient(cdk_unary op, cd_dtype type);

#endif
