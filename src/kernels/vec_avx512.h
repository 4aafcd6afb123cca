/* AVX-512: 32 registers of 16 floats. See kernels/vec.h. */
#include "kernels/vec.h"

#ifndef CANDELA_KERNELS_VEC_AVX512_H
#define CANDELA_KERNELS_VEC_AVX512_H

#include <immintrin.h>

typedef int32_t avx512_int __attribute__((vector_size(64)));
typedef int64_t wide512_int __attribute__((vector_size(64)));
typedef uint64_t wide512_uint __attribute__((vector_size(64)));

static inline CD_TARGET_AVX512 __m512d wide512_low(__m512 v)
{
    return _mm512_cvtps_pd(_mm512_castps512_ps256(v));
}

static inline CD_TARGET_AVX512 __m512d wide512_high(__m512 v)
{
    return _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));
}

static inline CD_TARGET_AVX512 __m512 wide512_join(__m512d low, __m512d high)
{
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)), _mm512_cvtpd_ps(high), 1);
}

static inline CD_TARGET_AVX512 __m512d wide512_select(wide512_int choice, __m512d a, __m512d b)
{
    return _mm512_mask_blend_pd(_mm512_movepi64_mask((__m512i)choice), b, a);
}

static inline CD_TARGET_AVX512 void avx512_sum4(float *sums, __m512 a, __m512 b, __m512 c, __m512 d)
{
    sums[0] = _mm512_reduce_add_ps(a);
    sums[1] = _mm512_reduce_add_ps(b);
    sums[2] = _mm512_reduce_add_ps(c);
    sums[3] = _mm512_reduce_add_ps(d);
}

#endif

#define CDK_LEVEL avx512
#define VEC_TARGET CD_TARGET_AVX512
#define VEC_T float
#define VEC __m512
#define VEC_WIDTH 16
#define VEC_MASK __mmask16
#define VEC_MAKE_MASK(n) ((__mmask16)((1u << (n)) - 1u))
#define VEC_LOAD _mm512_loadu_ps
#define VEC_STORE _mm512_storeu_ps
#define VEC_STREAM _mm512_stream_ps
#define VEC_LOAD_MASK(p, mask) _mm512_maskz_loadu_ps(mask, p)
#define VEC_STORE_MASK(p, mask, v) _mm512_mask_storeu_ps(p, mask, v)
#define VEC_KEEP(v) __asm__("" : "+v"(v))
#define VEC_ZERO _mm512_setzero_ps
#define VEC_SET1 _mm512_set1_ps
#define VEC_ADD _mm512_add_ps
#define VEC_SUB _mm512_sub_ps
#define VEC_MUL _mm512_mul_ps
#define VEC_FMA _mm512_fmadd_ps
#define VEC_MAX _mm512_max_ps
#define VEC_MIN _mm512_min_ps
#define VEC_SCALE _mm512_scalef_ps
#define VEC_SUM4 avx512_sum4
#define VEC_INDEX __m512i
#define VEC_LOAD_INDEX(p) _mm512_loadu_si512(p)
#define VEC_PERMUTE(v, index) _mm512_permutexvar_ps(index, v)
#define VEC_INT avx512_int
#define VEC_BITS(v) ((avx512_int)(v))
#define VEC_OF_BITS(i) ((__m512)(i))
#define VEC_GREATER(a, b) _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ)
#define VEC_EQUAL(a, b) _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ)
#define VEC_IS_NAN(v) _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q)
#define VEC_SELECT(choice, a, b) _mm512_mask_blend_ps(choice, b, a)
#define VEC_ANY(choice) ((choice) != 0)
#define VEC_SQRT _mm512_sqrt_ps
#define VEC_FLOOR _mm512_floor_ps
#define VEC_CEIL _mm512_ceil_ps
#define VEC_TRUNC(v) _mm512_roundscale_ps(v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)
#define VEC_NEAREST(v) _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define WIDE __m512d
#define WIDE_INT wide512_int
#define WIDE_UINT wide512_uint
#define WIDE_LOW wide512_low
#define WIDE_HIGH wide512_high
#define WIDE_JOIN wide512_join
#define WIDE_SET1 _mm512_set1_pd
#define WIDE_BITS(w) ((wide512_int)(w))
#define WIDE_OF_BITS(i) ((__m512d)(i))
#define WIDE_SELECT(choice, a, b) wide512_select((wide512_int)(choice), a, b)
#define WIDE_SQRT _mm512_sqrt_pd
