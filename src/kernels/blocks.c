/* Before all others: loops are to become vector code. */
#include "kernels/levels.h"

#include "kernels/blocks.h"

#include <string.h>

#include "base/parallel.h"
#include "kernels/sizes.h"

/* Bytes a thread should at least move, and a cache line of them: threads that add to the same blocks share
 * none. */
enum { GRAIN_BYTES = 65536, LINE_BYTES = 64 };

#define CDK_TEMPLATE "kernels/blocks_template.h"
#define CDK_WITH_AVX512
#include "kernels/each_level.h"

bool cdk_resolve_positions(int64_t *to, const int64_t *index, int64_t n, int64_t size)
{
    return CDK_FOR_CPU_512(resolve)(to, index, n, size);
}

/* ---- moving ---- */

typedef struct {
    const cdk_blocks *b;
    char *x, *y;
    int64_t size;
    bool reading;
} move_work;

/* Blocks of one outer part; those of whole floats as such. */
static void move_part(const move_work *w, int64_t outer, int64_t begin, int64_t end)
{
    const cdk_blocks *b = w->b;
    const int64_t bytes = b->length * w->size, step = b->step * w->size;
    char *x = w->x + b->outer_at[outer] * w->size, *y = w->y + outer * b->count * bytes;
    if (w->reading && bytes % (int64_t)sizeof(float) == 0 && step % (int64_t)sizeof(float) == 0) {
        cdk_blocks floats = *b;
        floats.length = bytes / (int64_t)sizeof(float);
        floats.step = step / (int64_t)sizeof(float);
        CDK_FOR_CPU_512(read)((float *)(void *)y, (const float *)(const void *)x, &floats, begin, end);
        return;
    }
    for (int64_t k = begin; k < end; k++) {
        char *of_x = x + b->at[k] * step, *of_y = y + k * bytes;
        memcpy(w->reading ? of_y : of_x, w->reading ? of_x : of_y, (size_t)bytes);
    }
}

/* Items are blocks of all outer parts. */
static void move_range(void *context, int64_t begin, int64_t end, int thread)
{
    const move_work *w = context;
    const int64_t count = w->b->count;
    (void)thread;
    while (begin < end) {
        const int64_t outer = begin / count, first = begin % count, n = cdk_min(count - first, end - begin);
        move_part(w, outer, first, first + n);
        begin += n;
    }
}

void cdk_read_blocks(void *y, const void *x, const cdk_blocks *b, size_t size)
{
    move_work w = {b, (char *)x, y, (int64_t)size, true};
    cd_parallel_for(b->outer * b->count, GRAIN_BYTES / (b->length * w.size + 1) + 1, move_range, &w);
}

void cdk_write_blocks(void *x, const void *y, const cdk_blocks *b, size_t size)
{
    move_work w = {b, x, (char *)y, (int64_t)size, false};
    move_range(&w, 0, b->outer * b->count, 0);
}

/* ---- adding ---- */

typedef struct {
    const cdk_blocks *b;
    char *x;
    const char *y;
    int64_t size, rows;
    int64_t part, parts; /* elements of a block that are one item's, and how many such parts it has */
} add_work;

/* Items are parts of the blocks of an outer part: the blocks of each item are added in order. */
static void add_range(void *context, int64_t begin, int64_t end, int thread)
{
    const add_work *w = context;
    const cdk_blocks *b = w->b;
    (void)thread;
    while (begin < end) {
        const int64_t outer = begin / w->parts, part = begin % w->parts;
        const int64_t items = cdk_min(w->parts - part, end - begin), first = part * w->part;
        const int64_t n = cdk_min(items * w->part, b->length - first);
        char *x = w->x + b->outer_at[outer] * w->size;
        const char *y = w->y + outer * b->count * b->length * w->size;
        for (int64_t r = 0; r < w->rows; r++) {
            memset(x + (r * b->length + first) * w->size, 0, (size_t)(n * w->size));
        }
        if (w->size == (int64_t)sizeof(float)) {
            CDK_FOR_CPU_512(add_f32)((float *)(void *)x, (const float *)(const void *)y, b, first, n);
        } else {
            CDK_FOR_CPU_512(add_f64)((double *)(void *)x, (const double *)(const void *)y, b, first, n);
        }
        begin += items;
    }
}

static void add_blocks(void *x, const void *y, const cdk_blocks *b, int64_t rows, int64_t size)
{
    add_work w = {.b = b, .x = x, .y = y, .size = size, .rows = rows};
    w.part = cdk_round_up(cdk_ceil_div(b->length, cd_threads()), LINE_BYTES / size);
    w.parts = cdk_ceil_div(b->length, w.part);
    cd_parallel_for(b->outer * w.parts, GRAIN_BYTES / ((b->count + rows) * w.part * size + 1) + 1, add_range,
                    &w);
}

static void add_blocks_f32(void *x, const void *y, const cdk_blocks *b, int64_t rows)
{
    add_blocks(x, y, b, rows, sizeof(float));
}

static void add_blocks_f64(void *x, const void *y, const cdk_blocks *b, int64_t rows)
{
    add_blocks(x, y, b, rows, sizeof(double));
}

cdk_add_blocks_run *const cdk_add_blocks[CD_DTYPES] = CDK_FLOATS(add_blocks);
