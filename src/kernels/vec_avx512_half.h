/* AVX-512 with vectors of 8 floats, for what is narrow: masks are registers of their own, there are 32 vectors,
 * and sums over the lanes are shorter than those of 16. See kernels/vec.h. */
#include "kernels/vec.h"

#ifndef CANDELA_KERNELS_VEC_AVX512_HALF_H
#define CANDELA_KERNELS_VEC_AVX512_HALF_H

#include <immintrin.h>

typedef int32_t avx512_half_int __attribute__((vector_size(32)));

static inline CD_TARGET_AVX512 void avx512_half_sum4(float *sums, __m256 a, __m256 b, __m256 c, __m256 d)
{
    const __m256 ab = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    const __m256 cd = _mm256_add_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    const __m256 four = _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xee));
    _mm_storeu_ps(sums, _mm_add_ps(_mm256_castps256_ps128(four), _mm256_extractf128_ps(four, 1)));
}

#endif

#define CDK_LEVEL avx512_half
#define VEC_TARGET CD_TARGET_AVX512
#define VEC_T float
#define VEC __m256
#define VEC_WIDTH 8
#define VEC_MASK __mmask8
#define VEC_MAKE_MASK(n) ((__mmask8)((1u << (n)) - 1u))
#define VEC_LOAD _mm256_loadu_ps
#define VEC_STORE _mm256_storeu_ps
#define VEC_STREAM _mm256_stream_ps
#define VEC_LOAD_MASK(p, mask) _mm256_maskz_loadu_ps(mask, p)
#define VEC_STORE_MASK(p, mask, v) _mm256_mask_storeu_ps(p, mask, v)
#define VEC_KEEP(v) __asm__("" : "+v"(v))
#define VEC_ZERO _mm256_setzero_ps
#define VEC_SET1 _mm256_set1_ps
#define VEC_ADD _mm256_add_ps
#define VEC_SUB _mm256_sub_ps
#define VEC_MUL _mm256_mul_ps
#define VEC_FMA _mm256_fmadd_ps
#define VEC_MAX _mm256_max_ps
#define VEC_MIN _mm256_min_ps
#define VEC_SUM4 avx512_half_sum4
#define VEC_INT avx512_half_int
#define VEC_BITS(v) ((avx512_half_int)(v))
#define VEC_OF_BITS(i) ((__m256)(i))
#define VEC_GREATER(a, b) _mm256_cmp_ps_mask(a, b, _CMP_GT_OQ)
#define VEC_SELECT(choice, a, b) _mm256_mask_blend_ps(choice, b, a)
