#include "kernels/attention.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/attention_dropout.h"
#include "kernels/attention_f64.h"
#include "kernels/dispatch.h"
#include "kernels/panels.h"
#include "kernels/rows.h"
#include "kernels/sizes.h"
#include "kernels/transpose.h"

/* Queries and keys of a block: its scores stay in the second cache, a multiple of every tile in both
 * directions. */
#define BLOCK_ROWS 56
#define BLOCK_KEYS 224
/* Heads are cut into parts where there are fewer than so many, so that every thread has work. The numbers do
 * not depend on threads: sums of a head's parts are added in their order. */
#define FORWARD_ITEMS 64
#define BACKWARD_ITEMS 16

/* Memory of one thread. */
typedef struct {
    float *keys_across;   /* K^T packed: panels of keys, [E][width] */
    float *values_across; /* V^T packed, [V][width] */
    float *keys, *values; /* K and V packed: panels of their elements, [S][width] */
    float *q, *dy;        /* [BLOCK_ROWS][E], [BLOCK_ROWS][V] */
    float *q_panel, *dy_panel;
    float *scores, *ds;         /* [BLOCK_ROWS][BLOCK_KEYS] */
    float *top, *sum, *delta;   /* [BLOCK_ROWS] */
    float *mask_row, *kept_row; /* [BLOCK_KEYS] */
} scratch;

typedef struct {
    const cdk_attention *a;
    const cdk_attention_gradients *g;
    cdk_panels by_key, by_element,
        by_value;              /* columns of products: keys, elements of a key, and of a value */
    int64_t row_blocks, parts; /* of a head */
    float *memory, *partial;   /* of all threads; gradients of k and v of all parts, or NULL */
    size_t each;               /* floats of a thread */
} plan;

typedef struct {
    const plan *p;
    scratch s;
    int64_t h, i0, rows;
} block;

static float *matrix_of(const cdk_heads *m, int64_t h)
{
    return (float *)m->data + m->at[h];
}

/* ---- memory ---- */

static size_t take(float **at, float *memory, size_t used, int64_t floats)
{
    *at = memory != NULL ? memory + used : NULL;
    return used + (size_t)cdk_ceil_div(floats, CDK_LINE_FLOATS) * CDK_LINE_FLOATS;
}

/* Cuts memory into the pieces; gives their floats. */
static size_t cut_scratch(scratch *s, float *memory, const plan *p)
{
    const cdk_attention *a = p->a;
    const int backward = p->g != NULL;
    size_t n = 0;
    n = take(&s->keys_across, memory, n, p->by_key.width * a->E);
    n = take(&s->values_across, memory, n, backward * p->by_key.width * a->V);
    n = take(&s->keys, memory, n, backward * p->by_element.width * a->S);
    n = take(&s->values, memory, n, !backward * p->by_value.width * a->S);
    n = take(&s->q, memory, n, BLOCK_ROWS * a->E);
    n = take(&s->dy, memory, n, backward * BLOCK_ROWS * a->V);
    n = take(&s->q_panel, memory, n, backward * BLOCK_ROWS * p->by_element.width);
    n = take(&s->dy_panel, memory, n, backward * BLOCK_ROWS * p->by_value.width);
    n = take(&s->scores, memory, n, BLOCK_ROWS * BLOCK_KEYS);
    n = take(&s->ds, memory, n, backward * BLOCK_ROWS * BLOCK_KEYS);
    n = take(&s->top, memory, n, BLOCK_ROWS);
    n = take(&s->sum, memory, n, BLOCK_ROWS);
    n = take(&s->delta, memory, n, BLOCK_ROWS);
    n = take(&s->mask_row, memory, n, BLOCK_KEYS);
    return take(&s->kept_row, memory, n, BLOCK_KEYS);
}

static cd_status make_plan(plan *p, const cdk_attention *a, const cdk_attention_gradients *g, int64_t items,
                           cd_error *err)
{
    const cdk_isa *isa = cdk_isa_current();
    scratch none;
    *p = (plan){
        .a = a, .g = g, .by_key = cdk_panels_make(isa, a->S), .by_element = cdk_panels_make(isa, a->E)};
    p->by_value = cdk_panels_make(isa, a->V);
    p->row_blocks = cdk_ceil_div(a->L, BLOCK_ROWS);
    p->parts = cdk_min(p->row_blocks, cdk_ceil_div(items, a->heads));
    p->each = cut_scratch(&none, NULL, p);
    return cd_memory_floats(&p->memory, cd_threads(), (int64_t)p->each, 1, err);
}

static block block_of(const plan *p, int thread)
{
    block b = {.p = p, .h = -1};
    cut_scratch(&b.s, p->memory + (size_t)thread * p->each, p);
    return b;
}

/* ---- packing ---- */

/* The matrix [rows][columns.n], `row` elements apart, as panels of its columns. */
static void pack(float *panels, const cdk_panels *columns, const float *x, int64_t row, int64_t rows)
{
    for (int64_t i = 0; i < columns->count; i++) {
        const cdk_panel c = cdk_panels_get(columns, i);
        cdk_panels_pack(panels + c.panel * rows, &c, x + c.first, row, rows);
    }
}

/* Its transpose: columns are the rows of x, of n elements. */
static void pack_across(float *panels, const cdk_panels *columns, const float *x, int64_t row, int64_t n)
{
    for (int64_t i = 0; i < columns->count; i++) {
        const cdk_panel c = cdk_panels_get(columns, i);
        const int width = c.kind->width;
        float *panel = panels + c.panel * n;
        cdk_transpose(panel, width, x + c.first * row, row, c.lanes, n);
        for (int64_t k = 0; c.lanes < width && k < n; k++) {
            memset(panel + k * width + c.lanes, 0, (size_t)(width - c.lanes) * sizeof(float));
        }
    }
}

static void copy_rows(float *to, const cdk_heads *m, const block *b, int64_t n)
{
    const float *from = matrix_of(m, b->h) + b->i0 * m->row;
    for (int64_t i = 0; i < b->rows; i++) {
        memcpy(to + i * n, from + i * m->row, (size_t)n * sizeof(float));
    }
}

/* Keys and values of a head, unless they are there already. */
static void enter_head(block *b, int64_t h)
{
    const plan *p = b->p;
    const cdk_attention *a = p->a;
    if (b->h == h) {
        return;
    }
    b->h = h;
    const float *k = matrix_of(&a->k, h), *v = matrix_of(&a->v, h);
    pack_across(b->s.keys_across, &p->by_key, k, a->k.row, a->E);
    if (p->g == NULL) {
        pack(b->s.values, &p->by_value, v, a->v.row, a->S);
    } else {
        pack_across(b->s.values_across, &p->by_key, v, a->v.row, a->V);
        pack(b->s.keys, &p->by_element, k, a->k.row, a->S);
    }
}

static void enter_rows(block *b, int64_t row_block)
{
    b->i0 = row_block * BLOCK_ROWS;
    b->rows = cdk_min(BLOCK_ROWS, b->p->a->L - b->i0);
    copy_rows(b->s.q, &b->p->a->q, b, b->p->a->E);
}

/* ---- products ---- */

/* y[rows][...] (+)= x[rows][length] w[length][...] for the columns of panels first .. last, whose steps begin
 * at `step` of `steps`. Column 0 of y is the first of panel `first`. */
typedef struct {
    float *y;
    ptrdiff_t y_row;
    const float *x;
    ptrdiff_t x_row, x_step;
    int64_t rows;
    const float *panels;
    const cdk_panels *columns;
    int64_t first, last, step, length, steps;
    int accumulate;
} product;

static void multiply(const product *m)
{
    const ptrdiff_t start = 0;
    const int64_t origin = cdk_panels_get(m->columns, m->first).first;
    for (int64_t i = m->first; i < m->last; i++) {
        const cdk_panel c = cdk_panels_get(m->columns, i);
        cdk_tile tile = {.y = m->y + (c.first - origin),
                         .x = m->x,
                         .w = m->panels + c.panel * m->steps + m->step * c.kind->width,
                         .x_run = &start,
                         .w_run = &start,
                         .runs = 1,
                         .length = m->length,
                         .y_row = m->y_row,
                         .x_row = m->x_row,
                         .x_step = m->x_step,
                         .w_step = c.kind->width,
                         .activation = CDK_ACTIVATION_NONE,
                         .lanes = c.lanes,
                         .accumulate = m->accumulate};
        cdk_tile_strip(&c, &tile, m->rows);
    }
}

/* scores[rows][keys j0 ..] = x[rows][n] times the keys or values, packed across */
static void multiply_across(const block *b, float *scores, const float *x, const float *across, int64_t n,
                            int64_t j0)
{
    const cdk_panels *keys = &b->p->by_key;
    const int64_t each = BLOCK_KEYS / keys->widest->width, first = j0 / BLOCK_KEYS * each;
    multiply(&(product){.y = scores,
                        .y_row = BLOCK_KEYS,
                        .x = x,
                        .x_row = n,
                        .x_step = 1,
                        .rows = b->rows,
                        .panels = across,
                        .columns = keys,
                        .first = first,
                        .last = j0 + BLOCK_KEYS < b->p->a->S ? first + each : keys->count,
                        .length = n,
                        .steps = n});
}

/* y[rows][...] (+)= weights[rows][keys j0 ..] times the keys or values, packed */
static void multiply_keys(const block *b, float *y, ptrdiff_t y_row, const float *weights,
                          const float *panels, const cdk_panels *columns, int64_t j0)
{
    const int64_t S = b->p->a->S;
    multiply(&(product){.y = y,
                        .y_row = y_row,
                        .x = weights,
                        .x_row = BLOCK_KEYS,
                        .x_step = 1,
                        .rows = b->rows,
                        .panels = panels,
                        .columns = columns,
                        .last = columns->count,
                        .step = j0,
                        .length = cdk_min(BLOCK_KEYS, S - j0),
                        .steps = S,
                        .accumulate = j0 > 0});
}

/* y[keys][...] += weights[rows][keys]^T times the queries' rows, packed */
static void multiply_rows(const block *b, float *y, ptrdiff_t y_row, const float *weights, const float *panel,
                          const cdk_panels *columns, int64_t keys)
{
    multiply(&(product){.y = y,
                        .y_row = y_row,
                        .x = weights,
                        .x_row = 1,
                        .x_step = BLOCK_KEYS,
                        .rows = keys,
                        .panels = panel,
                        .columns = columns,
                        .last = columns->count,
                        .length = b->rows,
                        .steps = b->rows,
                        .accumulate = 1});
}

/* ---- scores ---- */

/* How many of `keys` keys from j0 on query i looks at, but for the mask. */
static int64_t keys_seen(const cdk_attention *a, int64_t i, int64_t j0, int64_t keys)
{
    return a->causal ? cdk_max(0, cdk_min(keys, i + 1 - j0)) : keys;
}

/* What is added to the scores of query i and keys from j0 on, or NULL. */
static const float *mask_of(const block *b, int64_t i, int64_t j0, int64_t keys)
{
    const cdk_attention *a = b->p->a;
    if (a->mask.data == NULL) {
        return NULL;
    }
    const int64_t at = a->mask.at[b->h] + i * a->mask.row + j0;
    if (!a->mask_is_bool) {
        return (const float *)a->mask.data + at;
    }
    const uint8_t *counts = (const uint8_t *)a->mask.data + at;
    for (int64_t j = 0; j < keys; j++) {
        b->s.mask_row[j] = counts[j] ? 0 : -INFINITY;
    }
    return b->s.mask_row;
}

static const float *kept_of(const block *b, int64_t i, int64_t j0, int64_t keys)
{
    const cdk_attention *a = b->p->a;
    cdk_attention_kept(b->s.kept_row, a, b->h, i, j0, keys);
    return b->s.kept_row;
}

static void set_zero(float *x, int64_t n)
{
    memset(x, 0, (size_t)n * sizeof *x);
}

static int64_t last_key(const block *b)
{
    const cdk_attention *a = b->p->a;
    return a->causal ? cdk_min(a->S, b->i0 + b->rows) : a->S;
}

/* ---- forward ---- */

static bool has_nan(const float *x, int64_t n)
{
    bool found = false;
    for (int64_t j = 0; j < n; j++) {
        found = found || isnan(x[j]);
    }
    return found;
}

/* Scores of row r and keys from j0 on become exponentials; the row's result so far is scaled to the largest
 * score. */
static void exponentials(const block *b, float *y, int64_t r, int64_t j0, int64_t keys)
{
    const cdk_attention *a = b->p->a;
    const int64_t i = b->i0 + r, seen = keys_seen(a, i, j0, keys);
    float *x = b->s.scores + r * BLOCK_KEYS, before = b->s.top[r];
    const float top = fmaxf(before, cdk_row_affine(x, seen, (float)a->scale, mask_of(b, i, j0, seen)));
    if (top == -INFINITY && !has_nan(x, seen)) {
        set_zero(x, keys);
        return;
    }
    const float factor = expf(before - top);
    b->s.top[r] = top;
    b->s.sum[r] = b->s.sum[r] * factor + cdk_row_exp(x, x, seen, top);
    set_zero(x + seen, keys - seen);
    if (a->p > 0) {
        cdk_row_multiply(x, kept_of(b, i, j0, seen), seen);
    }
    if (j0 > 0 && factor != 1) {
        cdk_row_times(y, y, a->V, factor);
    }
}

/* A row that looked at no key has a sum of 0: its result is 0, and so is every p in backward. */
static void finish_row(const block *b, float *y, int64_t r)
{
    const cdk_attention *a = b->p->a;
    const float sum = b->s.sum[r];
    const bool looked = sum != 0;
    cdk_row_times(y, y, a->V, looked ? 1 / sum : 0);
    if (a->lse != NULL) {
        ((float *)a->lse)[b->h * a->L + b->i0 + r] = looked ? b->s.top[r] + logf(sum) : INFINITY;
    }
}

static void forward_rows(const block *b)
{
    const cdk_attention *a = b->p->a;
    float *y = matrix_of(&a->y, b->h) + b->i0 * a->y.row;
    for (int64_t r = 0; r < b->rows; r++) {
        b->s.top[r] = -INFINITY;
        b->s.sum[r] = 0;
    }
    for (int64_t j0 = 0; j0 < last_key(b); j0 += BLOCK_KEYS) {
        const int64_t keys = cdk_min(BLOCK_KEYS, a->S - j0);
        multiply_across(b, b->s.scores, b->s.q, b->s.keys_across, a->E, j0);
        for (int64_t r = 0; r < b->rows; r++) {
            exponentials(b, y + r * a->y.row, r, j0, keys);
        }
        multiply_keys(b, y, a->y.row, b->s.scores, b->s.values, &b->p->by_value, j0);
    }
    for (int64_t r = 0; r < b->rows; r++) {
        finish_row(b, y + r * a->y.row, r);
    }
}

/* Item: part of a head. */
static void forward_items(void *context, int64_t begin, int64_t end, int thread)
{
    const plan *p = context;
    block b = block_of(p, thread);
    for (int64_t item = begin; item < end; item++) {
        const int64_t part = item % p->parts;
        enter_head(&b, item / p->parts);
        for (int64_t i = part * p->row_blocks / p->parts; i < (part + 1) * p->row_blocks / p->parts; i++) {
            enter_rows(&b, i);
            forward_rows(&b);
        }
    }
}

static cd_status forward_f32(const cdk_attention *a, cd_error *err)
{
    plan p;
    CD_TRY(make_plan(&p, a, NULL, FORWARD_ITEMS, err));
    cd_parallel_for(a->heads * p.parts, 1, forward_items, &p);
    cd_memory_free(p.memory);
    return CD_OK;
}

/* ---- backward ---- */

/* Where a part's gradients of keys and values go. */
typedef struct {
    float *dk, *dv;
    int64_t dk_row, dv_row;
} part_sums;

static int64_t part_floats(const plan *p)
{
    return p->a->S * (p->a->E + p->a->V);
}

static part_sums sums_of(const plan *p, int64_t h, int64_t part)
{
    const cdk_attention_gradients *g = p->g;
    if (p->partial != NULL) {
        float *dk = p->partial + (h * p->parts + part) * part_floats(p);
        return (part_sums){dk, dk + p->a->S * p->a->E, p->a->E, p->a->V};
    }
    return (part_sums){g->dk.data ? matrix_of(&g->dk, h) : NULL, g->dv.data ? matrix_of(&g->dv, h) : NULL,
                       g->dk.row, g->dv.row};
}

static void clear_rows(float *x, int64_t row, int64_t rows, int64_t n)
{
    for (int64_t i = 0; x != NULL && i < rows; i++) {
        set_zero(x + i * row, n);
    }
}

static void enter_gradient_rows(block *b, int64_t row_block)
{
    const plan *p = b->p;
    const cdk_attention *a = p->a;
    enter_rows(b, row_block);
    copy_rows(b->s.dy, &p->g->dy, b, a->V);
    pack(b->s.q_panel, &p->by_element, b->s.q, a->E, b->rows);
    pack(b->s.dy_panel, &p->by_value, b->s.dy, a->V, b->rows);
    const float *y = matrix_of(&a->y, b->h) + b->i0 * a->y.row;
    for (int64_t r = 0; r < b->rows; r++) {
        b->s.delta[r] = cdk_row_dot(b->s.dy + r * a->V, y + r * a->y.row, a->V);
    }
}

/* Row r of scores becomes r p, that of ds, which is dy v, the gradient of the scores times `factor`. */
static void gradient_row(const block *b, int64_t r, int64_t j0, int64_t keys, float factor)
{
    const cdk_attention *a = b->p->a;
    const int64_t i = b->i0 + r, seen = keys_seen(a, i, j0, keys);
    float *x = b->s.scores + r * BLOCK_KEYS, *ds = b->s.ds + r * BLOCK_KEYS;
    const cdk_row_scores row = {(float)a->scale,         ((const float *)a->lse)[b->h * a->L + i],
                                b->s.delta[r],           factor,
                                mask_of(b, i, j0, seen), a->p > 0 ? kept_of(b, i, j0, seen) : NULL};
    cdk_row_scores_gradient(x, ds, seen, &row);
    set_zero(x + seen, keys - seen);
    set_zero(ds + seen, keys - seen);
}

static void gradient_block(const block *b, int64_t j0, int64_t keys, float factor)
{
    const cdk_attention *a = b->p->a;
    multiply_across(b, b->s.scores, b->s.q, b->s.keys_across, a->E, j0);
    multiply_across(b, b->s.ds, b->s.dy, b->s.values_across, a->V, j0);
    for (int64_t r = 0; r < b->rows; r++) {
        gradient_row(b, r, j0, keys, factor);
    }
}

static void backward_rows(const block *b, const part_sums *to)
{
    const plan *p = b->p;
    const cdk_attention *a = p->a;
    const cdk_heads *dq = &p->g->dq;
    for (int64_t j0 = 0; j0 < last_key(b); j0 += BLOCK_KEYS) {
        const int64_t keys = cdk_min(BLOCK_KEYS, a->S - j0);
        gradient_block(b, j0, keys, (float)a->scale);
        if (to->dv != NULL) {
            multiply_rows(b, to->dv + j0 * to->dv_row, to->dv_row, b->s.scores, b->s.dy_panel, &p->by_value,
                          keys);
        }
        if (to->dk != NULL) {
            multiply_rows(b, to->dk + j0 * to->dk_row, to->dk_row, b->s.ds, b->s.q_panel, &p->by_element,
                          keys);
        }
        if (dq->data != NULL) {
            multiply_keys(b, matrix_of(dq, b->h) + b->i0 * dq->row, dq->row, b->s.ds, b->s.keys,
                          &p->by_element, j0);
        }
    }
}

static void backward_items(void *context, int64_t begin, int64_t end, int thread)
{
    const plan *p = context;
    block b = block_of(p, thread);
    for (int64_t item = begin; item < end; item++) {
        const int64_t h = item / p->parts, part = item % p->parts;
        const part_sums to = sums_of(p, h, part);
        clear_rows(to.dk, to.dk_row, p->a->S, p->a->E);
        clear_rows(to.dv, to.dv_row, p->a->S, p->a->V);
        enter_head(&b, h);
        for (int64_t i = part * p->row_blocks / p->parts; i < (part + 1) * p->row_blocks / p->parts; i++) {
            enter_gradient_rows(&b, i);
            backward_rows(&b, &to);
        }
    }
}

static void add_rows(const plan *p, const cdk_heads *to, int64_t h, int64_t first, int64_t n)
{
    for (int64_t j = 0; to->data != NULL && j < p->a->S; j++) {
        float *sum = matrix_of(to, h) + j * to->row;
        set_zero(sum, n);
        for (int64_t part = 0; part < p->parts; part++) {
            const float *x = p->partial + (h * p->parts + part) * part_floats(p) + first + j * n;
            for (int64_t e = 0; e < n; e++) {
                sum[e] += x[e];
            }
        }
    }
}

static void join_parts(void *context, int64_t begin, int64_t end, int thread)
{
    const plan *p = context;
    (void)thread;
    for (int64_t h = begin; h < end; h++) {
        add_rows(p, &p->g->dk, h, 0, p->a->E);
        add_rows(p, &p->g->dv, h, p->a->S * p->a->E, p->a->V);
    }
}

/* Blocks of queries of all heads, for the mask's gradient: a matrix of it may belong to several heads. */
static void mask_items(void *context, int64_t begin, int64_t end, int thread)
{
    const plan *p = context;
    const cdk_heads *dmask = &p->g->dmask;
    block b = block_of(p, thread);
    for (int64_t i = begin; i < end; i++) {
        for (int64_t h = 0; h < p->a->heads; h++) {
            enter_head(&b, h);
            enter_gradient_rows(&b, i);
            for (int64_t j0 = 0; j0 < p->a->S; j0 += BLOCK_KEYS) {
                const int64_t keys = cdk_min(BLOCK_KEYS, p->a->S - j0);
                gradient_block(&b, j0, keys, 1);
                for (int64_t r = 0; r < b.rows; r++) {
                    float *to = matrix_of(dmask, h) + (b.i0 + r) * dmask->row + j0;
                    for (int64_t j = 0; j < keys; j++) {
                        to[j] += b.s.ds[r * BLOCK_KEYS + j];
                    }
                }
            }
        }
    }
}

static cd_status backward_f32(const cdk_attention *a, const cdk_attention_gradients *g, cd_error *err)
{
    plan p;
    CD_TRY(make_plan(&p, a, g, BACKWARD_ITEMS, err));
    cd_status status = CD_OK;
    if (p.parts > 1) {
        status = cd_memory_floats(&p.partial, a->heads * p.parts, part_floats(&p), 1, err);
    }
    if (status == CD_OK && (g->dq.data != NULL || g->dk.data != NULL || g->dv.data != NULL)) {
        cd_parallel_for(a->heads * p.parts, 1, backward_items, &p);
    }
    if (status == CD_OK && p.parts > 1) {
        cd_parallel_for(a->heads, 1, join_parts, &p);
    }
    if (status == CD_OK && g->dmask.data != NULL) {
        cd_parallel_for(p.row_blocks, g->dmask.row == 0 ? p.row_blocks : 1, mask_items, &p);
    }
    cd_memory_free(p.memory);
    cd_memory_free(p.partial);
    return status;
}

cdk_attention_run *const cdk_attention_forward[CD_DTYPES] = {
    [CD_FLOAT32] = forward_f32, [CD_FLOAT64] = cdk_attention_forward_f64};
cdk_attention_gradient_run *const cdk_attention_backward[CD_DTYPES] = {
    [CD_FLOAT32] = backward_f32, [CD_FLOAT64] = cdk_attention_backward_f64};
