#include "kernels/objects.h"

#include <stdbool.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "kernels/sort.h"

/* ---- a forest of labels: the parent of each is a smaller one or itself ---- */

typedef struct {
    int32_t *parent;
    int64_t n, room;
} forest;

static cd_status add_label(forest *f, int32_t *label, cd_error *err)
{
    if (f->n == f->room) {
        void *block;
        if (f->n > INT32_MAX / 2) {
            return cd_fail(err, CD_EVALUE, "the mask holds too many objects to be numbered.");
        }
        CD_TRY(cd_memory_alloc(&block, (size_t)f->room * 2 * sizeof *f->parent, err));
        memcpy(block, f->parent, (size_t)f->n * sizeof *f->parent);
        cd_memory_free(f->parent);
        f->parent = block;
        f->room *= 2;
    }
    f->parent[f->n] = (int32_t)f->n;
    *label = (int32_t)f->n++;
    return CD_OK;
}

static int32_t root_of(int32_t *parent, int32_t k)
{
    while (parent[k] != k) {
        parent[k] = parent[parent[k]];
        k = parent[k];
    }
    return k;
}

static int32_t join(int32_t *parent, int32_t a, int32_t b)
{
    a = root_of(parent, a);
    b = root_of(parent, b);
    if (a < b) {
        parent[b] = a;
        return a;
    }
    parent[a] = b;
    return b;
}

/* ---- components ---- */

typedef struct {
    int32_t *label;
    const int32_t *class;
    cdk_mask_shape s;
    forest labels;
} labelling;

static bool alike(const labelling *w, int64_t at, int64_t row, int64_t column, int64_t other)
{
    return row >= 0 && column >= 0 && column < w->s.W && w->class[other] == w->class[at];
}

/* The label that those neighbours of a pixel that have been met give it, or 0. The one above touches all the
 * others. */
static int32_t label_met(labelling *w, int64_t i, int64_t j)
{
    const int64_t W = w->s.W, at = i * W + j;
    const bool corners = w->s.neighbours == 8;
    const bool above = alike(w, at, i - 1, j, at - W), beside = alike(w, at, i, j - 1, at - 1);
    if (above && (corners || !beside)) {
        return w->label[at - W];
    }
    if (above) {
        return join(w->labels.parent, w->label[at - W], w->label[at - 1]);
    }
    const bool left = corners && alike(w, at, i - 1, j - 1, at - W - 1);
    const bool right = corners && alike(w, at, i - 1, j + 1, at - W + 1);
    const int32_t before = beside ? w->label[at - 1] : left ? w->label[at - W - 1] : 0;
    if (before > 0 && right) {
        return join(w->labels.parent, before, w->label[at - W + 1]);
    }
    return right ? w->label[at - W + 1] : before;
}

static cd_status label_row(labelling *w, int64_t i, cd_error *err)
{
    for (int64_t j = 0; j < w->s.W; j++) {
        const int64_t at = i * w->s.W + j;
        w->label[at] = w->class[at] > 0 ? label_met(w, i, j) : 0;
        if (w->class[at] > 0 && w->label[at] == 0) {
            CD_TRY(add_label(&w->labels, &w->label[at], err));
        }
    }
    return i % 256 == 0 ? cd_interrupt_check(err) : CD_OK;
}

/* Each label of the forest becomes the number of its tree; gives how many trees there are. */
static int64_t number_trees(forest *f)
{
    int64_t trees = 0;
    for (int64_t k = 1; k < f->n; k++) {
        f->parent[k] = f->parent[k] == k ? (int32_t)++trees : f->parent[f->parent[k]];
    }
    return trees;
}

static void replace_labels(int32_t *label, int64_t n, const int32_t *number)
{
    for (int64_t i = 0; i < n; i++) {
        label[i] = number[label[i]];
    }
}

cd_status cdk_components(int32_t *label, int64_t *count, const int32_t *class, cdk_mask_shape s,
                         cd_error *err)
{
    void *block;
    int32_t none;
    labelling w = {label, class, s, {NULL, 0, 1024}};
    CD_TRY(cd_memory_alloc(&block, (size_t)w.labels.room * sizeof *w.labels.parent, err));
    w.labels.parent = block;
    cd_status status = add_label(&w.labels, &none, err);
    for (int64_t i = 0; i < s.H && status == CD_OK; i++) {
        status = label_row(&w, i, err);
    }
    if (status == CD_OK) {
        *count = number_trees(&w.labels);
        replace_labels(label, s.H * s.W, w.labels.parent);
    }
    cd_memory_free(w.labels.parent);
    return status == CD_OK ? cdk_number_objects(label, count, s, err) : status;
}

/* ---- numbers ---- */

/* first[k]: place of the first pixel of label k, counted down the columns; INT64_MAX where there is none. */
static void first_places(int64_t *first, int64_t count, const int32_t *label, cdk_mask_shape s)
{
    for (int64_t k = 0; k <= count; k++) {
        first[k] = INT64_MAX;
    }
    for (int64_t i = 0; i < s.H; i++) {
        for (int64_t j = 0; j < s.W; j++) {
            const int32_t k = label[i * s.W + j];
            const int64_t place = j * s.H + i;
            first[k] = place < first[k] ? place : first[k];
        }
    }
}

cd_status cdk_number_objects(int32_t *label, int64_t *count, cdk_mask_shape s, cd_error *err)
{
    void *block;
    size_t bytes;
    const int64_t n = *count;
    CD_TRY(cd_interrupt_check(err));
    CD_TRY(cd_memory_size(&bytes, (size_t)n + 1, 4, sizeof(int64_t), err));
    CD_TRY(cd_memory_alloc(&block, bytes, err));
    int64_t *first = block, *sorted = first + n + 1, *order = sorted + n + 1;
    int32_t *number = (int32_t *)(order + n + 1);
    first_places(first, n, label, s);
    const cdk_sorting all = {.outer = 1, .n = n, .inner = 1, .m = n};
    const cd_status status = n > 0 ? cdk_sort[CD_INT64](sorted, order, first + 1, &all, err) : CD_OK;
    if (status == CD_OK) {
        *count = 0;
        number[0] = 0;
        for (int64_t k = 0; k < n; k++) {
            number[order[k]] = sorted[k] < INT64_MAX ? (int32_t)++ * count : 0;
        }
        replace_labels(label, s.H * s.W, number);
    }
    cd_memory_free(block);
    return status;
}

int64_t cdk_largest_label(const int32_t *label, int64_t n)
{
    int32_t largest = 0, least = 0;
    for (int64_t i = 0; i < n; i++) {
        largest = label[i] > largest ? label[i] : largest;
        least = label[i] < least ? label[i] : least;
    }
    return least < 0 ? -1 : largest;
}

/* ---- measures ---- */

static void add_pixel(cdk_object *o, int64_t i, int64_t j, int64_t W)
{
    if (o->area++ == 0) {
        o->first = i * W + j;
        o->least[0] = o->most[0] = i;
        o->least[1] = o->most[1] = j;
    }
    const double di = (double)(i - o->first / W), dj = (double)(j - o->first % W);
    o->least[1] = j < o->least[1] ? j : o->least[1];
    o->most[1] = j > o->most[1] ? j : o->most[1];
    o->most[0] = i;
    o->sum[0] += di;
    o->sum[1] += dj;
    o->square[0] += di * di;
    o->square[1] += dj * dj;
    o->square[2] += di * dj;
}

static void cross(cdk_object *object, int direction, int32_t from, int32_t to)
{
    if (from == to) {
        return;
    }
    if (from > 0) {
        object[from - 1].crossings[direction]++;
    }
    if (to > 0) {
        object[to - 1].crossings[direction]++;
    }
}

static int32_t label_at(const int32_t *label, cdk_mask_shape s, int64_t i, int64_t j)
{
    return i >= 0 && j >= 0 && i < s.H && j < s.W ? label[i * s.W + j] : 0;
}

/* The four pixels around each corner. */
static void count_crossings(cdk_object *object, const int32_t *label, cdk_mask_shape s, int64_t i)
{
    int32_t a = 0, c = 0;
    for (int64_t j = 0; j <= s.W; j++) {
        const int32_t b = label_at(label, s, i - 1, j), d = label_at(label, s, i, j);
        if (a != d || b != c || c != d || b != d) {
            cross(object, 0, b, d);
            cross(object, 1, c, d);
            cross(object, 2, a, d);
            cross(object, 3, b, c);
        }
        a = b;
        c = d;
    }
}

void cdk_measure_objects(cdk_object *object, int64_t count, const int32_t *label, cdk_mask_shape s)
{
    for (int64_t k = 0; k < count; k++) {
        object[k] = (cdk_object){.first = -1};
    }
    for (int64_t i = 0; i <= s.H; i++) {
        for (int64_t j = 0; j < s.W && i < s.H; j++) {
            const int32_t k = label[i * s.W + j];
            if (k > 0) {
                add_pixel(&object[k - 1], i, j, s.W);
            }
        }
        count_crossings(object, label, s, i);
    }
}
