/* NEON on aarch64: 32 registers of 4 floats. See kernels/vec.h. */
#include "kernels/vec.h"

#ifndef CANDELA_KERNELS_VEC_NEON_H
#define CANDELA_KERNELS_VEC_NEON_H

#include <arm_neon.h>

typedef int32_t neon_int __attribute__((vector_size(16)));
typedef int64_t neon_wide_int __attribute__((vector_size(16)));
typedef uint64_t neon_wide_uint __attribute__((vector_size(16)));

static inline float32x4_t neon_load_lanes(const float *p, int lanes)
{
    float v[4] = {0, 0, 0, 0};
    for (int i = 0; i < lanes; i++) {
        v[i] = p[i];
    }
    return vld1q_f32(v);
}

static inline void neon_store_lanes(float *p, int lanes, float32x4_t value)
{
    float v[4];
    vst1q_f32(v, value);
    for (int i = 0; i < lanes; i++) {
        p[i] = v[i];
    }
}

static inline float32x4_t neon_permute(float32x4_t value, const int32_t *index)
{
    float v[4];
    vst1q_f32(v, value);
    const float to[4] = {v[index[0]], v[index[1]], v[index[2]], v[index[3]]};
    return vld1q_f32(to);
}

#endif

#define CDK_LEVEL neon
#define VEC_TARGET
#define VEC_T float
#define VEC float32x4_t
#define VEC_WIDTH 4
#define VEC_MASK int
#define VEC_MAKE_MASK(n) (n)
#define VEC_LOAD vld1q_f32
#define VEC_STORE vst1q_f32
#define VEC_STREAM vst1q_f32
#define VEC_LOAD_MASK(p, mask) neon_load_lanes(p, mask)
#define VEC_STORE_MASK(p, mask, v) neon_store_lanes(p, mask, v)
#define VEC_KEEP(v)
#define VEC_ZERO() vdupq_n_f32(0.0f)
#define VEC_SET1 vdupq_n_f32
#define VEC_ADD vaddq_f32
#define VEC_SUB vsubq_f32
#define VEC_MUL vmulq_f32
#define VEC_FMA(a, b, c) vfmaq_f32(c, a, b)
#define VEC_MAX vmaxq_f32
#define VEC_MIN vminq_f32
#define VEC_SUM4(sums, a, b, c, d) vst1q_f32(sums, vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d)))
#define VEC_INDEX const int32_t *
#define VEC_LOAD_INDEX(p) (p)
#define VEC_PERMUTE neon_permute
#define VEC_INT neon_int
#define VEC_BITS(v) ((neon_int)(v))
#define VEC_OF_BITS(i) ((float32x4_t)(i))
#define VEC_GREATER(a, b) vcgtq_f32(a, b)
#define VEC_EQUAL(a, b) vceqq_f32(a, b)
#define VEC_IS_NAN(v) vmvnq_u32(vceqq_f32(v, v))
#define VEC_SELECT vbslq_f32
#define VEC_ANY(choice) (vmaxvq_u32(choice) != 0)
#define VEC_SQRT vsqrtq_f32
#define VEC_FLOOR vrndmq_f32
#define VEC_CEIL vrndpq_f32
#define VEC_TRUNC vrndq_f32
#define VEC_NEAREST vrndnq_f32
#define WIDE float64x2_t
#define WIDE_INT neon_wide_int
#define WIDE_UINT neon_wide_uint
#define WIDE_LOW(v) vcvt_f64_f32(vget_low_f32(v))
#define WIDE_HIGH(v) vcvt_high_f64_f32(v)
#define WIDE_JOIN(low, high) vcvt_high_f32_f64(vcvt_f32_f64(low), high)
#define WIDE_SET1 vdupq_n_f64
#define WIDE_BITS(w) ((neon_wide_int)(w))
#define WIDE_OF_BITS(i) ((float64x2_t)(i))
#define WIDE_SELECT(choice, a, b) vbslq_f64((uint64x2_t)(choice), a, b)
#define WIDE_SQRT vsqrtq_f64
