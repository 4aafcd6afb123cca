/* AVX2 and FMA: 16 registers of 8 floats. See kernels/vec.h. */
#include "kernels/vec.h"

#include "kernels/vec_256.h"

#ifndef CANDELA_KERNELS_VEC_AVX2_H
#define CANDELA_KERNELS_VEC_AVX2_H

static const int32_t avx2_mask_bits[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

#endif

#define CDK_LEVEL avx2
#define VEC_TARGET CD_TARGET_AVX2
#define VEC_MASK __m256i
#define VEC_MAKE_MASK(n) _mm256_loadu_si256((const __m256i *)(avx2_mask_bits + 8 - (n)))
#define VEC_LOAD_MASK(p, mask) _mm256_maskload_ps(p, mask)
#define VEC_STORE_MASK(p, mask, v) _mm256_maskstore_ps(p, mask, v)
#define VEC_KEEP(v) __asm__("" : "+x"(v))
#define VEC_GREATER(a, b) ((vec256_int)_mm256_cmp_ps(a, b, _CMP_GT_OQ))
#define VEC_EQUAL(a, b) ((vec256_int)_mm256_cmp_ps(a, b, _CMP_EQ_OQ))
#define VEC_IS_NAN(v) ((vec256_int)_mm256_cmp_ps(v, v, _CMP_UNORD_Q))
#define VEC_SELECT(choice, a, b) _mm256_blendv_ps(b, a, (__m256)(choice))
#define VEC_ANY(choice) (_mm256_movemask_ps((__m256)(choice)) != 0)
