/* A kernel is written once and compiled for each instruction set; the one to use is chosen when it is called.
 *
 * Compiling: a template, that is a header without guard whose functions are VEC_TARGET and named
 * CDK_AT(name), is included once for each level by
 *
 *     #define CDK_TEMPLATE "kernels/x_template.h"
 *     #define CDK_WITH_AVX512   where computing takes longer than memory: else AVX-512 machines use AVX2
 *     #include "kernels/each_level.h"
 *
 * Its loops speak of vectors (kernels/vec.h), or are plain C that the compiler turns into vector
 * instructions. Convolutions and matrix products have a file for each level instead (isa_*.c), which compiles
 * longer.
 *
 * Choosing: CDK_FOR_CPU(name) is the function or table CDK_AT(name) of the level in use (base/cpu.h,
 * CANDELA_SIMD), CDK_FOR_CPU_512(name) the same with CDK_WITH_AVX512, and CDK_CHOOSE the one of its
 * arguments.
 *
 * This header comes before all others: loops in plain C need the optimisation it asks for. Floating point
 * exceptions, which nobody reads, would keep comparisons from becoming vector instructions. With CDK_EXACT
 * after it, products and sums are contracted nowhere but where VEC_FMA says so.
 */
#ifndef CANDELA_KERNELS_LEVELS_H
#define CANDELA_KERNELS_LEVELS_H

#include "base/cpu.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3", "no-trapping-math")
#define CDK_EXACT _Pragma("GCC optimize(\"fp-contract=off\")")
#elif defined(__clang__)
#define CDK_EXACT _Pragma("STDC FP_CONTRACT OFF")
#else
#define CDK_EXACT
#endif

#if defined(CD_HAVE_X86_TARGETS)
#define CDK_CHOOSE(plain, neon, avx2, avx512) \
    (cd_cpu_level() >= CD_CPU_AVX512 ? (avx512) : cd_cpu_level() >= CD_CPU_AVX2 ? (avx2) : (plain))
#elif defined(CD_HAVE_NEON)
#define CDK_CHOOSE(plain, neon, avx2, avx512) (cd_cpu_level() >= CD_CPU_NEON ? (neon) : (plain))
#else
#define CDK_CHOOSE(plain, neon, avx2, avx512) (plain)
#endif

#define CDK_FOR_CPU(name) CDK_CHOOSE(name##_plain, name##_neon, name##_avx2, name##_avx2)
#define CDK_FOR_CPU_512(name) CDK_CHOOSE(name##_plain, name##_neon, name##_avx2, name##_avx512)

#endif
