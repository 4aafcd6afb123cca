#include "kernels/dispatch.h"

#include "kernels/levels.h"

const cdk_isa *cdk_isa_current(void)
{
    return CDK_CHOOSE(&cdk_isa_plain, &cdk_isa_neon, &cdk_isa_avx2, &cdk_isa_avx512);
}
