#include "kernels/attention_dropout.h"

#include "kernels/sizes.h"

/* Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011): four numbers of 32 bits from a counter and a key. */
#define ROUNDS 10
#define GROUP 4

static void philox(uint32_t *x, uint64_t seed)
{
    uint32_t low = (uint32_t)seed, high = (uint32_t)(seed >> 32);
    for (int round = 0; round < ROUNDS; round++) {
        const uint64_t a = (uint64_t)x[0] * 0xd2511f53, b = (uint64_t)x[2] * 0xcd9e8d57;
        const uint32_t first = (uint32_t)(b >> 32) ^ x[1] ^ low, third = (uint32_t)(a >> 32) ^ x[3] ^ high;
        x[0] = first;
        x[1] = (uint32_t)b;
        x[2] = third;
        x[3] = (uint32_t)a;
        low += 0x9e3779b9;
        high += 0xbb67ae85;
    }
}

/* Keys are drawn four at a time: counter (key / 4, query, head, upper halves). */
void cdk_attention_kept(float *factor, const cdk_attention *a, int64_t h, int64_t i, int64_t j, int64_t keys)
{
    const float kept = a->p < 1 ? (float)(1 / (1 - a->p)) : 0;
    const uint64_t limit = (uint64_t)(a->p * 4294967296.0);
    for (int64_t at = j / GROUP * GROUP; at < j + keys; at += GROUP) {
        uint32_t x[GROUP] = {(uint32_t)(at / GROUP), (uint32_t)i, (uint32_t)h,
                             (uint32_t)((i >> 32) ^ (h >> 32 << 16))};
        philox(x, a->seed);
        for (int64_t k = cdk_max(at, j); k < cdk_min(at + GROUP, j + keys); k++) {
            factor[k - j] = x[k - at] < limit ? 0 : kept;
        }
    }
}
