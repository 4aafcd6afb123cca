#include "kernels/watershed.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "kernels/distance.h"

#define STEPS_PER_PIXEL 64

/* One object in the box around it, which is one pixel wider on each side, so that there is an outside
 * everywhere but beyond the border of the picture. */
typedef struct {
    int64_t top, left, H, W;
    int64_t pixels;
} window;

/* Working memory for the largest box and object. */
typedef struct {
    uint8_t *outside; /* [H][W] of the box, as are the next two */
    float *distance, *spare;
    int32_t *basin; /* [H][W]: -1 outside, 0 not reached yet, else its basin */
    int32_t *level; /* [pixels] of the object: heights */
    int32_t *place; /* [pixels]: places in the box, from the highest to the lowest; then the queue */
    int32_t *queue;
    int64_t *start;  /* of each level in `place` */
    int32_t *parent; /* of basins: the one that took it in */
    int32_t *peak;   /* places of their maxima */
    int32_t *height;
    int32_t basins;
    const cdk_parting *rules;
    int neighbours;
} flood;

static const int around[8][2] = {{-1, 0}, {1, 0}, {0, -1}, {0, 1}, {-1, -1}, {-1, 1}, {1, -1}, {1, 1}};

/* ---- heights ---- */

/* One pass of the weights 1/4, 1/2, 1/4 along lines of n elements, `step` apart: a variance of 1/2. */
static void smooth_line(float *y, const float *x, int64_t n, int64_t step)
{
    for (int64_t i = 0; i < n; i++) {
        const float before = x[(i > 0 ? i - 1 : i) * step], after = x[(i + 1 < n ? i + 1 : i) * step];
        y[i * step] = 0.25f * before + 0.5f * x[i * step] + 0.25f * after;
    }
}

static void smooth_heights(flood *f, const window *w)
{
    const int passes = (int)lround(2 * f->rules->smooth * f->rules->smooth);
    for (int pass = 0; pass < passes; pass++) {
        for (int64_t i = 0; i < w->H; i++) {
            smooth_line(f->spare + i * w->W, f->distance + i * w->W, w->W, 1);
        }
        for (int64_t j = 0; j < w->W; j++) {
            smooth_line(f->distance + j, f->spare + j, w->H, w->W);
        }
    }
}

/* Places of the object's pixels, ordered by height: counted, then put where they belong. Gives the highest
 * level. */
static int32_t order_by_height(flood *f, const window *w)
{
    int32_t highest = 0;
    for (int64_t at = 0, k = 0; at < w->H * w->W; at++) {
        if (f->basin[at] == 0) {
            /* Where nothing is outside all distances are infinite, and the object stays whole. */
            const float d = isinf(f->distance[at]) ? 0 : f->distance[at];
            f->level[k] = (int32_t)lroundf(d * STEPS_PER_PIXEL);
            highest = f->level[k] > highest ? f->level[k] : highest;
            k++;
        }
    }
    memset(f->start, 0, ((size_t)highest + 2) * sizeof *f->start);
    for (int64_t k = 0; k < w->pixels; k++) {
        f->start[highest - f->level[k] + 1]++;
    }
    for (int32_t k = 0; k <= highest; k++) {
        f->start[k + 1] += f->start[k];
    }
    for (int64_t at = 0, k = 0; at < w->H * w->W; at++) {
        if (f->basin[at] == 0) {
            f->place[f->start[highest - f->level[k++]]++] = (int32_t)at;
        }
    }
    return highest;
}

/* ---- basins ---- */

static int32_t basin_root(flood *f, int32_t b)
{
    while (f->parent[b] != b) {
        f->parent[b] = f->parent[f->parent[b]];
        b = f->parent[b];
    }
    return b;
}

static bool are_one(const flood *f, const window *w, int32_t low, int32_t high, int32_t level)
{
    const cdk_parting *rules = f->rules;
    const int64_t di = f->peak[low] / w->W - f->peak[high] / w->W;
    const int64_t dj = f->peak[low] % w->W - f->peak[high] % w->W;
    const int32_t above = f->height[low] - level;
    return above == 0 || above < rules->depth * STEPS_PER_PIXEL ||
           (rules->neck < 1 && level > rules->neck * f->height[low]) ||
           (double)(di * di + dj * dj) < rules->distance * rules->distance;
}

/* Two basins meet at that level; of equal peaks the earlier one is the higher. */
static void meet(flood *f, const window *w, int32_t a, int32_t b, int32_t level)
{
    a = basin_root(f, a);
    b = basin_root(f, b);
    if (a == b) {
        return;
    }
    const bool a_high = f->height[a] > f->height[b] || (f->height[a] == f->height[b] && a < b);
    const int32_t high = a_high ? a : b, low = a_high ? b : a;
    if (are_one(f, w, low, high, level)) {
        f->parent[low] = high;
    }
}

/* The neighbour of a place in one of the directions; -1 beyond the box. */
static int64_t next_to(const window *w, int64_t at, int direction)
{
    const int64_t i = at / w->W + around[direction][0], j = at % w->W + around[direction][1];
    return i < 0 || j < 0 || i >= w->H || j >= w->W ? -1 : i * w->W + j;
}

/* A pixel of the level that has its basin, and its neighbours: those of the level that are not reached follow
 * it into the queue, others may be another basin's. Gives the new end of the queue. */
static int64_t reach(flood *f, const window *w, int64_t at, int32_t level, int64_t end)
{
    for (int k = 0; k < f->neighbours; k++) {
        const int64_t to = next_to(w, at, k);
        if (to < 0 || f->basin[to] < 0) {
            continue;
        }
        if (f->basin[to] > 0) {
            meet(f, w, f->basin[at], f->basin[to], level);
        } else if (f->spare[to] == (float)level) {
            f->basin[to] = f->basin[at];
            f->queue[end++] = (int32_t)to;
        }
    }
    return end;
}

static void run_queue(flood *f, const window *w, int64_t end, int32_t level)
{
    for (int64_t begin = 0; begin < end; begin++) {
        end = reach(f, w, f->queue[begin], level, end);
    }
}

/* The basin of a neighbour that was met at a higher level, or 0. */
static int32_t basin_beside(const flood *f, const window *w, int64_t at)
{
    for (int k = 0; k < f->neighbours; k++) {
        const int64_t to = next_to(w, at, k);
        if (to >= 0 && f->basin[to] > 0) {
            return f->basin[to];
        }
    }
    return 0;
}

/* The pixels place[0 .. n) are those of one level. Those beside a basin join it first, all at once, and then
 * spread; what they do not reach are new basins. */
static void flood_level(flood *f, const window *w, const int32_t *place, int64_t n, int32_t level)
{
    int64_t end = 0;
    for (int64_t k = 0; k < n; k++) {
        const int32_t basin = basin_beside(f, w, place[k]);
        if (basin > 0) {
            f->level[end] = basin;
            f->queue[end++] = place[k];
        }
    }
    for (int64_t k = 0; k < end; k++) {
        f->basin[f->queue[k]] = f->level[k];
    }
    run_queue(f, w, end, level);
    for (int64_t k = 0; k < n; k++) {
        if (f->basin[place[k]] == 0) {
            const int32_t b = ++f->basins;
            f->parent[b] = b;
            f->peak[b] = place[k];
            f->height[b] = level;
            f->basin[place[k]] = b;
            f->queue[0] = place[k];
            run_queue(f, w, 1, level);
        }
    }
}

/* ---- one object ---- */

static void enter_window(flood *f, window *w, const int32_t *label, cdk_mask_shape s, int32_t k)
{
    w->pixels = 0;
    for (int64_t i = 0; i < w->H; i++) {
        for (int64_t j = 0; j < w->W; j++) {
            const bool inside = label[(w->top + i) * s.W + w->left + j] == k;
            f->outside[i * w->W + j] = !inside;
            f->basin[i * w->W + j] = inside ? 0 : -1;
            w->pixels += inside;
        }
    }
}

/* The levels of all places, for reach(): whole numbers that float holds. */
static void spread_levels(flood *f, const window *w)
{
    for (int64_t at = 0, k = 0; at < w->H * w->W; at++) {
        f->spare[at] = f->basin[at] == 0 ? (float)f->level[k++] : -1;
    }
}

static void flood_object(flood *f, const window *w)
{
    const int32_t highest = order_by_height(f, w);
    spread_levels(f, w);
    f->basins = 0;
    for (int64_t begin = 0; begin < w->pixels;) {
        const int32_t level = (int32_t)f->spare[f->place[begin]];
        /* Filling moved each start to the next one's. */
        const int64_t end = f->start[highest - level];
        flood_level(f, w, f->place + begin, end - begin, level);
        begin = end;
    }
}

/* The first basin that stays keeps the object's label k, others get new ones. */
static cd_status write_basins(flood *f, const window *w, int32_t *label, cdk_mask_shape s, int32_t k,
                              int64_t *count, cd_error *err)
{
    int64_t kept = 0;
    for (int32_t b = 1; b <= f->basins; b++) {
        if (f->parent[b] != b) {
            continue;
        }
        if (*count >= INT32_MAX - 1) {
            return cd_fail(err, CD_EVALUE, "the objects have too many parts to be numbered.");
        }
        f->height[b] = kept++ == 0 ? k : (int32_t)++ * count;
    }
    for (int64_t at = 0; at < w->H * w->W && kept > 1; at++) {
        if (f->basin[at] > 0) {
            label[(w->top + at / w->W) * s.W + w->left + at % w->W] = f->height[basin_root(f, f->basin[at])];
        }
    }
    return CD_OK;
}

static window window_of(const cdk_object *o, cdk_mask_shape s)
{
    const int64_t top = o->least[0] > 0 ? o->least[0] - 1 : 0, left = o->least[1] > 0 ? o->least[1] - 1 : 0;
    const int64_t bottom = o->most[0] + 1 < s.H ? o->most[0] + 1 : s.H - 1;
    const int64_t right = o->most[1] + 1 < s.W ? o->most[1] + 1 : s.W - 1;
    return (window){top, left, bottom - top + 1, right - left + 1, o->area};
}

/* ---- memory ---- */

static void free_flood(flood *f)
{
    void *blocks[] = {f->outside, f->distance, f->spare,  f->basin, f->level, f->place,
                      f->queue,   f->start,    f->parent, f->peak,  f->height};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        cd_memory_free(blocks[i]);
    }
}

static cd_status block_of(void *field, int64_t n, size_t size, cd_error *err)
{
    void *block;
    size_t bytes;
    CD_TRY(cd_memory_size(&bytes, (size_t)n, size, 1, err));
    CD_TRY(cd_memory_alloc(&block, bytes, err));
    memcpy(field, &block, sizeof block);
    return CD_OK;
}

static cd_status allocate_flood(flood *f, int64_t box, int64_t pixels, int64_t levels, cd_error *err)
{
    CD_TRY(block_of(&f->outside, box, sizeof *f->outside, err));
    CD_TRY(block_of(&f->distance, box, sizeof *f->distance, err));
    CD_TRY(block_of(&f->spare, box, sizeof *f->spare, err));
    CD_TRY(block_of(&f->basin, box, sizeof *f->basin, err));
    CD_TRY(block_of(&f->level, pixels, sizeof *f->level, err));
    CD_TRY(block_of(&f->place, pixels, sizeof *f->place, err));
    CD_TRY(block_of(&f->queue, pixels, sizeof *f->queue, err));
    CD_TRY(block_of(&f->start, levels, sizeof *f->start, err));
    CD_TRY(block_of(&f->parent, pixels + 1, sizeof *f->parent, err));
    CD_TRY(block_of(&f->peak, pixels + 1, sizeof *f->peak, err));
    return block_of(&f->height, pixels + 1, sizeof *f->height, err);
}

/* ---- all objects ---- */

static cd_status part_one(flood *f, window w, int32_t *label, int64_t *count, cdk_mask_shape s, int32_t k,
                          cd_error *err)
{
    enter_window(f, &w, label, s, k);
    CD_TRY(cdk_distance(f->distance, f->outside, 1, w.H, w.W, err));
    smooth_heights(f, &w);
    flood_object(f, &w);
    return write_basins(f, &w, label, s, k, count, err);
}

static cd_status part_all(flood *f, const cdk_object *object, int32_t *label, int64_t *count,
                          cdk_mask_shape s, cd_error *err)
{
    const int64_t before = *count;
    int64_t since = 0;
    for (int64_t k = 0; k < before; k++) {
        if (object[k].area == 0) {
            continue;
        }
        const window w = window_of(&object[k], s);
        CD_TRY(part_one(f, w, label, count, s, (int32_t)k + 1, err));
        since += w.H * w.W;
        if (since > 1 << 18) {
            since = 0;
            CD_TRY(cd_interrupt_check(err));
        }
    }
    return CD_OK;
}

cd_status cdk_part_objects(int32_t *label, int64_t *count, const cdk_parting *rules, cdk_mask_shape s,
                           cd_error *err)
{
    void *block;
    size_t bytes;
    flood f = {.rules = rules, .neighbours = s.neighbours};
    CD_TRY(cd_memory_size(&bytes, (size_t)*count + 1, sizeof(cdk_object), 1, err));
    CD_TRY(cd_memory_alloc(&block, bytes, err));
    const cdk_object *object = block;
    cdk_measure_objects(block, *count, label, s);
    int64_t box = 1, pixels = 1, side = 1;
    for (int64_t k = 0; k < *count; k++) {
        const window w = window_of(&object[k], s);
        box = w.H * w.W > box ? w.H * w.W : box;
        pixels = w.pixels > pixels ? w.pixels : pixels;
        side = w.H + w.W > side ? w.H + w.W : side;
    }
    cd_status status = CD_OK;
    if (box > INT32_MAX || side > INT32_MAX / STEPS_PER_PIXEL / 2) {
        status = cd_fail(err, CD_EVALUE, "an object is too large to be parted.");
    }
    if (status == CD_OK) {
        status = allocate_flood(&f, box, pixels, side * STEPS_PER_PIXEL + 2, err);
    }
    if (status == CD_OK) {
        status = part_all(&f, object, label, count, s, err);
    }
    free_flood(&f);
    cd_memory_free(block);
    return status == CD_OK ? cdk_number_objects(label, count, s, err) : status;
}
