#include "kernels/lovasz.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/parallel.h"

/* An error as a number whose order is the reverse of the errors', which are not negative; and 2 i + y of its
 * element. */
typedef struct {
    uint64_t key;
    int64_t element;
} error_item;

/* One group: n vectors or elements from `first` on. */
typedef struct {
    int64_t first, n, class; /* class: from 0, or -1 for labels */
} error_group;

enum { DIGIT_BITS = 11, DIGIT_VALUES = 1 << DIGIT_BITS };

/* One stable pass of a radix sort. */
static void move_by_digit(error_item *to, const error_item *from, int shift, int64_t n)
{
    int64_t start[DIGIT_VALUES] = {0}, before = 0;
    for (int64_t i = 0; i < n; i++) {
        start[from[i].key >> shift & (DIGIT_VALUES - 1)]++;
    }
    for (int v = 0; v < DIGIT_VALUES; v++) {
        int64_t many = start[v];
        start[v] = before;
        before += many;
    }
    for (int64_t i = 0; i < n; i++) {
        to[start[from[i].key >> shift & (DIGIT_VALUES - 1)]++] = from[i];
    }
}

/* The sorted one of the two arrays; keys have so many bits. */
static error_item *sorted_items(error_item *item, error_item *spare, int64_t n, int bits)
{
    for (int shift = 0; shift < bits; shift += DIGIT_BITS) {
        move_by_digit(spare, item, shift, n);
        error_item *was = item;
        item = spare;
        spare = was;
    }
    return item;
}

static double jaccard_loss(int64_t Y, int64_t trues, int64_t others)
{
    return Y + others > 0 ? 1 - (double)(Y - trues) / (double)(Y + others) : 0;
}

/* Where vector `position` starts in [outer][D][inner]. */
static int64_t vector_at(cdk_vectors s, int64_t position)
{
    return position / s.inner * s.D * s.inner + position % s.inner;
}

#define T float
#define KEY uint32_t
#define NAME(name) name##_f32
#include "kernels/lovasz_template.h"
#undef T
#undef KEY
#undef NAME

#define T double
#define KEY uint64_t
#define NAME(name) name##_f64
#include "kernels/lovasz_template.h"

cdk_lovasz_run *const cdk_lovasz[CD_DTYPES] = CDK_FLOATS(lovasz);
cdk_lovasz_gradient_run *const cdk_lovasz_gradient[CD_DTYPES] = CDK_FLOATS(lovasz_gradient);
