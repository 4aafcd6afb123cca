/* NEON on aarch64: 12 x 2 of the 32 registers are accumulators. */
#include "base/cpu.h"

#ifdef CD_HAVE_NEON

#include "kernels/isa.h"
#include "kernels/vec_neon.h"

#define ISA_TABLE cdk_isa_neon
#define ISA_ROWS_OF_TWO 12
#include "kernels/isa_template.h"

#endif
