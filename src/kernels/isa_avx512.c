/* AVX-512: 32 registers of 16 floats. 14 x 2 accumulators, two of w and one broadcast use 31 of them, and 14
 * divides the widths of images that are a multiple of 14 (224, 112, ...). Narrow columns use 8 floats. */
#include "base/cpu.h"

#ifdef CD_HAVE_X86_TARGETS

#include <immintrin.h>

#include "kernels/inline.h"
#include "kernels/isa.h"

#define TILE_TARGET CD_TARGET_AVX512

#define VEC __m256
#define VEC_WIDTH 8
#define VEC_MASK __mmask8
#define VEC_ZERO _mm256_setzero_ps
#define VEC_LOAD _mm256_loadu_ps
#define VEC_STORE _mm256_storeu_ps
#define VEC_STREAM _mm256_stream_ps
#define VEC_SET1 _mm256_set1_ps
#define VEC_ADD _mm256_add_ps
#define VEC_FMA _mm256_fmadd_ps
#define VEC_MAX _mm256_max_ps
#define VEC_MIN _mm256_min_ps
#define VEC_MAKE_MASK(n) ((__mmask8)((1u << (n)) - 1u))
#define VEC_LOAD_MASK(p, mask) _mm256_maskz_loadu_ps(mask, p)
#define VEC_STORE_MASK(p, mask, v) _mm256_mask_storeu_ps(p, mask, v)

#define TILE_NAME half
#define TILE_ROWS 14
#define TILE_VECTORS 1
#include "kernels/tile_template.h"

/* Sums over the lanes of four vectors: narrower vectors have less to add. */
static inline TILE_TARGET void sum_lanes4(float *sums, __m256 a, __m256 b, __m256 c, __m256 d)
{
    const __m256 ab = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    const __m256 cd = _mm256_add_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    const __m256 four = _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xee));
    _mm_storeu_ps(sums, _mm_add_ps(_mm256_castps256_ps128(four), _mm256_extractf128_ps(four, 1)));
}
#define VEC_SUM4 sum_lanes4

#include "kernels/thin_template.h"

#undef VEC
#undef VEC_WIDTH
#undef VEC_MASK
#undef VEC_ZERO
#undef VEC_LOAD
#undef VEC_STORE
#undef VEC_STREAM
#undef VEC_SET1
#undef VEC_ADD
#undef VEC_FMA
#undef VEC_MAX
#undef VEC_MIN
#undef VEC_MAKE_MASK
#undef VEC_LOAD_MASK
#undef VEC_STORE_MASK

#define VEC __m512
#define VEC_WIDTH 16
#define VEC_MASK __mmask16
#define VEC_ZERO _mm512_setzero_ps
#define VEC_LOAD _mm512_loadu_ps
#define VEC_STORE _mm512_storeu_ps
#define VEC_STREAM _mm512_stream_ps
#define VEC_SET1 _mm512_set1_ps
#define VEC_ADD _mm512_add_ps
#define VEC_SUB _mm512_sub_ps
#define VEC_MUL _mm512_mul_ps
#define VEC_FMA _mm512_fmadd_ps
#define VEC_MAX _mm512_max_ps
#define VEC_MIN _mm512_min_ps
#define VEC_MAKE_MASK(n) ((__mmask16)((1u << (n)) - 1u))
#define VEC_LOAD_MASK(p, mask) _mm512_maskz_loadu_ps(mask, p)
#define VEC_STORE_MASK(p, mask, v) _mm512_mask_storeu_ps(p, mask, v)

#define TILE_NAME one
#define TILE_ROWS 14
#define TILE_VECTORS 1
#include "kernels/tile_template.h"

#define TILE_NAME two
#define TILE_ROWS 14
#define TILE_VECTORS 2
#include "kernels/tile_template.h"

#define DEPTHWISE3_PIXELS 7
#define VEC_KEEP(v) __asm__("" : "+v"(v))
#include "kernels/channels_template.h"
#include "kernels/depthwise3_template.h"

#include "kernels/winograd_template.h"

const cdk_isa cdk_isa_avx512 = {
    .kinds = 3,
    .kind = {{32, 14, tiles_two}, {16, 14, tiles_one}, {8, 14, tiles_half}},
    .thin_width = 8,
    CDK_ISA_KERNELS,
};

#endif
