#include "kernels/conv_packed.h"

#include "base/memory.h"
#include "kernels/dispatch.h"

void cdk_packed_free(cdk_packed *p)
{
    cd_memory_free(p->panels);
    p->panels = NULL;
}

static int same_kind(const cdk_conv *a, const cdk_conv *b)
{
    return a->C == b->C && a->K == b->K && a->R == b->R && a->S == b->S && a->stride_h == b->stride_h &&
           a->stride_w == b->stride_w && a->pad_top == b->pad_top && a->pad_left == b->pad_left &&
           a->dilation_h == b->dilation_h && a->dilation_w == b->dilation_w && a->groups == b->groups;
}

void cdk_packed_begin(cdk_packed *p, const cdk_conv *conv, int backward)
{
    if (p == NULL) {
        return;
    }
    if (p->isa != cdk_isa_current() || p->backward != backward || !same_kind(&p->kind, conv)) {
        cdk_packed_free(p);
    }
    p->isa = cdk_isa_current();
    p->backward = backward;
    p->kind = *conv;
}

float *cdk_packed_panels(const cdk_packed *p, int way)
{
    return p != NULL && p->way == way ? p->panels : NULL;
}

void cdk_packed_done(cdk_packed *p, int way, float *panels, cd_status status)
{
    if (p != NULL && p->panels != panels) {
        cdk_packed_free(p);
    }
    if (p != NULL) {
        p->panels = status == CD_OK ? panels : NULL;
        p->way = way;
    }
    if (p == NULL || status != CD_OK) {
        cd_memory_free(panels);
    }
}
