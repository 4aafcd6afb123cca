/* What vectors of 8 floats have in common, whether AVX2 or AVX-512 computes on them. See kernels/vec.h, which
 * the level's own header includes first. */
#ifndef CANDELA_KERNELS_VEC_256_H
#define CANDELA_KERNELS_VEC_256_H

#include <immintrin.h>
#include <stdint.h>

#include "base/cpu.h"

typedef int32_t vec256_int __attribute__((vector_size(32)));
typedef int64_t wide256_int __attribute__((vector_size(32)));
typedef uint64_t wide256_uint __attribute__((vector_size(32)));

static inline CD_TARGET_AVX2 __m256d wide256_low(__m256 v)
{
    return _mm256_cvtps_pd(_mm256_castps256_ps128(v));
}

static inline CD_TARGET_AVX2 __m256d wide256_high(__m256 v)
{
    return _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));
}

static inline CD_TARGET_AVX2 __m256 wide256_join(__m256d low, __m256d high)
{
    return _mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low));
}

static inline CD_TARGET_AVX2 __m256d wide256_select(wide256_int choice, __m256d a, __m256d b)
{
    return _mm256_blendv_pd(b, a, (__m256d)choice);
}

static inline CD_TARGET_AVX2 void vec256_sum4(float *sums, __m256 a, __m256 b, __m256 c, __m256 d)
{
    const __m256 ab = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    const __m256 cd = _mm256_add_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    const __m256 four = _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xee));
    _mm_storeu_ps(sums, _mm_add_ps(_mm256_castps256_ps128(four), _mm256_extractf128_ps(four, 1)));
}

#endif

#define VEC_T float
#define VEC __m256
#define VEC_WIDTH 8
#define VEC_LOAD _mm256_loadu_ps
#define VEC_STORE _mm256_storeu_ps
#define VEC_STREAM _mm256_stream_ps
#define VEC_ZERO _mm256_setzero_ps
#define VEC_SET1 _mm256_set1_ps
#define VEC_ADD _mm256_add_ps
#define VEC_SUB _mm256_sub_ps
#define VEC_MUL _mm256_mul_ps
#define VEC_FMA _mm256_fmadd_ps
#define VEC_MAX _mm256_max_ps
#define VEC_MIN _mm256_min_ps
#define VEC_OF_BITS(i) ((__m256)(i))
#define VEC_SUM4 vec256_sum4
#define VEC_INDEX __m256i
#define VEC_LOAD_INDEX(p) _mm256_loadu_si256((const __m256i *)(p))
#define VEC_PERMUTE(v, index) _mm256_permutevar8x32_ps(v, index)
#define VEC_INT vec256_int
#define VEC_BITS(v) ((vec256_int)(v))
#define VEC_SQRT _mm256_sqrt_ps
#define VEC_FLOOR _mm256_floor_ps
#define VEC_CEIL _mm256_ceil_ps
#define VEC_TRUNC(v) _mm256_round_ps(v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)
#define VEC_NEAREST(v) _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define WIDE __m256d
#define WIDE_INT wide256_int
#define WIDE_UINT wide256_uint
#define WIDE_LOW wide256_low
#define WIDE_HIGH wide256_high
#define WIDE_JOIN wide256_join
#define WIDE_SET1 _mm256_set1_pd
#define WIDE_BITS(w) ((wide256_int)(w))
#define WIDE_OF_BITS(i) ((__m256d)(i))
#define WIDE_SELECT(choice, a, b) wide256_select((wide256_int)(choice), a, b)
#define WIDE_SQRT _mm256_sqrt_pd
