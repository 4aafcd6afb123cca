#include "kernels/attention_f64.h"

#include <math.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/attention_dropout.h"
#include "kernels/sizes.h"

typedef struct {
    const cdk_attention *a;
    const cdk_attention_gradients *g;
    double *memory; /* [threads][2][S]: scores, and their gradients */
} task;

static double *row_of(const cdk_heads *m, int64_t h, int64_t i)
{
    return (double *)m->data + m->at[h] + i * m->row;
}

static int64_t keys_seen(const cdk_attention *a, int64_t i)
{
    return a->causal ? cdk_min(a->S, i + 1) : a->S;
}

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

static void add_times(double *y, const double *x, double factor, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        y[i] += factor * x[i];
    }
}

static double masked(const cdk_attention *a, int64_t h, int64_t i, int64_t j, double score)
{
    if (a->mask.data == NULL) {
        return score;
    }
    const int64_t at = a->mask.at[h] + i * a->mask.row + j;
    return a->mask_is_bool ? (((const uint8_t *)a->mask.data)[at] ? score : -INFINITY)
                           : score + ((const double *)a->mask.data)[at];
}

static float kept(const cdk_attention *a, int64_t h, int64_t i, int64_t j)
{
    float factor = 1;
    if (a->p > 0) {
        cdk_attention_kept(&factor, a, h, i, j, 1);
    }
    return factor;
}

/* The scores of query i; gives the largest. */
static double scores_of(const cdk_attention *a, double *s, int64_t h, int64_t i)
{
    double top = -INFINITY;
    for (int64_t j = 0; j < keys_seen(a, i); j++) {
        s[j] = masked(a, h, i, j, a->scale * dot(row_of(&a->q, h, i), row_of(&a->k, h, j), a->E));
        top = s[j] > top || isnan(s[j]) ? s[j] : top;
    }
    return top;
}

static void forward_row(const cdk_attention *a, double *s, int64_t h, int64_t i)
{
    const double top = scores_of(a, s, h, i);
    double *y = row_of(&a->y, h, i), sum = 0;
    for (int64_t c = 0; c < a->V; c++) {
        y[c] = 0;
    }
    for (int64_t j = 0; top != -INFINITY && j < keys_seen(a, i); j++) {
        const double e = exp(s[j] - top);
        sum += e;
        add_times(y, row_of(&a->v, h, j), e * (double)kept(a, h, i, j), a->V);
    }
    for (int64_t c = 0; sum != 0 && c < a->V; c++) {
        y[c] /= sum;
    }
    if (a->lse != NULL) {
        ((double *)a->lse)[h * a->L + i] = sum != 0 ? top + log(sum) : INFINITY;
    }
}

static void forward_items(void *context, int64_t begin, int64_t end, int thread)
{
    const task *t = context;
    for (int64_t item = begin; item < end; item++) {
        forward_row(t->a, t->memory + thread * 2 * t->a->S, item / t->a->L, item % t->a->L);
    }
}

static cd_status with_memory(task *t, int64_t items, cd_parallel_body body, cd_error *err)
{
    void *memory;
    size_t bytes;
    CD_TRY(cd_memory_size(&bytes, (size_t)cd_threads() * 2, (size_t)t->a->S, sizeof(double), err));
    CD_TRY(cd_memory_alloc(&memory, bytes, err));
    t->memory = memory;
    cd_parallel_for(items, 1, body, t);
    cd_memory_free(memory);
    return CD_OK;
}

cd_status cdk_attention_forward_f64(const cdk_attention *a, cd_error *err)
{
    task t = {.a = a};
    return with_memory(&t, a->heads * a->L, forward_items, err);
}

/* s = r p, ds = the gradient of the scores. */
static void gradient_row(const task *t, double *s, double *ds, int64_t h, int64_t i)
{
    const cdk_attention *a = t->a;
    const double lse = ((const double *)a->lse)[h * a->L + i], *dy = row_of(&t->g->dy, h, i);
    const double delta = dot(dy, row_of(&a->y, h, i), a->V);
    scores_of(a, s, h, i);
    for (int64_t j = 0; j < keys_seen(a, i); j++) {
        const double p = exp(s[j] - lse), factor = (double)kept(a, h, i, j);
        ds[j] = p * (factor * dot(dy, row_of(&a->v, h, j), a->V) - delta);
        s[j] = p * factor;
    }
}

static void add_row(const task *t, const double *s, const double *ds, int64_t h, int64_t i)
{
    const cdk_attention *a = t->a;
    const cdk_attention_gradients *g = t->g;
    for (int64_t j = 0; j < keys_seen(a, i); j++) {
        if (g->dq.data != NULL) {
            add_times(row_of(&g->dq, h, i), row_of(&a->k, h, j), a->scale * ds[j], a->E);
        }
        if (g->dk.data != NULL) {
            add_times(row_of(&g->dk, h, j), row_of(&a->q, h, i), a->scale * ds[j], a->E);
        }
        if (g->dv.data != NULL) {
            add_times(row_of(&g->dv, h, j), row_of(&g->dy, h, i), s[j], a->V);
        }
    }
}

static void clear_matrix(const cdk_heads *m, int64_t h, int64_t rows, int64_t n)
{
    for (int64_t i = 0; m->data != NULL && i < rows; i++) {
        for (int64_t c = 0; c < n; c++) {
            row_of(m, h, i)[c] = 0;
        }
    }
}

static void backward_items(void *context, int64_t begin, int64_t end, int thread)
{
    const task *t = context;
    const cdk_attention *a = t->a;
    double *s = t->memory + thread * 2 * a->S, *ds = s + a->S;
    for (int64_t h = begin; h < end; h++) {
        clear_matrix(&t->g->dq, h, a->L, a->E);
        clear_matrix(&t->g->dk, h, a->S, a->E);
        clear_matrix(&t->g->dv, h, a->S, a->V);
        for (int64_t i = 0; i < a->L; i++) {
            gradient_row(t, s, ds, h, i);
            add_row(t, s, ds, h, i);
        }
    }
}

/* On one thread: a matrix of the mask may belong to several heads. */
static void mask_items(void *context, int64_t begin, int64_t end, int thread)
{
    const task *t = context;
    double *s = t->memory + thread * 2 * t->a->S, *ds = s + t->a->S;
    for (int64_t item = begin; item < end; item++) {
        const int64_t h = item / t->a->L, i = item % t->a->L;
        gradient_row(t, s, ds, h, i);
        add_times(row_of(&t->g->dmask, h, i), ds, 1, t->a->S);
    }
}

static void mask_on_one_thread(void *context, int64_t begin, int64_t end, int thread)
{
    const task *t = context;
    (void)begin;
    (void)end;
    mask_items(context, 0, t->a->heads * t->a->L, thread);
}

cd_status cdk_attention_backward_f64(const cdk_attention *a, const cdk_attention_gradients *g, cd_error *err)
{
    task t = {.a = a, .g = g};
    CD_TRY(with_memory(&t, a->heads, backward_items, err));
    return g->dmask.data != NULL ? with_memory(&t, 1, mask_on_one_thread, err) : CD_OK;
}
