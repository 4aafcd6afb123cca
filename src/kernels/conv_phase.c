#include "kernels/conv_phase.h"

/* Taps side by side read one contiguous run. */
static int side_by_side(const cdk_axis *axis, int64_t phase)
{
    for (int64_t j = axis->start[phase] + 1; j < axis->start[phase + 1]; j++) {
        if (axis->offset[j] != axis->offset[j - 1] + 1) {
            return 0;
        }
    }
    return 1;
}

int64_t cdk_phase_count(const cdk_taps *taps)
{
    return taps->h.phases * taps->w.phases;
}

cdk_phase cdk_phase_make(const cdk_taps *taps, int64_t index, int lanewise)
{
    cdk_phase p = {.h = index / taps->w.phases, .w = index % taps->w.phases};
    p.taps_h = taps->h.start[p.h + 1] - taps->h.start[p.h];
    p.taps_w = taps->w.start[p.w + 1] - taps->w.start[p.w];
    p.before = taps->h.start[p.h] * taps->kernel_w + p.taps_h * taps->w.start[p.w];
    p.joined = p.taps_w > 0 && (lanewise || taps->groups == 1) && side_by_side(&taps->w, p.w);
    return p;
}

int64_t cdk_fetch_step(int64_t floats, int64_t steps)
{
    int64_t step = 1;
    while (step < CDK_LINE_FLOATS && step * steps < floats) {
        step *= 2;
    }
    return step;
}
