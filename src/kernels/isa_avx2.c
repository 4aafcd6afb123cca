/* AVX2 and FMA: 6 x 2 accumulators, two of w and one broadcast use 15 of the 16 registers. */
#include "base/cpu.h"

#ifdef CD_HAVE_X86_TARGETS

#include "kernels/isa.h"
#include "kernels/vec_avx2.h"

#define ISA_TABLE cdk_isa_avx2
#define ISA_ROWS_OF_TWO 6
#include "kernels/isa_template.h"

#endif
