/* Sums over spans of floats, and short rows that are normalised by themselves, by vectors: included by
 * normalisation_level.h for each level. Sums run in SPAN_SUMS vectors of partial sums and end in double. */
#include "kernels/elementwise.h"

#define SPAN_SUMS 4

/* The sum of a vector's lanes, in double. */
VEC_INLINE double CDK_AT(sum_lanes)(VEC v)
{
#if VEC_WIDTH == 1
    return (double)v;
#else
    double lane[VEC_WIDTH / 2];
    const WIDE sums = WIDE_LOW(v) + WIDE_HIGH(v);
    memcpy(lane, &sums, sizeof lane);
    for (int half = VEC_WIDTH / 4; half > 0; half /= 2) {
        for (int k = 0; k < half; k++) {
            lane[k] += lane[k + half];
        }
    }
    return lane[0];
#endif
}

VEC_INLINE double CDK_AT(sum_vectors)(const VEC *v)
{
    return CDK_AT(sum_lanes)(VEC_ADD(VEC_ADD(v[0], v[1]), VEC_ADD(v[2], v[3])));
}

/* The vector of x that begins at i < n, with `other` in place of what is behind the end. */
VEC_INLINE VEC CDK_AT(load_or)(const float *x, int64_t i, int64_t n, float other)
{
    const VEC part = CDK_AT(load_run)(x, i, n);
    return VEC_SELECT(VEC_GREATER(VEC_SET1((float)(n - i)), VEC_LOAD(lane_numbers)), part, VEC_SET1(other));
}

/* step(k, i) for the vectors that begin at i, partial sums k; rest(k, i) for what is left of the last. */
#define EACH_SPAN_VECTOR(n, step, rest)                                        \
    {                                                                          \
        int64_t i = 0;                                                         \
        for (; i + SPAN_SUMS * VEC_WIDTH <= (n); i += SPAN_SUMS * VEC_WIDTH) { \
            for (int k = 0; k < SPAN_SUMS; k++) {                              \
                step(k, i + k * VEC_WIDTH);                                    \
            }                                                                  \
        }                                                                      \
        for (; i + VEC_WIDTH <= (n); i += VEC_WIDTH) {                         \
            step(0, i);                                                        \
        }                                                                      \
        if (i < (n)) {                                                         \
            rest(1, i);                                                        \
        }                                                                      \
    }

#define ZERO_SUMS                                      \
    {                                                  \
        VEC_ZERO(), VEC_ZERO(), VEC_ZERO(), VEC_ZERO() \
    }

VEC_INLINE double CDK_AT(span_sum)(const float *x, int64_t n)
{
    VEC s[SPAN_SUMS] = ZERO_SUMS;
#define STEP(k, i) s[k] = VEC_ADD(s[k], VEC_LOAD(x + (i)))
#define REST(k, i) s[k] = VEC_ADD(s[k], CDK_AT(load_or)(x, i, n, 0))
    EACH_SPAN_VECTOR(n, STEP, REST)
#undef STEP
#undef REST
    return CDK_AT(sum_vectors)(s);
}

/* Sums of distances from mean and of their squares. */
VEC_INLINE void CDK_AT(span_distances)(double *d1, double *d2, const float *x, float mean, int64_t n)
{
    const VEC m = VEC_SET1(mean);
    VEC s1[SPAN_SUMS] = ZERO_SUMS, s2[SPAN_SUMS] = ZERO_SUMS;
#define ADD(k, v)                     \
    {                                 \
        const VEC d = VEC_SUB(v, m);  \
        s1[k] = VEC_ADD(s1[k], d);    \
        s2[k] = VEC_FMA(d, d, s2[k]); \
    }
#define STEP(k, i) ADD(k, VEC_LOAD(x + (i)))
#define REST(k, i) ADD(k, CDK_AT(load_or)(x, i, n, mean))
    EACH_SPAN_VECTOR(n, STEP, REST)
#undef ADD
#undef STEP
#undef REST
    *d1 = CDK_AT(sum_vectors)(s1);
    *d2 = CDK_AT(sum_vectors)(s2);
}

/* Sums of g = dy weight and of g (x - mean); weight NULL: 1. */
VEC_INLINE void CDK_AT(span_products)(double *first, double *second, const float *dy, const float *x,
                                      const float *weight, float mean, int64_t n)
{
    const VEC m = VEC_SET1(mean);
    VEC s1[SPAN_SUMS] = ZERO_SUMS, s2[SPAN_SUMS] = ZERO_SUMS;
#define ADD(k, v, g)                                     \
    {                                                    \
        const VEC gradient = g;                          \
        s1[k] = VEC_ADD(s1[k], gradient);                \
        s2[k] = VEC_FMA(gradient, VEC_SUB(v, m), s2[k]); \
    }
#define STEP(k, i) ADD(k, VEC_LOAD(x + (i)), VEC_LOAD(dy + (i)))
#define REST(k, i) ADD(k, CDK_AT(load_or)(x, i, n, 0), CDK_AT(load_or)(dy, i, n, 0))
#define WEIGHTED_STEP(k, i) ADD(k, VEC_LOAD(x + (i)), VEC_MUL(VEC_LOAD(dy + (i)), VEC_LOAD(weight + (i))))
#define WEIGHTED_REST(k, i)             \
    ADD(k, CDK_AT(load_or)(x, i, n, 0), \
        VEC_MUL(CDK_AT(load_or)(dy, i, n, 0), CDK_AT(load_or)(weight, i, n, 0)))
    if (weight == NULL) {
        EACH_SPAN_VECTOR(n, STEP, REST)
    } else {
        EACH_SPAN_VECTOR(n, WEIGHTED_STEP, WEIGHTED_REST)
    }
#undef ADD
#undef STEP
#undef REST
#undef WEIGHTED_STEP
#undef WEIGHTED_REST
    *first = CDK_AT(sum_vectors)(s1);
    *second = CDK_AT(sum_vectors)(s2);
}

/* ---- the names of kernels/normalisation_loops.h ---- */

static VEC_TARGET void CDK_AT(add_span_f32)(double *restrict sum, const float *restrict x, int64_t n)
{
    *sum += CDK_AT(span_sum)(x, n);
}

static VEC_TARGET void CDK_AT(add_span_distances_f32)(double *restrict d1, double *restrict d2,
                                                      const float *restrict x, float mean, int64_t n)
{
    double first, second;
    CDK_AT(span_distances)(&first, &second, x, mean, n);
    *d1 += first;
    *d2 += second;
}

static VEC_TARGET void CDK_AT(add_weighted_products_f32)(double *restrict first, double *restrict second,
                                                         const float *restrict dy, const float *restrict x,
                                                         const float *restrict weight, float mean, int64_t n)
{
    double sum, product;
    CDK_AT(span_products)(&sum, &product, dy, x, weight, mean, n);
    *first += sum;
    *second += product;
}

static VEC_TARGET void CDK_AT(add_span_products_f32)(double *restrict first, double *restrict second,
                                                     const float *restrict dy, const float *restrict x,
                                                     float mean, int64_t n)
{
    CDK_AT(add_weighted_products_f32)(first, second, dy, x, NULL, mean, n);
}

/* ---- rows of at most SPAN elements ---- */

VEC_INLINE void CDK_AT(write_row)(float *y, const float *x, const float *weight, const float *bias, VEC mean,
                                  VEC rstd, VEC offset, int64_t n)
{
    for (int64_t i = 0; i < n; i += VEC_WIDTH) {
        VEC v = VEC_FMA(VEC_SUB(CDK_AT(load_run)(x, i, n), mean), rstd, offset);
        if (weight != NULL && bias != NULL) {
            v = VEC_FMA(v, CDK_AT(load_run)(weight, i, n), CDK_AT(load_run)(bias, i, n));
        } else if (weight != NULL) {
            v = VEC_MUL(v, CDK_AT(load_run)(weight, i, n));
        } else if (bias != NULL) {
            v = VEC_ADD(v, CDK_AT(load_run)(bias, i, n));
        }
        CDK_AT(store_run)(y, i, n, v);
    }
}

/* Rows begin .. end - 1 of s; y is where the first of them goes. */
static VEC_TARGET void CDK_AT(normalise_short_rows)(float *y, const float *x, const cdk_row_norm *s,
                                                    int64_t begin, int64_t end)
{
    const int64_t n = s->length;
    const double share = 1 / (double)n;
    for (int64_t r = begin; r < end; r++) {
        const float *row = x + r * n;
        double d1, d2;
        const float about = s->mean != NULL ? (float)(CDK_AT(span_sum)(row, n) * share) : 0;
        CDK_AT(span_distances)(&d1, &d2, row, about, n);
        double lost = 0, squares = d2 * share;
        if (s->mean != NULL) {
            lost = d1 * share;
            squares = squares - lost * lost > 0 ? squares - lost * lost : squares * 0;
            s->mean[r] = (double)about + lost;
        }
        const double rstd = 1 / sqrt(squares + s->eps);
        s->rstd[r] = rstd;
        CDK_AT(write_row)
        (y + (r - begin) * n, row, s->weight, s->bias, VEC_SET1(about), VEC_SET1((float)rstd),
         VEC_SET1((float)(-lost * rstd)), n);
    }
}

/* dx = a dy weight + b (x - mean) + d; dweight += dy (x - mean) rstd and dbias += dy, unless they are
 * NULL. */
VEC_INLINE void CDK_AT(write_gradients)(float *dx, float *dweight, float *dbias, const float *dy,
                                        const float *x, const float *weight, const VEC *by, int64_t n)
{
    const VEC mean = by[0], a = by[1], b = by[2], d = by[3];
    for (int64_t i = 0; i < n; i += VEC_WIDTH) {
        const VEC g = CDK_AT(load_run)(dy, i, n), h = VEC_SUB(CDK_AT(load_run)(x, i, n), mean);
        if (dweight != NULL) {
            const VEC hat = VEC_MUL(h, a);
            CDK_AT(store_run)(dweight, i, n, VEC_FMA(g, hat, CDK_AT(load_run)(dweight, i, n)));
            CDK_AT(store_run)(dbias, i, n, VEC_ADD(g, CDK_AT(load_run)(dbias, i, n)));
        }
        if (dx != NULL) {
            const VEC gw = weight != NULL ? VEC_MUL(g, CDK_AT(load_run)(weight, i, n)) : g;
            CDK_AT(store_run)(dx, i, n, VEC_FMA(a, gw, VEC_FMA(b, h, d)));
        }
    }
}

/* The gradients of rows begin .. end - 1; part: [2][length] of dweight and dbias, or NULL. */
static VEC_TARGET void CDK_AT(short_row_gradients)(float *dx, float *part, const float *dy, const float *x,
                                                   const cdk_row_norm *s, int64_t begin, int64_t end)
{
    const int64_t n = s->length;
    const double share = 1 / (double)n;
    for (int64_t r = begin; r < end; r++) {
        const float mean = s->mean != NULL ? (float)s->mean[r] : 0;
        const double rstd = s->rstd[r];
        double sum = 0, product = 0;
        if (dx != NULL) {
            CDK_AT(span_products)(&sum, &product, dy + r * n, x + r * n, s->weight, mean, n);
        }
        const double d = s->mean != NULL ? -rstd * sum * share : 0, b = -rstd * rstd * rstd * product * share;
        const VEC by[] = {VEC_SET1(mean), VEC_SET1((float)rstd), VEC_SET1((float)b), VEC_SET1((float)d)};
        CDK_AT(write_gradients)
        (dx != NULL ? dx + r * n : NULL, part, part != NULL ? part + n : NULL, dy + r * n, x + r * n,
         s->weight, by, n);
    }
}

#undef SPAN_SUMS
#undef ZERO_SUMS
#undef EACH_SPAN_VECTOR
