/* What softmax does to blocks of BLOCK vectors, block[d][j], for one level: included by softmax.c after the vectors.
 * Every j is by itself. */
#include "kernels/vector_math.h"

/* Vectors of a row of BLOCK elements, which is a multiple of every width. */
#define EACH_VECTOR(j) for (int j = 0; j < BLOCK; j += VEC_WIDTH)

/* block -= the largest of each vector; p = exp(block); sum[j] = sum of p. */
static VEC_TARGET void CDK_AT(exponentials_and_sum)(VEC_T *restrict p, VEC_T *restrict block,
                                                    VEC_T *restrict sum, int64_t D)
{
    VEC_T top[BLOCK], total[BLOCK];
    EACH_VECTOR(j)
    {
        VEC_STORE(top + j, VEC_LOAD(block + j));
        VEC_STORE(total + j, VEC_ZERO());
    }
    for (int64_t d = 1; d < D; d++) {
        EACH_VECTOR(j)
        {
            VEC_STORE(top + j, VEC_MAX(VEC_LOAD(block + d * BLOCK + j), VEC_LOAD(top + j)));
        }
    }
    for (int64_t d = 0; d < D; d++) {
        EACH_VECTOR(j)
        {
            const VEC x = VEC_SUB(VEC_LOAD(block + d * BLOCK + j), VEC_LOAD(top + j)), e = VEC_EXP(x);
            VEC_STORE(block + d * BLOCK + j, x);
            VEC_STORE(p + d * BLOCK + j, e);
            VEC_STORE(total + j, VEC_ADD(VEC_LOAD(total + j), e));
        }
    }
    EACH_VECTOR(j)
    {
        VEC_STORE(sum + j, VEC_LOAD(total + j));
    }
}

static VEC_TARGET void CDK_AT(logarithms)(VEC_T *y, const VEC_T *x)
{
    EACH_VECTOR(j)
    {
        VEC_STORE(y + j, VEC_LOG(VEC_LOAD(x + j)));
    }
}

static VEC_TARGET void CDK_AT(subtract)(VEC_T *restrict block, const VEC_T *restrict amount, int64_t D)
{
    for (int64_t d = 0; d < D; d++) {
        EACH_VECTOR(j)
        {
            VEC_STORE(block + d * BLOCK + j, VEC_SUB(VEC_LOAD(block + d * BLOCK + j), VEC_LOAD(amount + j)));
        }
    }
}

/* p *= factor / sum */
static VEC_TARGET void CDK_AT(multiply)(VEC_T *restrict p, const VEC_T *restrict factor,
                                        const VEC_T *restrict sum, int64_t D)
{
    VEC_T ratio[BLOCK];
    EACH_VECTOR(j)
    {
        VEC_STORE(ratio + j, VEC_LOAD(factor + j) / VEC_LOAD(sum + j));
    }
    for (int64_t d = 0; d < D; d++) {
        EACH_VECTOR(j)
        {
            VEC_STORE(p + d * BLOCK + j, VEC_MUL(VEC_LOAD(p + d * BLOCK + j), VEC_LOAD(ratio + j)));
        }
    }
}

/* dy becomes y (dy - sum(dy y)). */
static VEC_TARGET void CDK_AT(softmax_gradient_block)(VEC_T *restrict dy, const VEC_T *restrict y, int64_t D)
{
    VEC_T sum[BLOCK] = {0};
    for (int64_t d = 0; d < D; d++) {
        EACH_VECTOR(j)
        {
            const VEC g = VEC_LOAD(dy + d * BLOCK + j), p = VEC_LOAD(y + d * BLOCK + j);
            VEC_STORE(sum + j, VEC_FMA(g, p, VEC_LOAD(sum + j)));
        }
    }
    for (int64_t d = 0; d < D; d++) {
        EACH_VECTOR(j)
        {
            const VEC g = VEC_LOAD(dy + d * BLOCK + j), p = VEC_LOAD(y + d * BLOCK + j);
            VEC_STORE(dy + d * BLOCK + j, VEC_MUL(p, VEC_SUB(g, VEC_LOAD(sum + j))));
        }
    }
}

/* dy becomes dy - exp(y) sum(dy). */
static VEC_TARGET void CDK_AT(log_softmax_gradient_block)(VEC_T *restrict dy, const VEC_T *restrict y,
                                                          int64_t D)
{
    VEC_T sum[BLOCK] = {0};
    for (int64_t d = 0; d < D; d++) {
        EACH_VECTOR(j)
        {
            VEC_STORE(sum + j, VEC_ADD(VEC_LOAD(sum + j), VEC_LOAD(dy + d * BLOCK + j)));
        }
    }
    for (int64_t d = 0; d < D; d++) {
        EACH_VECTOR(j)
        {
            const VEC g = VEC_LOAD(dy + d * BLOCK + j), e = VEC_EXP(VEC_LOAD(y + d * BLOCK + j));
            VEC_STORE(dy + d * BLOCK + j, VEC_FMA(VEC_SUB(VEC_ZERO(), e), VEC_LOAD(sum + j), g));
        }
    }
}

#undef EACH_VECTOR
