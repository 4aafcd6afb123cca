/* Vectors of floats: one vocabulary for every instruction set.
 *
 * vec_plain.h, vec_avx2.h, vec_avx512_half.h, vec_avx512.h and vec_neon.h define the names below for theirs,
 * and vec_double.h those of "mathematics" for one double, so that a template which speaks only this
 * vocabulary is compiled for each of them. Including a second one replaces the first.
 *
 *     CDK_LEVEL              suffix of the names that CDK_AT(name) makes: plain, neon, avx2, avx512, f64
 *     VEC_TARGET             attribute of every function that uses vectors
 *     VEC_T, VEC, VEC_WIDTH  an element, a vector, how many elements it has
 *
 * Memory:
 *
 *     VEC_LOAD(p), VEC_STORE(p, v)    p need not be aligned
 *     VEC_STREAM(p, v)                past the caches; p is aligned to the vector
 *     VEC_MASK, VEC_MAKE_MASK(n)      the first n lanes, 0 <= n <= VEC_WIDTH
 *     VEC_LOAD_MASK(p, mask)          0 in the other lanes, whose memory is not read
 *     VEC_STORE_MASK(p, mask, v)
 *     VEC_KEEP(v)                     keeps v in a register: compilers may otherwise load it again for each
 *                                     use
 *
 * Arithmetic:
 *
 *     VEC_ZERO(), VEC_SET1(a), VEC_ADD, VEC_SUB, VEC_MUL
 *     VEC_FMA(a, b, c)                a b + c, rounded once where the machine has such an instruction
 *     VEC_MAX(a, b), VEC_MIN(a, b)    b when one is NaN (NaN for NEON)
 *     VEC_SCALE(v, n)                  v 2^n, n whole, rounded once; defined only where it is one instruction
 *     VEC_SUM4(sums, a, b, c, d)      sums[0..3] = sums over the lanes of each
 *
 * Order:
 *
 *     VEC_INDEX, VEC_LOAD_INDEX(p)    where lanes are taken from; from VEC_WIDTH int32_t, 0 <= p[i] <
 *                                     VEC_WIDTH
 *     VEC_PERMUTE(v, index)           lane i is lane index[i] of v
 *
 * Mathematics (+, -, * and / work on VEC and VEC_INT as they do on scalars):
 *
 *     VEC_INT                         integers as wide as the elements; << and >> work on them too
 *     VEC_BITS(v), VEC_OF_BITS(i)     the same bits as the other type
 *     VEC_GREATER(a, b)               a choice; false where one is NaN; choices combine by & and |
 *     VEC_EQUAL(a, b), VEC_IS_NAN(v)  choices
 *     VEC_SELECT(choice, a, b)        a where the choice is true, else b
 *     VEC_ANY(choice)                 whether it is true in any lane
 *     VEC_SQRT, VEC_FLOOR, VEC_CEIL, VEC_TRUNC, VEC_NEAREST    the last to even where halfway
 *
 * Doubles, half as many as a vector has, for functions that need more digits than they return (operators work
 * on them, and comparisons make choices):
 *
 *     WIDE, WIDE_INT, WIDE_UINT       doubles, and integers as wide
 *     WIDE_LOW(v), WIDE_HIGH(v)       the first and the second half of the elements
 *     WIDE_JOIN(low, high)            back to floats
 *     WIDE_SET1(a), WIDE_BITS(w), WIDE_OF_BITS(i), WIDE_SELECT(choice, a, b), WIDE_SQRT(w)
 *
 * Vectors of VEC_WIDTH 1 are plain numbers: that is what compilers without vector types get.
 */
#ifndef CANDELA_KERNELS_VEC_H
#define CANDELA_KERNELS_VEC_H

#include <stdint.h>
#include <string.h>

#include "base/cpu.h"
#include "kernels/inline.h"

#define CDK_JOIN_(a, b) a##_##b
#define CDK_JOIN(a, b) CDK_JOIN_(a, b)

/* The name of a function or table at the level that is being compiled. */
#define CDK_AT(name) CDK_JOIN(name, CDK_LEVEL)

/* A function of a template that is always inlined. */
#define VEC_INLINE static inline CDK_ALWAYS_INLINE VEC_TARGET

#endif

/* Forgets the vectors included before. */
#undef CDK_LEVEL
#undef VEC_TARGET
#undef VEC_T
#undef VEC
#undef VEC_WIDTH
#undef VEC_MASK
#undef VEC_MAKE_MASK
#undef VEC_LOAD
#undef VEC_STORE
#undef VEC_STREAM
#undef VEC_LOAD_MASK
#undef VEC_STORE_MASK
#undef VEC_KEEP
#undef VEC_ZERO
#undef VEC_SET1
#undef VEC_ADD
#undef VEC_SUB
#undef VEC_MUL
#undef VEC_FMA
#undef VEC_MAX
#undef VEC_MIN
#undef VEC_SUM4
#undef VEC_SCALE
#undef VEC_INDEX
#undef VEC_LOAD_INDEX
#undef VEC_PERMUTE
#undef VEC_INT
#undef VEC_BITS
#undef VEC_OF_BITS
#undef VEC_GREATER
#undef VEC_EQUAL
#undef VEC_IS_NAN
#undef VEC_SELECT
#undef VEC_ANY
#undef VEC_SQRT
#undef VEC_FLOOR
#undef VEC_CEIL
#undef VEC_TRUNC
#undef VEC_NEAREST
#undef WIDE
#undef WIDE_INT
#undef WIDE_UINT
#undef WIDE_LOW
#undef WIDE_HIGH
#undef WIDE_JOIN
#undef WIDE_SET1
#undef WIDE_BITS
#undef WIDE_OF_BITS
#undef WIDE_SELECT
#undef WIDE_SQRT
