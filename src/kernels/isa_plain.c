/* Any machine: vectors of four floats in portable C, which compilers map to what the machine has. */
#include "kernels/inline.h"
#include "kernels/isa.h"

#define TILE_TARGET

#if defined(__GNUC__) || defined(__clang__)

typedef float plain_vec __attribute__((vector_size(16)));

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

static inline plain_vec plain_add(plain_vec a, plain_vec b)
{
    return a + b;
}

static inline plain_vec plain_sub(plain_vec a, plain_vec b)
{
    return a - b;
}

static inline plain_vec plain_mul(plain_vec a, plain_vec b)
{
    return a * b;
}

static inline plain_vec plain_fma(plain_vec a, plain_vec b, plain_vec c)
{
    return a * b + c;
}

#define PLAIN_LANE(v, i) (v)[i]

#else

typedef struct plain_vec {
    float lane[4];
} plain_vec;

static inline plain_vec plain_load(const float *p)
{
    plain_vec v = {{p[0], p[1], p[2], p[3]}};
    return v;
}

static inline void plain_store(float *p, plain_vec v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = v.lane[i];
    }
}

static inline plain_vec plain_set1(float a)
{
    plain_vec v = {{a, a, a, a}};
    return v;
}

static inline plain_vec plain_add(plain_vec a, plain_vec b)
{
    for (int i = 0; i < 4; i++) {
        a.lane[i] += b.lane[i];
    }
    return a;
}

static inline plain_vec plain_sub(plain_vec a, plain_vec b)
{
    for (int i = 0; i < 4; i++) {
        a.lane[i] -= b.lane[i];
    }
    return a;
}

static inline plain_vec plain_mul(plain_vec a, plain_vec b)
{
    for (int i = 0; i < 4; i++) {
        a.lane[i] *= b.lane[i];
    }
    return a;
}

static inline plain_vec plain_fma(plain_vec a, plain_vec b, plain_vec c)
{
    for (int i = 0; i < 4; i++) {
        c.lane[i] += a.lane[i] * b.lane[i];
    }
    return c;
}

#define PLAIN_LANE(v, i) (v).lane[i]

#endif

/* Both return the second argument when one is NaN. */
static inline plain_vec plain_max(plain_vec a, plain_vec b)
{
    for (int i = 0; i < 4; i++) {
        PLAIN_LANE(a, i) = PLAIN_LANE(a, i) > PLAIN_LANE(b, i) ? PLAIN_LANE(a, i) : PLAIN_LANE(b, i);
    }
    return a;
}

static inline plain_vec plain_min(plain_vec a, plain_vec b)
{
    for (int i = 0; i < 4; i++) {
        PLAIN_LANE(a, i) = PLAIN_LANE(a, i) < PLAIN_LANE(b, i) ? PLAIN_LANE(a, i) : PLAIN_LANE(b, i);
    }
    return a;
}

static inline plain_vec load_lanes(const float *p, int lanes)
{
    float v[4] = {0, 0, 0, 0};
    for (int i = 0; i < lanes; i++) {
        v[i] = p[i];
    }
    return plain_load(v);
}

static inline void store_lanes(float *p, int lanes, plain_vec v)
{
    for (int i = 0; i < lanes; i++) {
        p[i] = PLAIN_LANE(v, i);
    }
}

static inline float sum_lanes(plain_vec v)
{
    return (PLAIN_LANE(v, 0) + PLAIN_LANE(v, 1)) + (PLAIN_LANE(v, 2) + PLAIN_LANE(v, 3));
}

static inline void sum_lanes4(float *sums, plain_vec a, plain_vec b, plain_vec c, plain_vec d)
{
    sums[0] = sum_lanes(a);
    sums[1] = sum_lanes(b);
    sums[2] = sum_lanes(c);
    sums[3] = sum_lanes(d);
}

#define VEC plain_vec
#define VEC_WIDTH 4
#define VEC_MASK int
#define VEC_ZERO() plain_set1(0.0f)
#define VEC_LOAD plain_load
#define VEC_STORE plain_store
#define VEC_STREAM plain_store
#define VEC_SET1 plain_set1
#define VEC_ADD plain_add
#define VEC_SUB plain_sub
#define VEC_MUL plain_mul
#define VEC_FMA plain_fma
#define VEC_MAX plain_max
#define VEC_MIN plain_min
#define VEC_MAKE_MASK(n) (n)
#define VEC_LOAD_MASK(p, mask) load_lanes(p, mask)
#define VEC_STORE_MASK(p, mask, v) store_lanes(p, mask, v)
#define VEC_SUM4 sum_lanes4

#define ISA_TABLE cdk_isa_plain
#define ISA_ROWS_OF_TWO 6
#include "kernels/isa_template.h"
