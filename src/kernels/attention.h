/* Attention without a matrix of queries by keys in memory. For every head h, with queries i < L and keys j <
 * S,
 *
 *     s[i][j] = scale sum_e q[i][e] k[j][e] + mask[i][j],      -Inf where causal and j > i
 *     p[i][j] = exp(s[i][j]) / sum_j exp(s[i][j]),             0 where all s[i] are -Inf
 *     y[i][v] = sum_j r[i][j] p[i][j] v[j][v],                 r = 0 with probability p, else 1 / (1 - p)
 *
 * A block of queries goes over the keys block by block and keeps the largest score and the sum of
 * exponentials so far (Milakov and Gimelshein 2018, arXiv:1805.02867; Dao et al. 2022, arXiv:2205.14135);
 * backward computes the blocks again from lse[i] = log sum_j exp(s[i][j]). Memory beyond inputs and outputs:
 * the keys and values of one head for each thread, packed, and the gradients of keys and values of some parts
 * of a head where heads are few. The results have the same bits for any number of threads.
 */
#ifndef CANDELA_KERNELS_ATTENTION_H
#define CANDELA_KERNELS_ATTENTION_H

#include "kernels/attention_shape.h"
#include "kernels/by_dtype.h"

extern cdk_attention_run *const cdk_attention_forward[CD_DTYPES];
extern cdk_attention_gradient_run *const cdk_attention_backward[CD_DTYPES];

#endif
