/* Any machine. */
#include "kernels/isa.h"
#include "kernels/vec_plain.h"

#define ISA_TABLE cdk_isa_plain
#define ISA_ROWS_OF_TWO 6
/* Without masks the end of a row is long: inlined into every row of every tile it would be half of this
 * table. */
#if defined(__GNUC__) || defined(__clang__)
#define TILE_FINISHES static __attribute__((noinline))
#endif
#include "kernels/isa_template.h"
