#include "kernels/masking.h"
#include "kernels/dispatch.h"

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/mask.h"
#include "kernels/sizes.h"

/* Masked and moved while they are in the first cache; a multiple of 8. */
#define PIECE_FLOATS 2048

cd_status cdk_masking_begin(cdk_masking *m, const cdk_epilogue *end, const float *y, int64_t floats,
                            int64_t block_floats, cd_error *err)
{
    *m = (cdk_masking){.isa = cdk_isa_current(), .mask = end->mask, .high = end->high, .y = y};
    if (floats * (int64_t)sizeof(float) > CDK_STREAM_BYTES && block_floats > 0) {
        m->block_floats = cdk_round_up(block_floats, CDK_LINE_FLOATS);
        CD_TRY(cd_memory_floats(&m->blocks, cd_threads(), m->block_floats, 1, err));
    }
    return CD_OK;
}

void cdk_masking_free(cdk_masking *m)
{
    cd_memory_free(m->blocks);
    m->blocks = NULL;
}

float *cdk_masking_block(const cdk_masking *m, int thread, float *y)
{
    return m->blocks ? m->blocks + thread * m->block_floats : y;
}

void cdk_masking_finish(const cdk_masking *m, float *y, const float *block, int64_t n)
{
    uint8_t *mask = m->mask + (y - m->y) / 8;
    for (int64_t i = 0; i < n; i += PIECE_FLOATS) {
        const int64_t count = cdk_min(PIECE_FLOATS, n - i);
        cdk_mask_run(mask + i / 8, block + i, count, m->high);
        if (block != y) {
            m->isa->move_out(y + i, block + i, count);
        }
    }
}
