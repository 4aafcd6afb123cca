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
#define VEC_FMA(a, b, c) vfmaq_f32(c, a, b)
#define VEC_MAX vmaxq_f32
#define VEC_MIN vminq_f32
#define VEC_MAKE_MASK(n) (n)
#define VEC_LOAD_MASK(p, mask) load_lanes(p, mask)
#define VEC_STORE_MASK(p, mask, v) store_lanes(p, mask, v)

#define TILE_NAME one
#define TILE_ROWS 12
#define TILE_VECTORS 1
#include "kernels/tile_template.h"

#define TILE_NAME two
#define TILE_ROWS 12
#define TILE_VECTORS 2
#include "kernels/tile_template.h"

#define VEC_SUM vaddvq_f32

#include "kernels/thin_template.h"

#include "kernels/channels_template.h"

const cdk_isa cdk_isa_neon = {
    .kinds = 2,
    .kind = {{8, 12, tiles_two}, {4, 12, tiles_one}, {0, 0, NULL}},
    .thin = thin,
    .thin_width = 4,
    .depthwise = depthwise,
    .channel_dot = channel_dot,
    .channel_sum = channel_sum,
    .channel_moments = channel_moments,
    .move_out = move_out,
};

#endif
