/* The table of an instruction set whose kernels all use one vector type.
 *
 * Set before inclusion: the vectors (kernels/vec.h), ISA_TABLE (name of the table) and ISA_ROWS_OF_TWO (rows
 * of the tile two vectors wide). Accumulators and operands of a tile have to fit the registers: 12 rows of
 * one vector or 6 of two where there are 16 registers, 12 of two where there are 32.
 */

#define TILE_NAME one
#define TILE_ROWS 12
#define TILE_VECTORS 1
#include "kernels/tile_template.h"

#define TILE_NAME lanewise
#define TILE_ROWS 12
#define TILE_VECTORS 1
#define TILE_LANEWISE
#include "kernels/tile_template.h"

#define SLIDE_PIXELS (ISA_ROWS_OF_TWO > 6 ? 14 : 6)
#include "kernels/slide_template.h"

#define TILE_NAME two
#define TILE_ROWS ISA_ROWS_OF_TWO
#define TILE_VECTORS 2
#include "kernels/tile_template.h"

/* Outputs, the nine weights and an input. */
#define DEPTHWISE3_PIXELS (ISA_ROWS_OF_TWO > 6 ? 7 : 4)
#include "kernels/channels_template.h"
#include "kernels/depthwise3_template.h"
#include "kernels/thin_template.h"
#include "kernels/winograd_template.h"

const cdk_isa ISA_TABLE = {
    .kinds = 2,
    .kind = {{2 * VEC_WIDTH, ISA_ROWS_OF_TWO, tiles_two}, {VEC_WIDTH, 12, tiles_one}, {0, 0, NULL}},
    .lanewise = {VEC_WIDTH, 12, tiles_lanewise},
    .thin_width = VEC_WIDTH,
    CDK_ISA_KERNELS,
};
