/* Any machine: vectors of four floats which compilers map to what the machine has, or single floats where the
 * compiler has no vector types (CDK_NO_VECTORS makes believe so). See kernels/vec.h. */
#include "kernels/vec.h"

#include <math.h>

#if (defined(__GNUC__) || defined(__clang__)) && !defined(CDK_NO_VECTORS)

#ifndef CANDELA_KERNELS_VEC_PLAIN_H
#define CANDELA_KERNELS_VEC_PLAIN_H

typedef float plain_vec __attribute__((vector_size(16)));
typedef int32_t plain_int __attribute__((vector_size(16)));
typedef double plain_wide __attribute__((vector_size(16)));
typedef int64_t plain_wide_int __attribute__((vector_size(16)));
typedef uint64_t plain_wide_uint __attribute__((vector_size(16)));

static inline plain_vec plain_load(const float *p)
{
    plain_vec v = {p[0], p[1], p[2], p[3]};
    return v;
}

static inline void plain_store(float *p, plain_vec v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = v[i];
    }
}

static inline plain_vec plain_set1(float a)
{
    plain_vec v = {a, a, a, a};
    return v;
}

static inline plain_vec plain_max(plain_vec a, plain_vec b)
{
    for (int i = 0; i < 4; i++) {
        a[i] = a[i] > b[i] ? a[i] : b[i];
    }
    return a;
}

static inline plain_vec plain_min(plain_vec a, plain_vec b)
{
    for (int i = 0; i < 4; i++) {
        a[i] = a[i] < b[i] ? a[i] : b[i];
    }
    return a;
}

static inline plain_vec plain_select(plain_int choice, plain_vec a, plain_vec b)
{
    return (plain_vec)((choice & (plain_int)a) | (~choice & (plain_int)b));
}

static inline int plain_any(plain_int choice)
{
    return (choice[0] | choice[1] | choice[2] | choice[3]) != 0;
}

static inline plain_wide plain_wide_set1(double a)
{
    plain_wide w = {a, a};
    return w;
}

static inline plain_wide plain_wide_low(plain_vec v)
{
    plain_wide w = {v[0], v[1]};
    return w;
}

static inline plain_wide plain_wide_high(plain_vec v)
{
    plain_wide w = {v[2], v[3]};
    return w;
}

static inline plain_vec plain_wide_join(plain_wide low, plain_wide high)
{
    plain_vec v = {(float)low[0], (float)low[1], (float)high[0], (float)high[1]};
    return v;
}

static inline plain_wide plain_wide_select(plain_wide_int choice, plain_wide a, plain_wide b)
{
    return (plain_wide)((choice & (plain_wide_int)a) | (~choice & (plain_wide_int)b));
}

static inline plain_wide plain_wide_sqrt(plain_wide w)
{
    plain_wide root = {sqrt(w[0]), sqrt(w[1])};
    return root;
}

#define PLAIN_EACH(name, function)                                                      \
    static inline plain_vec name(plain_vec v)                                           \
    {                                                                                   \
        plain_vec y = {function(v[0]), function(v[1]), function(v[2]), function(v[3])}; \
        return y;                                                                       \
    }

PLAIN_EACH(plain_sqrt, sqrtf)
PLAIN_EACH(plain_floor, floorf)
PLAIN_EACH(plain_ceil, ceilf)
PLAIN_EACH(plain_trunc, truncf)
PLAIN_EACH(plain_nearest, nearbyintf)

static inline plain_vec plain_load_lanes(const float *p, int lanes)
{
    float v[4] = {0, 0, 0, 0};
    for (int i = 0; i < lanes; i++) {
        v[i] = p[i];
    }
    return plain_load(v);
}

static inline void plain_store_lanes(float *p, int lanes, plain_vec v)
{
    for (int i = 0; i < lanes; i++) {
        p[i] = v[i];
    }
}

static inline plain_vec plain_permute(plain_vec v, const int32_t *index)
{
    plain_vec to = {v[index[0]], v[index[1]], v[index[2]], v[index[3]]};
    return to;
}

static inline float plain_sum(plain_vec v)
{
    return (v[0] + v[1]) + (v[2] + v[3]);
}

static inline void plain_sum4(float *sums, plain_vec a, plain_vec b, plain_vec c, plain_vec d)
{
    sums[0] = plain_sum(a);
    sums[1] = plain_sum(b);
    sums[2] = plain_sum(c);
    sums[3] = plain_sum(d);
}

#endif

#define CDK_LEVEL plain
#define VEC_TARGET
#define VEC_T float
#define VEC plain_vec
#define VEC_WIDTH 4
#define VEC_MASK int
#define VEC_MAKE_MASK(n) (n)
#define VEC_LOAD plain_load
#define VEC_STORE plain_store
#define VEC_STREAM plain_store
#define VEC_LOAD_MASK(p, mask) plain_load_lanes(p, mask)
#define VEC_STORE_MASK(p, mask, v) plain_store_lanes(p, mask, v)
#define VEC_KEEP(v)
#define VEC_ZERO() plain_set1(0.0f)
#define VEC_SET1 plain_set1
#define VEC_ADD(a, b) ((a) + (b))
#define VEC_SUB(a, b) ((a) - (b))
#define VEC_MUL(a, b) ((a) * (b))
#define VEC_FMA(a, b, c) ((a) * (b) + (c))
#define VEC_MAX plain_max
#define VEC_MIN plain_min
#define VEC_SUM4 plain_sum4
#define VEC_INDEX const int32_t *
#define VEC_LOAD_INDEX(p) (p)
#define VEC_PERMUTE plain_permute
#define VEC_INT plain_int
#define VEC_BITS(v) ((plain_int)(v))
#define VEC_OF_BITS(i) ((plain_vec)(i))
#define VEC_GREATER(a, b) ((a) > (b))
#define VEC_EQUAL(a, b) ((a) == (b))
#define VEC_IS_NAN(v) ((v) != (v))
#define VEC_SELECT plain_select
#define VEC_ANY(choice) plain_any(choice)
#define VEC_SQRT plain_sqrt
#define VEC_FLOOR plain_floor
#define VEC_CEIL plain_ceil
#define VEC_TRUNC plain_trunc
#define VEC_NEAREST plain_nearest
#define WIDE plain_wide
#define WIDE_INT plain_wide_int
#define WIDE_UINT plain_wide_uint
#define WIDE_LOW plain_wide_low
#define WIDE_HIGH plain_wide_high
#define WIDE_JOIN plain_wide_join
#define WIDE_SET1 plain_wide_set1
#define WIDE_BITS(w) ((plain_wide_int)(w))
#define WIDE_OF_BITS(i) ((plain_wide)(i))
#define WIDE_SELECT(choice, a, b) plain_wide_select(choice, a, b)
#define WIDE_SQRT plain_wide_sqrt

#else

#ifndef CANDELA_KERNELS_VEC_PLAIN_H
#define CANDELA_KERNELS_VEC_PLAIN_H

static inline int32_t plain_bits(float v)
{
    int32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static inline float plain_of_bits(int32_t bits)
{
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static inline int64_t plain_wide_bits(double w)
{
    int64_t bits;
    memcpy(&bits, &w, sizeof bits);
    return bits;
}

static inline double plain_wide_of_bits(int64_t bits)
{
    double w;
    memcpy(&w, &bits, sizeof w);
    return w;
}

static inline void plain_sum4(float *sums, float a, float b, float c, float d)
{
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}

#endif

#include "kernels/vec_scalar.h"

#define CDK_LEVEL plain
#define VEC_T float
#define VEC float
#define VEC_STREAM VEC_STORE
#define VEC_LOAD_MASK(p, mask) ((mask) ? *(p) : 0.0f)
#define VEC_KEEP(v)
#define VEC_ZERO() 0.0f
#define VEC_SET1(a) ((float)(a))
#define VEC_SUM4 plain_sum4
#define VEC_INDEX const int32_t *
#define VEC_LOAD_INDEX(p) (p)
#define VEC_PERMUTE(v, index) ((void)(index), (v))
#define VEC_INT int32_t
#define VEC_BITS(v) plain_bits(v)
#define VEC_OF_BITS(i) plain_of_bits(i)
#define VEC_SQRT sqrtf
#define VEC_FLOOR floorf
#define VEC_CEIL ceilf
#define VEC_TRUNC truncf
#define VEC_NEAREST nearbyintf
#define WIDE double
#define WIDE_INT int64_t
#define WIDE_UINT uint64_t
#define WIDE_LOW(v) ((double)(v))
#define WIDE_HIGH(v) ((double)(v))
#define WIDE_JOIN(low, high) ((void)(high), (float)(low))
#define WIDE_SET1(a) ((double)(a))
#define WIDE_BITS(w) plain_wide_bits(w)
#define WIDE_OF_BITS(i) plain_wide_of_bits(i)
#define WIDE_SELECT(choice, a, b) ((choice) ? (a) : (b))
#define WIDE_SQRT sqrt

#endif
