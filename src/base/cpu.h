/* Which instruction set the kernels use: found once at load, lowered by CANDELA_SIMD.
 *
 * CANDELA_SIMD = "plain", "avx2", "avx512" or "neon" forces a level this machine has; a level it lacks is
 * ignored, and cd_cpu_level() tells what is in use. Levels of one architecture are ordered.
 */
#ifndef CANDELA_BASE_CPU_H
#define CANDELA_BASE_CPU_H

typedef enum {
    CD_CPU_PLAIN = 0,
    CD_CPU_NEON,   /* aarch64 baseline */
    CD_CPU_AVX2,   /* AVX2 and FMA */
    CD_CPU_AVX512, /* AVX-512 F, VL, DQ, BW */
    CD_CPU_LEVELS
} cd_cpu;

cd_cpu cd_cpu_level(void);    /* in use */
cd_cpu cd_cpu_best(void);     /* what the machine has */
int cd_cpu_has(cd_cpu level); /* can this machine run it? */
const char *cd_cpu_name(cd_cpu level);

/* Reads CANDELA_SIMD again, for tests that compare variants in one process. */
void cd_cpu_refresh(void);

/* Compilers with target attributes on x86-64 can build the AVX variants without any flag. */
#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
#define CD_HAVE_X86_TARGETS 1
#define CD_TARGET_AVX2 __attribute__((target("avx2,fma")))
#define CD_TARGET_AVX512 __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")))
#endif
#if defined(__aarch64__) && defined(__ARM_NEON)
#define CD_HAVE_NEON 1
#endif

#endif
