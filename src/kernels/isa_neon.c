/* NEON on aarch64: 32 registers of 4 floats, 12 x 2 of them accumulators. */
#include "base/cpu.h"

#ifdef CD_HAVE_NEON

#include <arm_neon.h>

#include "kernels/inline.h"
#include "kernels/isa.h"

#define TILE_TARGET

static inline float32x4_t load_lanes(const float *p, int lanes)
{
    float v[4] = {0, 0, 0, 0};
    for (int i = 0; i < lanes; i++) {
        v[i] = p[i];
    }
    return vld1q_f32(v);
}

static inline void store_lanes(float *p, int lanes, float32x4_t value)
{
    float v[4];
    vst1q_f32(v, value);
    for (int i = 0; i < lanes; i++) {
        p[i] = v[i];
    }
}

#define VEC float32x4_t
#define VEC_WIDTH 4
#define VEC_MASK int
#define VEC_ZERO() vdupq_n_f32(0.0f)
#define VEC_LOAD vld1q_f32
#define VEC_STORE vst1q_f32
#define VEC_STREAM vst1q_f32
#define VEC_SET1 vdupq_n_f32
#define VEC_ADD vaddq_f32
#define VEC_SUB vsubq_f32
#define VEC_MUL vmulq_f32
#define VEC_FMA(a, b, c) vfmaq_f32(c, a, b)
#define VEC_MAX vmaxq_f32
#define VEC_MIN vminq_f32
#define VEC_MAKE_MASK(n) (n)
#define VEC_LOAD_MASK(p, mask) load_lanes(p, mask)
#define VEC_STORE_MASK(p, mask, v) store_lanes(p, mask, v)
#define VEC_SUM4(sums, a, b, c, d) vst1q_f32(sums, vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d)))

#define ISA_TABLE cdk_isa_neon
#define ISA_ROWS_OF_TWO 12
#include "kernels/isa_template.h"

#endif
