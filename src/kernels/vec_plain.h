/* Any machine: vectors of four floats which compilers map to what the machine has, or single floats where the
 * compiler has no vector types (CDK_NO_VECTORS makes believe so). See kernels/vec.h. */
#include "kernels/vec.h"

#if (defined(__GNUC__) || defined(__clang__)) && !defined(CDK_NO_VECTORS)

#ifndef CANDELA_KERNELS_VEC_PLAIN_H
#define CANDELA_KERNELS_VEC_PLAIN_H

typedef float plain_vec __attribute__((vector_size(16)));
typedef int32_t plain_int __attribute__((vector_size(16)));

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

#endif
