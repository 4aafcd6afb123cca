/* One loop, compiled for several instruction sets.
 *
 * CDK_LEVELS(name, parameters, arguments) defines `static void name parameters` that runs the inline function
 * name_body, compiled for AVX2 where the machine has it and for the baseline elsewhere. Loops in a body are
 * plain C which the compiler turns into vector instructions: files that use this start with the pragma below.
 * Floating point exceptions, which nobody reads, would forbid that for comparisons.
 */
#ifndef CANDELA_KERNELS_LEVELS_H
#define CANDELA_KERNELS_LEVELS_H

#include "base/cpu.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3", "no-trapping-math")
#endif

#if defined(__GNUC__) || defined(__clang__)
#define CDK_INLINE static inline __attribute__((always_inline))
#else
#define CDK_INLINE static inline
#endif

#ifdef CD_HAVE_X86_TARGETS
#define CDK_LEVELS(name, parameters, arguments)       \
    CD_TARGET_AVX2 static void name##_avx2 parameters \
    {                                                 \
        name##_body arguments;                        \
    }                                                 \
    static void name##_plain parameters               \
    {                                                 \
        name##_body arguments;                        \
    }                                                 \
    static void name parameters                       \
    {                                                 \
        if (cd_cpu_level() >= CD_CPU_AVX2) {          \
            name##_avx2 arguments;                    \
        } else {                                      \
            name##_plain arguments;                   \
        }                                             \
    }
#else
#define CDK_LEVELS(name, parameters, arguments) \
    static void name parameters                 \
    {                                           \
        name##_body arguments;                  \
    }
#endif

#endif
