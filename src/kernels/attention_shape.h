/* What attention is given (kernels/attention.h): the matrices of all heads, numbers, and the gradients
 * wanted. */
#ifndef CANDELA_KERNELS_ATTENTION_SHAPE_H
#define CANDELA_KERNELS_ATTENTION_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* The matrices of all heads: element (i, c) of head h is data[at[h] + i row + c]. */
typedef struct cdk_heads {
    void *data; /* NULL: absent */
    const int64_t *at;
    int64_t row;
} cdk_heads;

typedef struct cdk_attention {
    int64_t heads, L, S, E, V; /* heads, queries, keys, elements of a query and a key, and of a value */
    double scale;
    bool causal, mask_is_bool; /* bool: true where a key counts */
    double p;                  /* of dropout */
    uint64_t seed;             /* of its mask */
    cdk_heads q, k, v, mask, y;
    void *lse; /* [heads][L], written by forward unless NULL */
} cdk_attention;

/* The gradients; those that are absent are not computed. dmask may have fewer matrices than there are heads,
 * to which its at[] leads several; it must be zero before, and heads h of one matrix are added in their
 * order. */
typedef struct cdk_attention_gradients {
    cdk_heads dy, dq, dk, dv, dmask;
} cdk_attention_gradients;

/* Errors: CD_EALLOC. */
typedef cd_status cdk_attention_run(const cdk_attention *a, cd_error *err);
typedef cd_status cdk_attention_gradient_run(const cdk_attention *a, const cdk_attention_gradients *g,
                                             cd_error *err);

#endif
