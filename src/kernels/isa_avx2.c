/* AVX2 and FMA: 16 registers of 8 floats. 6 x 2 accumulators, two of w and one broadcast use 15 of them. */
#include "base/cpu.h"

#ifdef CD_HAVE_X86_TARGETS

#include <immintrin.h>

#include "kernels/inline.h"
#include "kernels/isa.h"

#define TILE_TARGET CD_TARGET_AVX2

static const int32_t mask_bits[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

/* Sums over the lanes of four vectors. */
static inline TILE_TARGET void sum_lanes4(float *sums, __m256 a, __m256 b, __m256 c, __m256 d)
{
    const __m256 ab = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    const __m256 cd = _mm256_add_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    const __m256 four = _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xee));
    _mm_storeu_ps(sums, _mm_add_ps(_mm256_castps256_ps128(four), _mm256_extractf128_ps(four, 1)));
}

#define VEC __m256
#define VEC_WIDTH 8
#define VEC_MASK __m256i
#define VEC_ZERO _mm256_setzero_ps
#define VEC_LOAD _mm256_loadu_ps
#define VEC_STORE _mm256_storeu_ps
#define VEC_STREAM _mm256_stream_ps
#define VEC_KEEP(v) __asm__("" : "+x"(v))
#define VEC_SET1 _mm256_set1_ps
#define VEC_ADD _mm256_add_ps
#define VEC_SUB _mm256_sub_ps
#define VEC_MUL _mm256_mul_ps
#define VEC_FMA _mm256_fmadd_ps
#define VEC_MAX _mm256_max_ps
#define VEC_MIN _mm256_min_ps
#define VEC_MAKE_MASK(n) _mm256_loadu_si256((const __m256i *)(mask_bits + 8 - (n)))
#define VEC_LOAD_MASK(p, mask) _mm256_maskload_ps(p, mask)
#define VEC_STORE_MASK(p, mask, v) _mm256_maskstore_ps(p, mask, v)
#define VEC_SUM4 sum_lanes4

#define ISA_TABLE cdk_isa_avx2
#define ISA_ROWS_OF_TWO 6
#include "kernels/isa_template.h"

#endif
