/* Which table of inner kernels (kernels/isa.h) is used. */
#ifndef CANDELA_KERNELS_DISPATCH_H
#define CANDELA_KERNELS_DISPATCH_H

#include "kernels/isa.h"

/* The table for cd_cpu_level(). */
const cdk_isa *cdk_isa_current(void);

#endif
