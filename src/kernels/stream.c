#include "kernels/stream.h"

#include "kernels/dispatch.h"
#include "kernels/sizes.h"

bool cdk_streams(int64_t bytes)
{
    return bytes > CDK_STREAM_BYTES;
}

void cdk_move_out(void *to, const void *from, int64_t bytes)
{
    cdk_isa_current()->move_out(to, from, bytes / (int64_t)sizeof(float));
}

void cdk_fill_out(float *to, float value, int64_t n)
{
    float piece[CDK_STREAM_FLOATS];
    for (int64_t i = 0; i < cdk_min(n, CDK_STREAM_FLOATS); i++) {
        piece[i] = value;
    }
    for (int64_t i = 0; i < n; i += CDK_STREAM_FLOATS) {
        const int64_t count = cdk_min(n - i, CDK_STREAM_FLOATS);
        cdk_move_out(to + i, piece, count * (int64_t)sizeof(float));
    }
}
