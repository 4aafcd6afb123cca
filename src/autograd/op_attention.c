/* Scaled dot-product attention: y = dropout(softmax(scale q k' + mask)) v, by heads (kernels/attention.h).
 * Inputs: query [..., L, E], key [..., S, E], value [..., S, V], mask (bool or the queries' type, broadcast
 * to [..., L, S]) or absent; leading dimensions, the heads, are broadcast. */
#include <math.h>
#include <string.h>

#include "autograd/compute.h"
#include "autograd/expression.h"
#include "autograd/second.h"
#include "autograd/shapes.h"
#include "base/memory.h"
#include "base/random.h"
#include "kernels/attention.h"
#include "tensor/copy.h"
#include "tensor/elements.h"
#include "tensor/format.h"

enum { SCALE, CAUSAL, PROBABILITY, ATTENTION_ATTRS };
enum { QUERY, KEY, VALUE, MASK, INPUTS };
enum { LSE, SEED };

static const cd_tensor *mask_of(int n_in, cd_tensor *const *in)
{
    return n_in > MASK ? in[MASK] : NULL;
}

/* ---- shape ---- */

static cd_status check_inputs(const cd_call *call, cd_error *err)
{
    static const char *const name[] = {"query", "key", "value"};
    char text[CD_SHAPE_TEXT];
    for (int i = QUERY; i <= VALUE; i++) {
        const cd_tensor *t = call->in[i];
        CD_TRY(cd_check_float(t, "attention", err));
        if (t->dtype != call->in[QUERY]->dtype) {
            return cd_fail(err, CD_EDTYPE,
                           "attention: query, key and value must have one dtype, got %s and %s.",
                           cd_dtype_name(call->in[QUERY]->dtype), cd_dtype_name(t->dtype));
        }
        if (t->ndim < 2) {
            return cd_fail(err, CD_ESHAPE, "attention: `%s` needs at least 2 dimensions, got shape %s.",
                           name[i], cd_shape_text(text, t->ndim, t->shape));
        }
    }
    const cd_tensor *mask = mask_of(call->n_in, call->in);
    if (mask != NULL && mask->dtype != CD_BOOL && mask->dtype != call->in[QUERY]->dtype) {
        return cd_fail(err, CD_EDTYPE, "attention: the mask must be bool or of the query's dtype %s, got %s.",
                       cd_dtype_name(call->in[QUERY]->dtype), cd_dtype_name(mask->dtype));
    }
    return CD_OK;
}

static int64_t size_at(const cd_tensor *t, int from_end)
{
    return t->shape[t->ndim - from_end];
}

static cd_status no_fit(const cd_call *call, cd_error *err)
{
    char q[CD_SHAPE_TEXT], k[CD_SHAPE_TEXT], v[CD_SHAPE_TEXT];
    const cd_tensor *const *in = (const cd_tensor *const *)call->in;
    return cd_fail(
        err, CD_ESHAPE,
        "attention: query, key and value of shapes %s, %s and %s do not fit: they must be [..., L, E], "
        "[..., S, E] and [..., S, V], with leading dimensions that can be broadcast.",
        cd_shape_text(q, in[QUERY]->ndim, in[QUERY]->shape), cd_shape_text(k, in[KEY]->ndim, in[KEY]->shape),
        cd_shape_text(v, in[VALUE]->ndim, in[VALUE]->shape));
}

/* The shape of the scores. */
static cd_status scores_shape(int *ndim, int64_t *shape, const cd_call *call, cd_error *err)
{
    *ndim = 2;
    for (int i = QUERY; i <= VALUE; i++) {
        *ndim = call->in[i]->ndim > *ndim ? call->in[i]->ndim : *ndim;
    }
    for (int d = 3; d <= *ndim; d++) {
        shape[*ndim - d] = 1;
        for (int i = QUERY; i <= VALUE; i++) {
            const cd_tensor *t = call->in[i];
            if (!cd_broadcast_size(&shape[*ndim - d], d <= t->ndim ? size_at(t, d) : 1)) {
                return no_fit(call, err);
            }
        }
    }
    shape[*ndim - 2] = size_at(call->in[QUERY], 2);
    shape[*ndim - 1] = size_at(call->in[KEY], 2);
    return CD_OK;
}

static cd_status check_mask(const cd_tensor *mask, int ndim, const int64_t *scores, cd_error *err)
{
    char have[CD_SHAPE_TEXT], want[CD_SHAPE_TEXT];
    bool fits = mask->ndim <= ndim;
    for (int d = 1; fits && d <= mask->ndim; d++) {
        fits = size_at(mask, d) == 1 || size_at(mask, d) == scores[ndim - d];
    }
    if (fits) {
        return CD_OK;
    }
    return cd_fail(err, CD_ESHAPE, "attention: the mask has shape %s, which cannot be broadcast to %s.",
                   cd_shape_text(have, mask->ndim, mask->shape), cd_shape_text(want, ndim, scores));
}

/* The result lies in memory as the query does, so that heads taken from a row of all of them go back
 * there. */
static cd_status attention_shape(cd_call *call, cd_error *err)
{
    int ndim;
    int64_t shape[CD_MAX_DIMS];
    const cd_tensor *q = call->in[QUERY], *mask = mask_of(call->n_in, call->in);
    CD_TRY(check_inputs(call, err));
    if (size_at(q, 1) != size_at(call->in[KEY], 1) ||
        size_at(call->in[KEY], 2) != size_at(call->in[VALUE], 2)) {
        return no_fit(call, err);
    }
    CD_TRY(scores_shape(&ndim, shape, call, err));
    if (mask != NULL) {
        CD_TRY(check_mask(mask, ndim, shape, err));
    }
    if (!(call->attr[PROBABILITY] >= 0 && call->attr[PROBABILITY] <= 1)) {
        return cd_fail(err, CD_EVALUE, "attention: `dropout_p` lies between 0 and 1, got %g.",
                       call->attr[PROBABILITY]);
    }
    shape[ndim - 1] = size_at(call->in[VALUE], 1);
    CD_TRY(cd_out(call, 0, q->dtype, ndim, shape, CD_CONTIGUOUS, err));
    if (cd_tensor_same_shape(call->out[0], q) && q->stride[ndim - 1] == 1) {
        return cd_format_strides(call->out[0]->stride, q, CD_FORMAT_PRESERVE, err);
    }
    return CD_OK;
}

/* ---- tensors as the matrices of all heads ---- */

typedef struct {
    cd_expr *e;
    int ndim;
    int64_t shape[CD_MAX_DIMS]; /* of the scores */
    int64_t heads;
} geometry;

static geometry geometry_of(cd_expr *e, const cd_tensor *y, const cd_tensor *key)
{
    geometry g = {.e = e, .ndim = y->ndim, .heads = 1};
    memcpy(g.shape, y->shape, sizeof y->shape);
    g.shape[g.ndim - 1] = size_at(key, 2);
    for (int d = 0; d < g.ndim - 2; d++) {
        g.heads *= g.shape[d];
    }
    return g;
}

/* Where each head of t begins: a tensor of the expression. */
static const int64_t *head_starts(geometry *g, const cd_tensor *t)
{
    cd_tensor *starts = NULL;
    int64_t n = g->heads > 0 ? g->heads : 1;
    if (g->e->status == CD_OK) {
        g->e->status = cd_tensor_new(&starts, CD_INT64, 1, &n, CD_CONTIGUOUS, g->e->err);
    }
    if (cd_expr_hold(g->e, starts) == NULL) {
        return NULL;
    }
    int64_t *at = cd_tensor_data(starts);
    for (int64_t h = 0; h < g->heads; h++) {
        int64_t rest = h;
        at[h] = 0;
        for (int d = 3; d <= g->ndim; d++) {
            const int64_t size = g->shape[g->ndim - d], index = rest % size;
            rest /= size;
            at[h] += d <= t->ndim && size_at(t, d) != 1 ? index * t->stride[t->ndim - d] : 0;
        }
    }
    return at;
}

static cdk_heads heads_of(geometry *g, const cd_tensor *t)
{
    if (t == NULL || g->e->status != CD_OK) {
        return (cdk_heads){NULL, NULL, 0};
    }
    return (cdk_heads){cd_tensor_data(t), head_starts(g, t), size_at(t, 2) == 1 ? 0 : t->stride[t->ndim - 2]};
}

/* t with the elements of a row side by side. */
static cd_tensor *by_rows(cd_expr *e, cd_tensor *t)
{
    cd_tensor *dense = NULL;
    if (t == NULL || e->status != CD_OK || t->stride[t->ndim - 1] == 1) {
        return t;
    }
    e->status = cd_tensor_clone(&dense, t, CD_CONTIGUOUS, e->err);
    return cd_expr_hold(e, dense);
}

/* A mask whose rows have an element for every key. */
static cd_tensor *whole_rows(geometry *g, cd_tensor *mask)
{
    int64_t shape[CD_MAX_DIMS];
    cd_tensor *whole = NULL;
    if (mask == NULL || g->e->status != CD_OK) {
        return mask;
    }
    int ndim = mask->ndim < 2 ? 2 : mask->ndim;
    for (int d = 1; d <= ndim; d++) {
        shape[ndim - d] = d == 1 ? g->shape[g->ndim - 1] : d <= mask->ndim ? size_at(mask, d) : 1;
    }
    if (mask->ndim == ndim && size_at(mask, 1) == shape[ndim - 1]) {
        return by_rows(g->e, mask);
    }
    g->e->status = cd_tensor_new(&whole, mask->dtype, ndim, shape, CD_CONTIGUOUS, g->e->err);
    if (g->e->status == CD_OK) {
        g->e->status = cd_tensor_copy(whole, mask, g->e->err);
    }
    return cd_expr_hold(g->e, whole);
}

static cdk_attention attention_of(geometry *g, cd_tensor *const *in, int n_in, cd_tensor *y,
                                  const double *attr)
{
    cd_tensor *mask = whole_rows(g, (cd_tensor *)mask_of(n_in, in));
    const cd_tensor *q = in[QUERY];
    cdk_attention a = {.heads = g->heads,
                       .L = size_at(q, 2),
                       .S = size_at(in[KEY], 2),
                       .E = size_at(q, 1),
                       .V = size_at(in[VALUE], 1),
                       .scale = isnan(attr[SCALE]) ? 1 / sqrt((double)size_at(q, 1)) : attr[SCALE],
                       .causal = attr[CAUSAL] != 0,
                       .mask_is_bool = mask != NULL && mask->dtype == CD_BOOL,
                       .p = attr[PROBABILITY],
                       .q = heads_of(g, by_rows(g->e, in[QUERY])),
                       .k = heads_of(g, by_rows(g->e, in[KEY])),
                       .v = heads_of(g, by_rows(g->e, in[VALUE])),
                       .mask = heads_of(g, mask),
                       .y = heads_of(g, y)};
    return a;
}

/* ---- forward ---- */

static cd_status save_statistics(cd_call *call, cdk_attention *a, cd_error *err)
{
    const int64_t size[2] = {a->heads, a->L}, one = 1;
    if (a->p > 0) {
        a->seed = cd_random_u64(cd_random_default());
    }
    if (!call->differentiable) {
        return CD_OK;
    }
    CD_TRY(cd_tensor_new(&call->saved[LSE], call->out[0]->dtype, 2, size, CD_CONTIGUOUS, err));
    CD_TRY(cd_tensor_new(&call->saved[SEED], CD_INT64, 1, &one, CD_CONTIGUOUS, err));
    a->lse = cd_tensor_data(call->saved[LSE]);
    memcpy(cd_tensor_data(call->saved[SEED]), &a->seed, sizeof a->seed);
    return CD_OK;
}

static cd_status attention_forward(cd_call *call, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    cd_tensor *y = call->out[0];
    geometry g = geometry_of(&e, y, call->in[KEY]);
    cdk_attention a = attention_of(&g, call->in, call->n_in, y, call->attr);
    if (e.status == CD_OK) {
        e.status = save_statistics(call, &a, err);
    }
    if (e.status == CD_OK && a.S == 0) {
        e.status = cd_tensor_fill(y, 0, err);
    } else if (e.status == CD_OK && cd_tensor_numel(y) > 0) {
        e.status = cdk_attention_forward[y->dtype](&a, err);
    }
    return cd_expr_end(&e);
}

/* ---- backward ---- */

/* The gradient of `t` before what is broadcast is summed: in the order of t where that is not. */
static cd_tensor *gradient_like(geometry *g, const cd_tensor *t)
{
    cd_tensor *dx = NULL;
    int64_t shape[CD_MAX_DIMS];
    if (g->e->status != CD_OK) {
        return NULL;
    }
    memcpy(shape, g->shape, sizeof shape);
    shape[g->ndim - 2] = size_at(t, 2);
    shape[g->ndim - 1] = size_at(t, 1);
    g->e->status = cd_tensor_new_shape(&dx, t->dtype, g->ndim, shape, CD_CONTIGUOUS, g->e->err);
    if (cd_expr_hold(g->e, dx) == NULL) {
        return NULL;
    }
    if (cd_tensor_same_shape(dx, t) && t->stride[t->ndim - 1] == 1) {
        g->e->status = cd_format_strides(dx->stride, t, CD_FORMAT_PRESERVE, g->e->err);
    }
    if (g->e->status == CD_OK) {
        g->e->status = cd_tensor_allocate(dx, g->e->err);
    }
    return dx;
}

/* Zeros of the mask's own shape, but for rows that have an element for every key. */
static cd_tensor *mask_gradient(geometry *g, const cd_tensor *mask)
{
    cd_tensor *shape, *zeros = NULL;
    if (g->e->status != CD_OK) {
        return NULL;
    }
    shape = whole_rows(g, (cd_tensor *)mask);
    if (g->e->status == CD_OK) {
        g->e->status =
            cd_tensor_new(&zeros, shape->dtype, shape->ndim, shape->shape, CD_CONTIGUOUS, g->e->err);
    }
    if (g->e->status == CD_OK) {
        g->e->status = cd_tensor_fill(zeros, 0, g->e->err);
    }
    return cd_expr_hold(g->e, zeros);
}

static cd_status attention_backward(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    geometry at = geometry_of(&e, g->out[0], g->in[KEY]);
    cdk_attention a = attention_of(&at, g->in, g->n_in, g->out[0], g->attr);
    cd_tensor *dx[INPUTS] = {NULL};
    a.lse = cd_tensor_data(g->saved[LSE]);
    memcpy(&a.seed, cd_tensor_data(g->saved[SEED]), sizeof a.seed);
    for (int i = QUERY; i <= VALUE; i++) {
        dx[i] = g->wants[i] ? gradient_like(&at, g->in[i]) : NULL;
    }
    if (g->n_in > MASK && g->wants[MASK]) {
        dx[MASK] = mask_gradient(&at, g->in[MASK]);
    }
    cdk_attention_gradients d = {heads_of(&at, by_rows(&e, g->dy[0])), heads_of(&at, dx[QUERY]),
                                 heads_of(&at, dx[KEY]), heads_of(&at, dx[VALUE]), heads_of(&at, dx[MASK])};
    const bool some = a.S > 0 && cd_tensor_numel(g->out[0]) > 0;
    if (e.status == CD_OK && some) {
        e.status = cdk_attention_backward[g->out[0]->dtype](&a, &d, err);
    }
    for (int i = QUERY; e.status == CD_OK && !some && i <= VALUE; i++) {
        e.status = dx[i] != NULL ? cd_tensor_fill(dx[i], 0, err) : CD_OK;
    }
    for (int i = QUERY; i < g->n_in; i++) {
        if (g->wants[i]) {
            cd_expr_give(&e, g, i, dx[i]);
        }
    }
    return cd_expr_end(&e);
}

/* ---- the same in operators, for gradients of gradients ---- */

static cd_tensor *swapped(cd_expr *e, cd_tensor *t)
{
    return t == NULL ? NULL : cd_expr_transpose(e, t, t->ndim - 2, t->ndim - 1);
}

static cd_tensor *times(cd_expr *e, cd_tensor *a, cd_tensor *b)
{
    return cd_expr2(e, CD_OP_bmm_any, a, b);
}

/* Where a query may look: what the bool mask and, with `causal`, the positions allow. NULL for everywhere. */
static cd_tensor *allowed(cd_expr *e, cd_tensor *scores, cd_tensor *mask, bool causal)
{
    const double diagonal = 0;
    mask = mask != NULL && mask->dtype == CD_BOOL ? mask : NULL;
    if (!causal || scores == NULL) {
        return mask;
    }
    cd_tensor *ones = cd_expr_full_like(e, scores, 1);
    cd_tensor *before = cd_expr2n(e, CD_OP_gt, cd_expr_op(e, CD_OP_tril, 1, &ones, 1, &diagonal), 0);
    return mask == NULL ? before : cd_expr2(e, CD_OP_logical_and, before, mask);
}

/* P = softmax(scale q k' + mask) */
static cd_tensor *weights_of(cd_expr *e, const cd_gradient *g, double scale)
{
    const double last = -1;
    cd_tensor *mask = (cd_tensor *)mask_of(g->n_in, g->in);
    cd_tensor *scores = cd_expr_times(e, times(e, g->in[QUERY], swapped(e, g->in[KEY])), scale);
    cd_tensor *may = allowed(e, scores, mask, g->attr[CAUSAL] != 0);
    if (mask != NULL && mask->dtype != CD_BOOL) {
        scores = cd_expr_add(e, scores, mask);
    }
    if (may != NULL && scores != NULL) {
        scores = cd_expr_where(e, may, scores, cd_expr_full_like(e, scores, -INFINITY));
    }
    return cd_expr_op(e, CD_OP_softmax, 1, &scores, 1, &last);
}

/* dv = P' dy; with dP = dy v', dS = P (dP - sum(dP P)): dq = scale dS k, dk = scale dS' q, dmask = dS. Which
 * elements were dropped is not known any more. */
static cd_status attention_second(cd_gradient *g, cd_error *err)
{
    if (g->attr[PROBABILITY] > 0 || cd_tensor_numel(g->out[0]) == 0) {
        return cd_second_once(g, err);
    }
    cd_expr e = cd_expr_begin(err);
    cd_tensor *q = g->in[QUERY], *k = g->in[KEY], *dy = g->dy[0];
    const double scale = isnan(g->attr[SCALE]) ? 1 / sqrt((double)size_at(q, 1)) : g->attr[SCALE];
    cd_tensor *P = weights_of(&e, g, scale);
    cd_tensor *dP = times(&e, dy, swapped(&e, g->in[VALUE]));
    cd_tensor *both = cd_expr_mul(&e, dP, P);
    cd_tensor *sum = both == NULL ? NULL : cd_expr_along(&e, CD_OP_sum, both, both->ndim - 1);
    cd_tensor *dS = cd_expr_mul(&e, P, cd_expr_sub(&e, dP, sum));
    cd_tensor *const dx[INPUTS] = {[QUERY] = cd_expr_times(&e, times(&e, dS, k), scale),
                                   [KEY] = cd_expr_times(&e, times(&e, swapped(&e, dS), q), scale),
                                   [VALUE] = times(&e, swapped(&e, P), dy),
                                   [MASK] = dS};
    for (int i = QUERY; i < g->n_in; i++) {
        if (g->wants[i]) {
            cd_expr_give(&e, g, i, dx[i]);
        }
    }
    return cd_expr_end(&e);
}

const cd_op cd_op_attention = {.name = "attention",
                               .backward_name = "ScaledDotProductAttentionBackward0",
                               .min_in = 3,
                               .max_in = 4,
                               .min_attr = ATTENTION_ATTRS,
                               .max_attr = ATTENTION_ATTRS,
                               .n_out = 1,
                               .keeps = CD_KEEP_IN(QUERY) | CD_KEEP_IN(KEY) | CD_KEEP_IN(VALUE) |
                                        CD_KEEP_IN(MASK) | CD_KEEP_OUT(0),
                               .shape = attention_shape,
                               .forward = attention_forward,
                               .backward = attention_backward,
                               .second = attention_second};
