/* What the templates ask of the compiler: they pass constants to functions and
 * rely on their being inlined. */
#ifndef CANDELA_KERNELS_INLINE_H
#define CANDELA_KERNELS_INLINE_H

#if defined(__GNUC__) || defined(__clang__)
#define CDK_ALWAYS_INLINE __attribute__((always_inline))
#define CDK_PREFETCH(p) __builtin_prefetch(p)
#define CDK_PREFETCH_FAR(p) __builtin_prefetch(p, 0, 2)
#else
#define CDK_ALWAYS_INLINE
#define CDK_PREFETCH(p) ((void)(p))
#define CDK_PREFETCH_FAR(p) ((void)(p))
#endif

#endif
