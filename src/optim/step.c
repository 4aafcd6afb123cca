#include "optim/step.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/parallel.h"
#include "kernels/norm.h"
#include "tensor/copy.h"
#include "tensor/lazy.h"

#define OPERANDS (2 + CD_MAX_RULE_STATES)
#define GRAIN 16384

/* A parameter's operands in memory of one common order, so that they can be walked as flat arrays. */
typedef struct {
    cd_tensor *flat[OPERANDS];   /* owned: param, grad, states; the original or a copy in the common order */
    cd_tensor *origin[OPERANDS]; /* borrowed */
    double k[CD_MAX_RULE_NUMBERS];
    int64_t begin; /* of its elements among those of all items */
} work;

typedef struct {
    const cd_rule *rule;
    const work *item;
    int n;
} job;

/* ---- common order ---- */

static cd_status like(cd_tensor **copy, const cd_tensor *t, const cd_tensor *order, cd_error *err)
{
    CD_TRY(cd_tensor_new_shape(copy, order->dtype, order->ndim, order->shape, CD_CONTIGUOUS, err));
    memcpy((*copy)->stride, order->stride, sizeof order->stride);
    CD_TRY(cd_tensor_allocate(*copy, err));
    return cd_tensor_copy(*copy, t, err);
}

static cd_status flatten(cd_tensor **flat, cd_tensor *t, const cd_tensor *order, cd_error *err)
{
    if (!cd_tensor_same_shape(t, order)) {
        char got[CD_SHAPE_TEXT], wanted[CD_SHAPE_TEXT];
        return cd_fail(err, CD_ESHAPE, "optimiser: a gradient or state has shape %s, its parameter %s.",
                       cd_shape_text(got, t->ndim, t->shape),
                       cd_shape_text(wanted, order->ndim, order->shape));
    }
    if (t->dtype == order->dtype && cd_tensor_same_strides(t, order)) {
        *flat = cd_tensor_retain(t);
        return CD_OK;
    }
    return like(flat, t, order, err);
}

static cd_status open_item(work *w, const cd_step_item *item, cd_error *err)
{
    w->origin[0] = item->param;
    w->origin[1] = item->grad;
    memcpy(w->origin + 2, item->state, sizeof item->state);
    if (!cd_dtype_is_float(item->param->dtype)) {
        return cd_fail(err, CD_EDTYPE, "optimiser: parameters must be floating point, got %s.",
                       cd_dtype_name(item->param->dtype));
    }
    CD_TRY(cd_tensor_will_change(item->param, err));
    if (!cd_dtype_has_kernels(item->param->dtype)) {
        CD_TRY(cd_tensor_as(&w->flat[0], item->param, cd_dtype_computed(item->param->dtype), CD_CONTIGUOUS,
                            err));
    } else if (cd_tensor_is_dense(item->param)) {
        w->flat[0] = cd_tensor_retain(item->param);
    } else {
        CD_TRY(cd_tensor_clone(&w->flat[0], item->param, CD_CONTIGUOUS, err));
    }
    for (int i = 1; i < OPERANDS; i++) {
        if (w->origin[i] != NULL) {
            CD_TRY(flatten(&w->flat[i], w->origin[i], w->flat[0], err));
        }
    }
    return CD_OK;
}

/* Writes back what was changed in a copy, and releases the copies. */
static cd_status close_item(work *w, cd_status status, cd_error *err)
{
    for (int i = 0; i < OPERANDS; i++) {
        bool changed = status == CD_OK && i != 1 && w->flat[i] != NULL;
        if (changed && w->flat[i] != w->origin[i]) {
            status = cd_tensor_copy(w->origin[i], w->flat[i], err);
        } else if (changed) {
            w->origin[i]->storage->version++;
        }
        cd_tensor_release(w->flat[i]);
        w->flat[i] = NULL;
    }
    return status;
}

/* ---- the pass ---- */

static void run_piece(const job *j, const work *w, int64_t begin, int64_t end)
{
    void *operand[OPERANDS];
    for (int i = 0; i < OPERANDS; i++) {
        operand[i] = w->flat[i] != NULL ? cd_tensor_data(w->flat[i]) : NULL;
    }
    j->rule->body[w->flat[0]->dtype](operand[0], operand[1], operand + 2, begin, end, w->k);
}

/* The last item that begins at or before position. */
static int item_at(const job *j, int64_t position)
{
    int low = 0, high = j->n - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (j->item[middle].begin <= position) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

static void run_range(void *context, int64_t begin, int64_t end, int thread)
{
    const job *j = context;
    (void)thread;
    for (int i = item_at(j, begin); i < j->n && j->item[i].begin < end; i++) {
        const work *w = &j->item[i];
        int64_t n = cd_tensor_numel(w->flat[0]);
        int64_t from = begin > w->begin ? begin - w->begin : 0;
        int64_t to = end - w->begin < n ? end - w->begin : n;
        if (from < to) {
            run_piece(j, w, from, to);
        }
    }
}

static cd_status open_items(work *w, const cd_rule *rule, const double *hyper, int n,
                            const cd_step_item *item, int64_t *total, cd_error *err)
{
    *total = 0;
    for (int i = 0; i < n; i++) {
        CD_TRY(open_item(&w[i], &item[i], err));
        memcpy(w[i].k, hyper, (size_t)rule->n_hyper * sizeof *hyper);
        rule->prepare(w[i].k, hyper, item[i].step);
        w[i].begin = *total;
        *total += cd_tensor_numel(w[i].flat[0]);
    }
    return CD_OK;
}

cd_status cd_step(const cd_rule *rule, const double *hyper, int n, cd_step_item *item, cd_error *err)
{
    int64_t total = 0;
    work *w = calloc((size_t)n + 1, sizeof *w);
    if (w == NULL) {
        return cd_fail(err, CD_EALLOC, "optimiser: cannot allocate a list of %d parameters.", n);
    }
    cd_status status = open_items(w, rule, hyper, n, item, &total, err);
    if (status == CD_OK) {
        job j = {rule, w, n};
        cd_parallel_for(total, GRAIN, run_range, &j);
    }
    for (int i = 0; i < n; i++) {
        status = close_item(&w[i], status, err);
    }
    free(w);
    return status;
}

/* ---- gradients ---- */

static cd_status check_float(const cd_tensor *t, cd_error *err)
{
    return cd_dtype_has_kernels(t->dtype)
               ? CD_OK
               : cd_fail(err, CD_EDTYPE, "gradients must be of type Float or Double, got %s.",
                         cd_dtype_name(t->dtype));
}

cd_status cd_grad_norm(double *norm, int n, cd_tensor *const *grad, double p, cd_error *err)
{
    double sum = 0;
    for (int i = 0; i < n; i++) {
        cd_tensor *dense = grad[i];
        CD_TRY(check_float(grad[i], err));
        if (cd_tensor_is_dense(grad[i])) {
            cd_tensor_retain(dense);
        } else {
            CD_TRY(cd_tensor_clone(&dense, grad[i], CD_CONTIGUOUS, err));
        }
        sum = cdk_power_sum[dense->dtype](sum, cd_tensor_data(dense), cd_tensor_numel(dense), p);
        cd_tensor_release(dense);
    }
    *norm = isinf(p) ? sum : p == 2 ? sqrt(sum) : pow(sum, 1 / p);
    return CD_OK;
}

static void scale_dense(cd_tensor *t, double factor, double limit)
{
    cdk_scale_limited[t->dtype](cd_tensor_data(t), factor, limit, cd_tensor_numel(t));
}

cd_status cd_grad_scale(int n, cd_tensor *const *grad, double factor, double limit, cd_error *err)
{
    for (int i = 0; i < n; i++) {
        cd_tensor *dense;
        CD_TRY(check_float(grad[i], err));
        if (cd_tensor_is_dense(grad[i])) {
            scale_dense(grad[i], factor, limit);
            grad[i]->storage->version++;
            continue;
        }
        CD_TRY(cd_tensor_clone(&dense, grad[i], CD_CONTIGUOUS, err));
        scale_dense(dense, factor, limit);
        cd_status status = cd_tensor_copy(grad[i], dense, err);
        cd_tensor_release(dense);
        CD_TRY(status);
    }
    return CD_OK;
}
