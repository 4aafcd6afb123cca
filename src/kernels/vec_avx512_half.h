/* AVX-512 with vectors of 8 floats, for what is narrow: masks are registers of their own, there are 32
 * vectors, and sums over the lanes are shorter than those of 16. See kernels/vec.h. */
#include "kernels/vec.h"

#include "kernels/vec_256.h"

#define CDK_LEVEL avx512_half
#define VEC_TARGET CD_TARGET_AVX512
#define VEC_MASK __mmask8
#define VEC_MAKE_MASK(n) ((__mmask8)((1u << (n)) - 1u))
#define VEC_LOAD_MASK(p, mask) _mm256_maskz_loadu_ps(mask, p)
#define VEC_STORE_MASK(p, mask, v) _mm256_mask_storeu_ps(p, mask, v)
#define VEC_KEEP(v) __asm__("" : "+v"(v))
#define VEC_GREATER(a, b) _mm256_cmp_ps_mask(a, b, _CMP_GT_OQ)
#define VEC_EQUAL(a, b) _mm256_cmp_ps_mask(a, b, _CMP_EQ_OQ)
#define VEC_IS_NAN(v) _mm256_cmp_ps_mask(v, v, _CMP_UNORD_Q)
#define VEC_SELECT(choice, a, b) _mm256_mask_blend_ps(choice, b, a)
#define VEC_ANY(choice) ((choice) != 0)
