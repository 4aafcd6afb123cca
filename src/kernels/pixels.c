/* Before all others: loops are to become vector code. */
#include "kernels/levels.h"

#include "kernels/pixels.h"

#define SHARE(i) (float)((i) / 255.0)
#define SHARES4(i) SHARE(i), SHARE(i + 1), SHARE(i + 2), SHARE(i + 3)
#define SHARES16(i) SHARES4(i), SHARES4(i + 4), SHARES4(i + 8), SHARES4(i + 12)
#define SHARES64(i) SHARES16(i), SHARES16(i + 16), SHARES16(i + 32), SHARES16(i + 48)

const float cdk_byte_share[256] = {SHARES64(0), SHARES64(64), SHARES64(128), SHARES64(192)};

void cdk_byte_shares(float *restrict y, const uint8_t *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        y[i] = (float)x[i] / 255.0f;
    }
}
