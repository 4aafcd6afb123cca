/* Attention without a matrix of queries by keys in memory. For every head h, with queries i < L and keys j < S,
 *
 *     s[i][j] = scale sum_e q[i][e] k[j][e] + mask[i][j],      -Inf where causal and j > i
 *     p[i][j] = exp(s[i][j]) / sum_j exp(s[i][j]),             0 where all s[i] are -Inf
 *     y[i][v] = sum_j r[i][j] p[i][j] v[j][v],                 r = 0 with probability p, else 1 / (1 - p)
 *
 * A block of queries goes over the keys block by block and keeps the largest score and the sum of exponentials so far
 * (Milakov and Gimelshein 2018, arXiv:1805.02867; Dao et al. 2022, arXiv:2205.14135); backward computes the blocks
 * again from lse[i] = log sum_j exp(s[i][j]). Memory beyond inputs and outputs: the keys and values of one head for
 * each thread, packed, and the gradients of keys and values of some parts of a head where heads are few. The results
 * have the same bits for any number of threads.
 */
#ifndef CANDELA_KERNELS_ATTENTION_H
#define CANDELA_KERNELS_ATTENTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "kernels/by_dtype.h"

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

/* The gradients; those that are absent are not computed. dmask may have fewer matrices than there are heads, to which
 * its at[] leads several; it must be zero before, and heads h of one matrix are added in their order. */
typedef struct cdk_attention_gradients {
    cdk_heads dy, dq, dk, dv, dmask;
} cdk_attention_gradients;

/* Errors: CD_EALLOC. */
typedef cd_status cdk_attention_run(const cdk_attention *a, cd_error *err);
extern cdk_attention_run *const cdk_attention_forward[CD_DTYPES];

typedef cd_status cdk_attention_gradient_run(const cdk_attention *a, const cdk_attention_gradients *g,
                                             cd_error *err);
extern cdk_attention_gradient_run *const cdk_attention_backward[CD_DTYPES];

#endif
