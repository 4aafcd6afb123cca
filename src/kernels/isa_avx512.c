/* AVX-512: 14 x 2 accumulators, two of w and one broadcast use 31 of the 32 registers, and 14 divides the
 * widths of images that are a multiple of 14 (224, 112, ...). Narrow columns use 8 floats. */
#include "base/cpu.h"

#ifdef CD_HAVE_X86_TARGETS

#include "kernels/isa.h"
#include "kernels/vec_avx512_half.h"

#define TILE_NAME half
#define TILE_ROWS 14
#define TILE_VECTORS 1
#include "kernels/tile_template.h"

#include "kernels/thin_template.h"

#include "kernels/vec_avx512.h"

#define TILE_NAME one
#define TILE_ROWS 14
#define TILE_VECTORS 1
#include "kernels/tile_template.h"

#define TILE_NAME lanewise
#define TILE_ROWS 14
#define TILE_VECTORS 1
#define TILE_LANEWISE
#include "kernels/tile_template.h"

#define SLIDE_PIXELS 14
#include "kernels/slide_template.h"

#define TILE_NAME two
#define TILE_ROWS 14
#define TILE_VECTORS 2
#include "kernels/tile_template.h"

#define DEPTHWISE3_PIXELS 7
#include "kernels/channels_template.h"
#include "kernels/depthwise3_template.h"

#include "kernels/winograd_template.h"

const cdk_isa cdk_isa_avx512 = {
    .kinds = 3,
    .kind = {{32, 14, tiles_two}, {16, 14, tiles_one}, {8, 14, tiles_half}},
    .lanewise = {16, 14, tiles_lanewise},
    .thin_width = 8,
    CDK_ISA_KERNELS,
};

#endif
