/* Any machine. */
#include "kernels/isa.h"
#include "kernels/vec_plain.h"

#define ISA_TABLE cdk_isa_plain
#define ISA_ROWS_OF_TWO 6
#include "kernels/isa_template.h"
