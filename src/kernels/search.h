/* Searching and cumulating along sequences, and integers bit by bit. */
#ifndef CANDELA_KERNELS_SEARCH_H
#define CANDELA_KERNELS_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/reduce.h"

/* index[i]: how many of the n elements of a sequence that goes up are below value[i] (right: not above it).
 * Value i has the sequence i / per_sequence; NaN is larger than every number. */
typedef struct cdk_search {
    int64_t n, values, per_sequence;
    bool right;
} cdk_search;
void cdk_searchsorted(int64_t *index, const double *sequence, const double *value, const cdk_search *s);

/* index[o][i][j] (from 1): of the largest (smallest) of x[o][0 .. i][j], the last of equal ones; the last NaN
 * once there is one. */
void cdk_cumulated_extreme(int64_t *index, bool smallest, const double *x, cdk_middle shape);

/* y[i] = log(exp(x[0]) + ... + exp(x[i])) along n, and dx[i] = sum over k >= i of dy[k] exp(x[i] - y[k]). */
void cdk_logcumsumexp(double *y, const double *x, cdk_middle shape);
void cdk_logcumsumexp_gradient(double *dx, const double *dy, const double *x, const double *y,
                               cdk_middle shape);

/* y[i sy] = a[i sa] op b[i sb]; gcd is not negative; shifts by less than 0 or more than 63 give what all bits
 * shifted out leave. */
typedef enum {
    CDK_BIT_AND,
    CDK_BIT_OR,
    CDK_BIT_XOR,
    CDK_SHIFT_LEFT,
    CDK_SHIFT_RIGHT,
    CDK_GCD
} cdk_integer_op;
void cdk_integers(int64_t *y, cdk_integer_op op, const int64_t *a, const int64_t *b, const int64_t *stride,
                  int64_t n);

#endif
