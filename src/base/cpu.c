#include "base/cpu.h"

#include <stdlib.h>
#include <string.h>

static int detected = 0;
static cd_cpu best = CD_CPU_PLAIN;
static cd_cpu in_use = CD_CPU_PLAIN;

static const char *const level_names[CD_CPU_LEVELS] = {"plain", "neon", "avx2", "avx512"};

static cd_cpu detect(void)
{
#if defined(CD_HAVE_X86_TARGETS)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw")) {
        return CD_CPU_AVX512;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        return CD_CPU_AVX2;
    }
    return CD_CPU_PLAIN;
#elif defined(CD_HAVE_NEON)
    return CD_CPU_NEON;
#else
    return CD_CPU_PLAIN;
#endif
}

void cd_cpu_refresh(void)
{
    const char *wanted = getenv("CANDELA_SIMD");
    best = detect();
    in_use = best;
    detected = 1;
    for (int i = 0; wanted != NULL && i < CD_CPU_LEVELS; i++) {
        if (strcmp(wanted, level_names[i]) == 0 && cd_cpu_has((cd_cpu)i)) {
            in_use = (cd_cpu)i;
        }
    }
}

static void detect_once(void)
{
    if (!detected) {
        cd_cpu_refresh();
    }
}

cd_cpu cd_cpu_level(void)
{
    detect_once();
    return in_use;
}

cd_cpu cd_cpu_best(void)
{
    detect_once();
    return best;
}

int cd_cpu_has(cd_cpu level)
{
    detect_once();
    if (level == CD_CPU_NEON) {
        return best == CD_CPU_NEON;
    }
    return level == CD_CPU_PLAIN || (best != CD_CPU_NEON && level <= best);
}

const char *cd_cpu_name(cd_cpu level)
{
    return level_names[level];
}
