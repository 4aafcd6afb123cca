/* The loops of blocks.c for one level: included after the vectors. */
#include "kernels/elementwise.h"

static VEC_TARGET bool CDK_AT(resolve)(int64_t *to, const int64_t *index, int64_t n, int64_t size)
{
    uint64_t wrong = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t asked = index[i], from_0 = asked < 0 ? asked + size : asked - 1;
        wrong |= (uint64_t)(from_0 | (size - 1 - from_0));
        to[i] = from_0;
    }
    return wrong >> 63 == 0;
}

/* Blocks begin .. end - 1 of one outer part, of n floats each. */
static VEC_TARGET void CDK_AT(read)(float *restrict y, const float *restrict x, const cdk_blocks *b,
                                    int64_t begin, int64_t end)
{
    const int64_t n = b->length;
    for (int64_t k = begin; k < end; k++) {
        const float *from = x + b->at[k] * b->step;
        float *to = y + k * n;
        for (int64_t i = 0; i < n; i += VEC_WIDTH) {
            CDK_AT(store_run)(to, i, n, CDK_AT(load_run)(from, i, n));
        }
    }
}

/* Elements first .. first + n - 1 of all blocks are added. */
static VEC_TARGET void CDK_AT(add_f32)(float *x, const float *y, const cdk_blocks *b, int64_t first,
                                       int64_t n)
{
    y += first;
    for (int64_t k = 0; k < b->count; k++, y += b->length) {
        float *to = x + b->at[k] * b->step + first;
        for (int64_t i = 0; i < n; i += VEC_WIDTH) {
            CDK_AT(store_run)(to, i, n, VEC_ADD(CDK_AT(load_run)(to, i, n), CDK_AT(load_run)(y, i, n)));
        }
    }
}

static VEC_TARGET void CDK_AT(add_f64)(double *restrict x, const double *restrict y, const cdk_blocks *b,
                                       int64_t first, int64_t n)
{
    y += first;
    for (int64_t k = 0; k < b->count; k++, y += b->length) {
        double *restrict to = x + b->at[k] * b->step + first;
        for (int64_t i = 0; i < n; i++) {
            to[i] += y[i];
        }
    }
}
