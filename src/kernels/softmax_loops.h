/* What softmax does to blocks of BLOCK vectors, block[d][j], for one level: included by softmax.c after the
 * vectors. Every j is by itself. */
#include "kernels/vector_math.h"
#include "kernels/vector_runs.h"

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

/* Of n signed logits s (x for yes, -x for no): ce = log(1 + exp(-s)), the cross entropy, and rest = log(1 +
 * exp(s)), so that pt = exp(-ce) and 1 - pt = exp(-rest). */
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

/* Vectors that lie side by side: element d of vector i is x[d step + i]. Here every one is read where it is,
 * with the operations of the blocks above in their order. */

VEC_INLINE void CDK_AT(softmax_strip)(VEC_T *y, const VEC_T *x, int64_t D, int64_t step, const int logarithm,
                                      const int vectors, const int part, VEC_MASK mask)
{
    VEC top[VEC_RUN_VECTORS], total[VEC_RUN_VECTORS];
    for (int j = 0; j < vectors; j++) {
        top[j] = VEC_PART_LOAD(x + j * VEC_WIDTH, part, mask);
        total[j] = VEC_ZERO();
    }
    for (int64_t d = 1; d < D; d++) {
        for (int j = 0; j < vectors; j++) {
            top[j] = VEC_MAX(VEC_PART_LOAD(x + d * step + j * VEC_WIDTH, part, mask), top[j]);
        }
    }
    for (int64_t d = 0; d < D; d++) {
        for (int j = 0; j < vectors; j++) {
            const VEC v = VEC_SUB(VEC_PART_LOAD(x + d * step + j * VEC_WIDTH, part, mask), top[j]),
                      e = VEC_EXP(v);
            VEC_PART_STORE(y + d * step + j * VEC_WIDTH, logarithm ? v : e, part, mask);
            total[j] = VEC_ADD(total[j], e);
        }
    }
    for (int j = 0; j < vectors; j++) {
        if (logarithm) {
            total[j] = VEC_LOG(total[j]);
        } else {
            total[j] = VEC_SET1((VEC_T)1) / total[j];
        }
    }
    for (int64_t d = 0; d < D; d++) {
        for (int j = 0; j < vectors; j++) {
            VEC_T *at = y + d * step + j * VEC_WIDTH;
            const VEC v = VEC_PART_LOAD(at, part, mask);
            VEC_PART_STORE(at, logarithm ? VEC_SUB(v, total[j]) : VEC_MUL(v, total[j]), part, mask);
        }
    }
}

static VEC_TARGET void CDK_AT(softmax_run)(VEC_T *y, const VEC_T *x, int64_t D, int64_t step, int logarithm,
                                           int64_t n)
{
#define PLAIN(vectors, part, mask) CDK_AT(softmax_strip)(y + i, x + i, D, step, 0, vectors, part, mask)
#define LOGARITHM(vectors, part, mask) CDK_AT(softmax_strip)(y + i, x + i, D, step, 1, vectors, part, mask)
    if (logarithm) {
        VEC_RUN(n, LOGARITHM)
    } else {
        VEC_RUN(n, PLAIN)
    }
#undef PLAIN
#undef LOGARITHM
}

/* dx = y (dy - sum(dy y)), or dy - exp(y) sum(dy) */
VEC_INLINE void CDK_AT(softmax_gradient_strip)(VEC_T *dx, const VEC_T *dy, const VEC_T *y, cdk_vectors s,
                                               const int logarithm, const int vectors, const int part,
                                               VEC_MASK mask)
{
    VEC sum[VEC_RUN_VECTORS];
    for (int j = 0; j < vectors; j++) {
        sum[j] = VEC_ZERO();
    }
    for (int64_t d = 0; d < s.D; d++) {
        for (int j = 0; j < vectors; j++) {
            const VEC g = VEC_PART_LOAD(dy + d * s.inner + j * VEC_WIDTH, part, mask);
            sum[j] = logarithm
                         ? VEC_ADD(sum[j], g)
                         : VEC_FMA(g, VEC_PART_LOAD(y + d * s.inner + j * VEC_WIDTH, part, mask), sum[j]);
        }
    }
    for (int64_t d = 0; d < s.D; d++) {
        for (int j = 0; j < vectors; j++) {
            const int64_t at = d * s.inner + j * VEC_WIDTH;
            const VEC g = VEC_PART_LOAD(dy + at, part, mask), p = VEC_PART_LOAD(y + at, part, mask);
            const VEC result = logarithm ? VEC_FMA(VEC_SUB(VEC_ZERO(), VEC_EXP(p)), sum[j], g)
                                         : VEC_MUL(p, VEC_SUB(g, sum[j]));
            VEC_PART_STORE(dx + at, result, part, mask);
        }
    }
}

static VEC_TARGET void CDK_AT(softmax_gradient_run)(VEC_T *dx, const VEC_T *dy, const VEC_T *y, cdk_vectors s,
                                                    int logarithm, int64_t n)
{
#define PLAIN(vectors, part, mask) \
    CDK_AT(softmax_gradient_strip)(dx + i, dy + i, y + i, s, 0, vectors, part, mask)
#define LOGARITHM(vectors, part, mask) \
    CDK_AT(softmax_gradient_strip)(dx + i, dy + i, y + i, s, 1, vectors, part, mask)
    if (logarithm) {
        VEC_RUN(n, LOGARITHM)
    } else {
        VEC_RUN(n, PLAIN)
    }
#undef PLAIN
#undef LOGARITHM
}

#undef EACH_VECTOR
