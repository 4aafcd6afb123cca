/* Before all others: loops are to become vector code. */
#include "kernels/levels.h"

#include "kernels/pooling.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/sizes.h"

/* Channels from which on each output pixel is a run of its own. */
#define WIDE_CHANNELS 16
/* Outputs of a row below which the windows of a row-major image are searched one after the other. */
#define NARROW_ROW 16
/* Taps of a window that are looked at side by side: their numbers are floats for a while. */
#define MOST_TAPS (1 << 20)
/* Outputs a thread should at least get. */
#define GRAIN 4096
/* Rows of a band of an image, where there are few images. */
#define BAND_ROWS 16

/* The taps of a run of outputs: tap[t] are elements, number[t] what a place has for this tap. */
typedef struct {
    int64_t taps;
    const void *const *tap;
    const void *number;
    double base;
    const void *start;
} pool_taps;

/* An output whose window holds an input, and as which tap, along one side. */
typedef struct {
    int64_t output, tap;
} pool_window;

/* What the gradient of a row of x is chosen from: rows of dy and of places, whose taps have numbers from base
 * on, and for each column of x the outputs' columns. */
typedef struct {
    int64_t rows, C;
    const void *const *dy, *const *place;
    const void *base;
    const int64_t *start;
    const pool_window *window;
} pool_choices;

#define CDK_TEMPLATE "kernels/pooling_loops.h"
#include "kernels/each_level.h"
#include "kernels/vec_double.h"

#include "kernels/pooling_loops.h"

/* How the rows of an image are searched: `pixels` takes each output pixel by itself; `rows` all outputs of a
 * row at once, from copies of the rows of x in which the elements of one tap lie side by side; `scan` window
 * by window. */
typedef enum { BY_PIXELS, BY_ROWS, BY_SCAN } pool_method;

static int64_t all_taps(const cdk_pooling *p)
{
    return p->rows.taps * p->columns.taps;
}

static pool_method method_for(const cdk_pooling *p)
{
    if ((p->C == 1 && p->columns.count < NARROW_ROW) || all_taps(p) > MOST_TAPS) {
        return BY_SCAN;
    }
    return p->C >= WIDE_CHANNELS || p->columns.count * p->C < NARROW_ROW ? BY_PIXELS : BY_ROWS;
}

/* How many outputs of a row, and which part of them is copied: phases of a regular side (elements that are a
 * stride apart lie side by side), else the elements of each tap. */
typedef struct {
    int64_t runs;   /* phases, or taps */
    int64_t length; /* pixels of each */
} row_copy;

static row_copy copy_of(const cdk_windows *s)
{
    if (s->stride == 0) {
        return (row_copy){s->taps, s->count};
    }
    return (row_copy){s->stride, s->count + (s->taps - 1) * s->step / s->stride};
}

/* The pixel of the copy at which tap b of the first output is. */
static int64_t copy_offset(const cdk_windows *s, int64_t b)
{
    const row_copy k = copy_of(s);
    if (s->stride == 0) {
        return b * k.length;
    }
    return b * s->step % s->stride * k.length + b * s->step / s->stride;
}

/* Rows of x that windows reach over: so many are copied at a time. */
static int64_t reach_of(const cdk_windows *s)
{
    return (s->taps - 1) * s->step + 1;
}

/* The outputs whose windows hold input i: list[start[i]] .. list[start[i + 1] - 1]. */
typedef struct {
    int64_t *start;
    pool_window *list;
    int64_t most; /* outputs from the first to the last of one input */
} pool_cover;

static int64_t taps_of(const cdk_windows *s)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->count; i++) {
        n += s->end[i] > s->first[i] ? cdk_ceil_div(s->end[i] - s->first[i], s->step) : 0;
    }
    return n;
}

static void fill_cover(pool_cover *k, const cdk_windows *s, int64_t size)
{
    memset(k->start, 0, (size_t)(size + 2) * sizeof *k->start);
    for (int64_t i = 0; i < s->count; i++) {
        for (int64_t x = s->first[i]; x < s->end[i]; x += s->step) {
            k->start[x + 2]++;
        }
    }
    for (int64_t x = 0; x < size; x++) {
        k->start[x + 2] += k->start[x + 1];
    }
    for (int64_t i = 0; i < s->count; i++) {
        for (int64_t x = s->first[i]; x < s->end[i]; x += s->step) {
            k->list[k->start[x + 1]++] = (pool_window){i, (x - s->origin[i]) / s->step};
        }
    }
    k->most = 1;
    for (int64_t x = 0; x < size; x++) {
        if (k->start[x + 1] > k->start[x]) {
            k->most = cdk_max(k->most, k->list[k->start[x + 1] - 1].output - k->list[k->start[x]].output + 1);
        }
    }
}

static cd_status make_cover(pool_cover *k, const cdk_windows *s, int64_t size, cd_error *err)
{
    void *block;
    const size_t starts = (size_t)(size + 2) * sizeof *k->start;
    CD_TRY(cd_memory_alloc(&block, starts + (size_t)taps_of(s) * sizeof *k->list, err));
    k->start = block;
    k->list = (pool_window *)((char *)block + starts);
    fill_cover(k, s, size);
    return CD_OK;
}

static void set_place(cdk_places places, int64_t i, int64_t place)
{
    if (places.size == 1) {
        ((uint8_t *)places.place)[i] = (uint8_t)place;
    } else {
        ((int32_t *)places.place)[i] = (int32_t)place;
    }
}

#define T float
#define NAME(name) name##_f32
#define LOOP(name) CDK_FOR_CPU(name)
#include "kernels/pooling_template.h"
#undef T
#undef NAME
#undef LOOP

#define T double
#define NAME(name) name##_f64
#define LOOP(name) name##_f64
#include "kernels/pooling_template.h"

cdk_max_pool_run *const cdk_max_pool[CD_DTYPES] = CDK_FLOATS(max_pool);
cdk_max_pool_gradient_run *const cdk_max_pool_gradient[CD_DTYPES] = CDK_FLOATS(max_pool_gradient);
