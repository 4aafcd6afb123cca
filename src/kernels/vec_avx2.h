/* AVX2 and FMA: 16 registers of 8 floats. See kernels/vec.h. */
#include "kernels/vec.h"

#ifndef CANDELA_KERNELS_VEC_AVX2_H
#define CANDELA_KERNELS_VEC_AVX2_H

#include <immintrin.h>

typedef int32_t avx2_int __attribute__((vector_size(32)));

static const int32_t avx2_mask_bits[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

static inline CD_TARGET_AVX2 void avx2_sum4(float *sums, __m256 a, __m256 b, __m256 c, __m256 d)
{
    const __m256 ab = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    const __m256 cd = _mm256_add_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    const __m256 four = _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xee));
    _mm_storeu_ps(sums, _mm_add_ps(_mm256_castps256_ps128(four), _mm256_extractf128_ps(four, 1)));
}

#endif

#define CDK_LEVEL avx2
#define VEC_TARGET CD_TARGET_AVX2
#define VEC_T float
#define VEC __m256
#define VEC_WIDTH 8
#define VEC_MASK __m256i
#define VEC_MAKE_MASK(n) _mm256_loadu_si256((const __m256i *)(avx2_mask_bits + 8 - (n)))
#define VEC_LOAD _mm256_loadu_ps
#define VEC_STORE _mm256_storeu_ps
#define VEC_STREAM _mm256_stream_ps
#define VEC_LOAD_MASK(p, mask) _mm256_maskload_ps(p, mask)
#define VEC_STORE_MASK(p, mask, v) _mm256_maskstore_ps(p, mask, v)
#define VEC_KEEP(v) __asm__("" : "+x"(v))
#define VEC_ZERO _mm256_setzero_ps
#define VEC_SET1 _mm256_set1_ps
#define VEC_ADD _mm256_add_ps
#define VEC_SUB _mm256_sub_ps
#define VEC_MUL _mm256_mul_ps
#define VEC_FMA _mm256_fmadd_ps
#define VEC_MAX _mm256_max_ps
#define VEC_MIN _mm256_min_ps
#define VEC_SUM4 avx2_sum4
#define VEC_INT avx2_int
#define VEC_BITS(v) ((avx2_int)(v))
#define VEC_OF_BITS(i) ((__m256)(i))
#define VEC_GREATER(a, b) ((avx2_int)_mm256_cmp_ps(a, b, _CMP_GT_OQ))
#define VEC_SELECT(choice, a, b) _mm256_blendv_ps(b, a, (__m256)(choice))
