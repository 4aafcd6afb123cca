#include "kernels/isa.h"

#include "base/cpu.h"

const cdk_isa *cdk_isa_current(void)
{
    switch (cd_cpu_level()) {
#ifdef CD_HAVE_X86_TARGETS
    case CD_CPU_AVX512:
        return &cdk_isa_avx512;
    case CD_CPU_AVX2:
        return &cdk_isa_avx2;
#endif
#ifdef CD_HAVE_NEON
    case CD_CPU_NEON:
        return &cdk_isa_neon;
#endif
    default:
        return &cdk_isa_plain;
    }
}
