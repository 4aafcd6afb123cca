/* The loops of rows.c for one level: included after the vectors. The last vector of a row may be a part of
 * one, whose other lanes are neither read nor written, and count as 0 in sums. */
#include "kernels/vector_math.h"

#define EACH_VECTOR(i, n) for (; i + VEC_WIDTH <= n; i += VEC_WIDTH)
#define REST(i, n) VEC_MAKE_MASK((int)((n) - (i)))

VEC_INLINE float CDK_AT(sum_of_lanes)(VEC v)
{
    float lane[VEC_WIDTH], sum = 0;
    VEC_STORE(lane, v);
    for (int i = 0; i < VEC_WIDTH; i++) {
        sum += lane[i];
    }
    return sum;
}

static VEC_TARGET float CDK_AT(row_max)(const float *x, int64_t n)
{
    float top = -INFINITY, lane[VEC_WIDTH];
    int64_t i = 0;
    VEC all = VEC_SET1(-INFINITY);
    EACH_VECTOR(i, n)
    {
        all = VEC_MAX(VEC_LOAD(x + i), all);
    }
    VEC_STORE(lane, all);
    for (int k = 0; k < VEC_WIDTH; k++) {
        top = lane[k] > top ? lane[k] : top;
    }
    for (; i < n; i++) {
        top = x[i] > top ? x[i] : top;
    }
    return top;
}

static VEC_TARGET float CDK_AT(row_affine)(float *x, int64_t n, float scale, const float *shift)
{
    const VEC a = VEC_SET1(scale);
    int64_t i = 0;
    EACH_VECTOR(i, n)
    {
        VEC b = shift ? VEC_LOAD(shift + i) : VEC_ZERO();
        VEC_STORE(x + i, VEC_FMA(a, VEC_LOAD(x + i), b));
    }
    if (i < n) {
        const VEC_MASK rest = REST(i, n);
        VEC b = shift ? VEC_LOAD_MASK(shift + i, rest) : VEC_ZERO();
        VEC_STORE_MASK(x + i, rest, VEC_FMA(a, VEC_LOAD_MASK(x + i, rest), b));
    }
    return CDK_AT(row_max)(x, n);
}

static VEC_TARGET float CDK_AT(row_exp)(float *y, const float *x, int64_t n, float top)
{
    const VEC less = VEC_SET1(-top);
    VEC sum = VEC_ZERO();
    int64_t i = 0;
    EACH_VECTOR(i, n)
    {
        VEC e = VEC_EXP(VEC_ADD(VEC_LOAD(x + i), less));
        VEC_STORE(y + i, e);
        sum = VEC_ADD(sum, e);
    }
    if (i < n) {
        const VEC_MASK rest = REST(i, n);
        VEC_STORE_MASK(y + i, rest, VEC_EXP(VEC_ADD(VEC_LOAD_MASK(x + i, rest), less)));
        sum = VEC_ADD(sum, VEC_LOAD_MASK(y + i, rest));
    }
    return CDK_AT(sum_of_lanes)(sum);
}

static VEC_TARGET void CDK_AT(row_times)(float *y, const float *x, int64_t n, float factor)
{
    const VEC a = VEC_SET1(factor);
    int64_t i = 0;
    EACH_VECTOR(i, n)
    {
        VEC_STORE(y + i, VEC_MUL(a, VEC_LOAD(x + i)));
    }
    if (i < n) {
        const VEC_MASK rest = REST(i, n);
        VEC_STORE_MASK(y + i, rest, VEC_MUL(a, VEC_LOAD_MASK(x + i, rest)));
    }
}

static VEC_TARGET void CDK_AT(row_multiply)(float *y, const float *x, int64_t n)
{
    int64_t i = 0;
    EACH_VECTOR(i, n)
    {
        VEC_STORE(y + i, VEC_MUL(VEC_LOAD(y + i), VEC_LOAD(x + i)));
    }
    if (i < n) {
        const VEC_MASK rest = REST(i, n);
        VEC_STORE_MASK(y + i, rest, VEC_MUL(VEC_LOAD_MASK(y + i, rest), VEC_LOAD_MASK(x + i, rest)));
    }
}

/* y = x - amount */
static VEC_TARGET void CDK_AT(row_less)(float *y, const float *x, int64_t n, float amount)
{
    const VEC a = VEC_SET1(amount);
    int64_t i = 0;
    EACH_VECTOR(i, n)
    {
        VEC_STORE(y + i, VEC_SUB(VEC_LOAD(x + i), a));
    }
    if (i < n) {
        const VEC_MASK rest = REST(i, n);
        VEC_STORE_MASK(y + i, rest, VEC_SUB(VEC_LOAD_MASK(x + i, rest), a));
    }
}

static VEC_TARGET float CDK_AT(row_dot)(const float *a, const float *b, int64_t n)
{
    VEC sum = VEC_ZERO();
    int64_t i = 0;
    EACH_VECTOR(i, n)
    {
        sum = VEC_FMA(VEC_LOAD(a + i), VEC_LOAD(b + i), sum);
    }
    if (i < n) {
        const VEC_MASK rest = REST(i, n);
        sum = VEC_FMA(VEC_LOAD_MASK(a + i, rest), VEC_LOAD_MASK(b + i, rest), sum);
    }
    return CDK_AT(sum_of_lanes)(sum);
}

static VEC_TARGET float CDK_AT(row_sum)(const float *a, int64_t n)
{
    VEC sum = VEC_ZERO();
    int64_t i = 0;
    EACH_VECTOR(i, n)
    {
        sum = VEC_ADD(VEC_LOAD(a + i), sum);
    }
    if (i < n) {
        sum = VEC_ADD(VEC_LOAD_MASK(a + i, REST(i, n)), sum);
    }
    return CDK_AT(sum_of_lanes)(sum);
}

/* dx = y (dy - mean) */
static VEC_TARGET void CDK_AT(row_softmax_gradient)(float *dx, const float *dy, const float *y, int64_t n,
                                                    float mean)
{
    const VEC m = VEC_SET1(mean);
    int64_t i = 0;
    EACH_VECTOR(i, n)
    {
        VEC_STORE(dx + i, VEC_MUL(VEC_LOAD(y + i), VEC_SUB(VEC_LOAD(dy + i), m)));
    }
    if (i < n) {
        const VEC_MASK rest = REST(i, n);
        VEC less = VEC_SUB(VEC_LOAD_MASK(dy + i, rest), m);
        VEC_STORE_MASK(dx + i, rest, VEC_MUL(VEC_LOAD_MASK(y + i, rest), less));
    }
}

/* One vector of cdk_row_scores_gradient; shift and kept as they apply to it. */
VEC_INLINE void CDK_AT(scores_gradient)(VEC *x, VEC *d, VEC shift, VEC kept, const cdk_row_scores *s)
{
    VEC p = VEC_EXP(VEC_ADD(VEC_FMA(VEC_SET1(s->scale), *x, shift), VEC_SET1(-s->lse)));
    *d = VEC_MUL(VEC_MUL(VEC_SET1(s->factor), p), VEC_FMA(kept, *d, VEC_SET1(-s->mean)));
    *x = VEC_MUL(kept, p);
}

static VEC_TARGET void CDK_AT(row_scores_gradient)(float *x, float *d, int64_t n, const cdk_row_scores *s)
{
    const VEC one = VEC_SET1(1.0f), zero = VEC_ZERO();
    int64_t i = 0;
    EACH_VECTOR(i, n)
    {
        VEC a = VEC_LOAD(x + i), b = VEC_LOAD(d + i);
        CDK_AT(scores_gradient)
        (&a, &b, s->shift ? VEC_LOAD(s->shift + i) : zero, s->kept ? VEC_LOAD(s->kept + i) : one, s);
        VEC_STORE(x + i, a);
        VEC_STORE(d + i, b);
    }
    if (i < n) {
        const VEC_MASK rest = REST(i, n);
        VEC a = VEC_LOAD_MASK(x + i, rest), b = VEC_LOAD_MASK(d + i, rest);
        VEC shift = s->shift ? VEC_LOAD_MASK(s->shift + i, rest) : zero;
        CDK_AT(scores_gradient)(&a, &b, shift, s->kept ? VEC_LOAD_MASK(s->kept + i, rest) : one, s);
        VEC_STORE_MASK(x + i, rest, a);
        VEC_STORE_MASK(d + i, rest, b);
    }
}

/* dx = dy - exp(y) sum */
static VEC_TARGET void CDK_AT(row_log_softmax_gradient)(float *dx, const float *dy, const float *y, int64_t n,
                                                        float sum)
{
    const VEC less = VEC_SET1(-sum);
    int64_t i = 0;
    EACH_VECTOR(i, n)
    {
        VEC_STORE(dx + i, VEC_FMA(VEC_EXP(VEC_LOAD(y + i)), less, VEC_LOAD(dy + i)));
    }
    if (i < n) {
        const VEC_MASK rest = REST(i, n);
        VEC e = VEC_EXP(VEC_LOAD_MASK(y + i, rest));
        VEC_STORE_MASK(dx + i, rest, VEC_FMA(e, less, VEC_LOAD_MASK(dy + i, rest)));
    }
}

static VEC_TARGET void CDK_AT(softmax_row)(float *y, const float *x, int64_t n, bool logarithm)
{
    const float top = CDK_AT(row_max)(x, n);
    if (logarithm) {
        CDK_AT(row_less)(y, x, n, top);
        float sum = 0;
        for (int64_t i = 0; i < n; i += ROW_PIECE) {
            float piece[ROW_PIECE];
            sum += CDK_AT(row_exp)(piece, y + i, n - i < ROW_PIECE ? n - i : ROW_PIECE, 0);
        }
        CDK_AT(row_less)(y, y, n, logf(sum));
        return;
    }
    const float sum = CDK_AT(row_exp)(y, x, n, top);
    CDK_AT(row_times)(y, y, n, 1 / sum);
}

static VEC_TARGET void CDK_AT(softmax_row_gradient)(float *dx, const float *dy, const float *y, int64_t n,
                                                    bool logarithm)
{
    if (logarithm) {
        CDK_AT(row_log_softmax_gradient)(dx, dy, y, n, CDK_AT(row_sum)(dy, n));
    } else {
        CDK_AT(row_softmax_gradient)(dx, dy, y, n, CDK_AT(row_dot)(dy, y, n));
    }
}

#undef EACH_VECTOR
#undef REST
