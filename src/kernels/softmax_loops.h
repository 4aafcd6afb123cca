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

/* sum[d] += sum over j of a[d][j] b[d][j]; every d has the same b where b_step is 0, else it is BLOCK. */
static VEC_TARGET void CDK_AT(row_products)(double *restrict sum, const VEC_T *a, const VEC_T *b, int64_t D,
                                            int64_t b_step)
{
    VEC_T lane[VEC_WIDTH];
    for (int64_t d = 0; d < D; d++) {
        VEC total = VEC_ZERO();
        EACH_VECTOR(j)
        {
            total = VEC_FMA(VEC_LOAD(a + d * BLOCK + j), VEC_LOAD(b + d * b_step + j), total);
        }
        VEC_STORE(lane, total);
        for (int i = 0; i < VEC_WIDTH; i++) {
            sum[d] += (double)lane[i];
        }
    }
}

/* log(1 + z) for 0 <= z <= 1: what 1 + z loses of z, the quotient gives back. */
VEC_INLINE VEC CDK_AT(log_of_one_more)(VEC z)
{
    const VEC one = VEC_NUMBER(1), more = VEC_ADD(one, z), kept = VEC_SUB(more, one);
    const VEC logarithm = VEC_MUL(VEC_LOG(more), z / VEC_MAX(kept, VEC_NUMBER(1e-30)));
    return VEC_SELECT(VEC_GREATER(kept, VEC_ZERO()), logarithm, z);
}

/* Of n signed logits s (x for yes, -x for no): ce = log(1 + exp(-s)), the cross entropy, and rest = log(1 + exp(s)),
 * so that pt = exp(-ce) and 1 - pt = exp(-rest). */
static VEC_TARGET void CDK_AT(signed_entropies)(VEC_T *restrict ce, VEC_T *restrict rest,
                                                const VEC_T *restrict s, int64_t n)
{
    for (int64_t j = 0; j < n; j += VEC_WIDTH) {
        const VEC x = VEC_LOAD(s + j), minus = VEC_SUB(VEC_ZERO(), x);
        const VEC more = CDK_AT(log_of_one_more)(VEC_EXP(VEC_MIN(x, minus)));
        VEC_STORE(ce + j, VEC_ADD(more, VEC_MAX(minus, VEC_ZERO())));
        VEC_STORE(rest + j, VEC_ADD(more, VEC_MAX(x, VEC_ZERO())));
    }
}

/* y = exp(factor x) for n elements */
static VEC_TARGET void CDK_AT(exponentials)(VEC_T *restrict y, const VEC_T *restrict x, double factor,
                                            int64_t n)
{
    const VEC f = VEC_NUMBER(factor);
    for (int64_t j = 0; j < n; j += VEC_WIDTH) {
        VEC_STORE(y + j, VEC_EXP(VEC_MUL(VEC_LOAD(x + j), f)));
    }
}

#undef EACH_VECTOR
