#include "autograd/trail.h"

#include <stdlib.h>

#include "tensor/lazy.h"

static cd_trail *current = NULL;

static cd_status run_recorded(cd_tensor **out, const cd_op *op, int n_in, cd_tensor *const *in, int n_attr,
                              const double *attr, cd_error *err);

void cd_trail_open(cd_trail *trail)
{
    *trail = (cd_trail){.outer = current};
    cd_trail_resume(trail);
}

void cd_trail_close(cd_trail *trail)
{
    cd_trail_forget(trail, 0, trail->count);
    free(trail->tensor);
    free(trail->variable);
    cd_trail_resume(trail->outer);
}

cd_trail *cd_trail_pause(void)
{
    cd_trail *trail = current;
    cd_trail_resume(NULL);
    return trail;
}

void cd_trail_resume(cd_trail *trail)
{
    current = trail;
    cd_set_runner(trail != NULL ? run_recorded : NULL);
}

static cd_status grow(cd_trail *trail, cd_error *err)
{
    const int64_t capacity = trail->capacity > 0 ? 2 * trail->capacity : 256;
    cd_tensor **tensor = realloc(trail->tensor, (size_t)capacity * sizeof *tensor);
    if (tensor != NULL) {
        trail->tensor = tensor;
    }
    cd_variable **variable = realloc(trail->variable, (size_t)capacity * sizeof *variable);
    if (variable != NULL) {
        trail->variable = variable;
    }
    if (tensor == NULL || variable == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate the record of a backward pass.");
    }
    trail->capacity = capacity;
    return CD_OK;
}

cd_status cd_trail_know(cd_trail *trail, cd_tensor *t, cd_variable *v, cd_error *err)
{
    if (t->history != NULL || !v->requires_grad) {
        cd_variable_release(v);
        return CD_OK;
    }
    if (trail->count == trail->capacity) {
        cd_status status = grow(trail, err);
        if (status != CD_OK) {
            cd_variable_release(v);
            return status;
        }
    }
    trail->tensor[trail->count] = t;
    trail->variable[trail->count++] = v;
    t->history = v;
    return CD_OK;
}

cd_status cd_trail_variable(cd_variable **v, cd_tensor *t, cd_error *err)
{
    if (t->history != NULL) {
        *v = cd_variable_retain(t->history);
        return CD_OK;
    }
    return cd_variable_new(v, cd_tensor_retain(t), false, err);
}

void cd_trail_forget(cd_trail *trail, int64_t from, int64_t upto)
{
    int64_t kept = from;
    for (int64_t i = from; i < trail->count; i++) {
        cd_tensor *t = trail->tensor[i];
        cd_variable *v = trail->variable[i];
        const bool held_by_others = v->refs > 1 || t->refs > 1;
        if (i >= upto && held_by_others) {
            trail->tensor[kept] = t;
            trail->variable[kept++] = v;
        } else {
            t->history = NULL;
            cd_variable_release(v);
        }
    }
    trail->count = kept;
}

void cd_trail_forget_tensor(cd_trail *trail, cd_tensor *t, int64_t from)
{
    for (int64_t i = from; t != NULL && t->history != NULL && i < trail->count; i++) {
        if (trail->tensor[i] == t) {
            cd_variable *v = trail->variable[i];
            t->history = NULL;
            trail->count--;
            trail->tensor[i] = trail->tensor[trail->count];
            trail->variable[i] = trail->variable[trail->count];
            cd_variable_release(v);
        }
    }
}

/* ---- cd_run() while a trail is open ---- */

static bool any_known(int n_in, cd_tensor *const *in)
{
    for (int i = 0; i < n_in; i++) {
        if (in[i] != NULL && in[i]->history != NULL) {
            return true;
        }
    }
    return false;
}

static cd_status know_outputs(cd_trail *trail, cd_tensor **out, cd_variable **made, int n_out, cd_error *err)
{
    cd_status status = CD_OK;
    for (int i = 0; i < n_out; i++) {
        if (status == CD_OK) {
            status = cd_tensor_materialise(made[i]->value, err);
        }
        if (status == CD_OK) {
            out[i] = cd_tensor_retain(made[i]->value);
            status = cd_trail_know(trail, out[i], made[i], err);
        } else {
            cd_variable_release(made[i]);
        }
    }
    for (int i = 0; status != CD_OK && i < n_out; i++) {
        cd_tensor_release(out[i]);
        out[i] = NULL;
    }
    return status;
}

static cd_status apply_known(cd_variable **made, const cd_op *op, int n_in, cd_tensor *const *in, int n_attr,
                             const double *attr, cd_error *err)
{
    cd_variable **v = calloc((size_t)n_in + 1, sizeof *v);
    if (v == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate the inputs of an operator.");
    }
    cd_status status = CD_OK;
    for (int i = 0; i < n_in && status == CD_OK; i++) {
        status = in[i] != NULL ? cd_trail_variable(&v[i], in[i], err) : CD_OK;
    }
    if (status == CD_OK) {
        const bool before = cd_set_grad_enabled(true);
        status = cd_apply(made, op, n_in, v, n_attr, attr, err);
        cd_set_grad_enabled(before);
    }
    for (int i = 0; i < n_in; i++) {
        cd_variable_release(v[i]);
    }
    free(v);
    return status;
}

static cd_status run_recorded(cd_tensor **out, const cd_op *op, int n_in, cd_tensor *const *in, int n_attr,
                              const double *attr, cd_error *err)
{
    cd_variable *made[CD_MAX_OUTPUTS] = {NULL};
    cd_trail *trail = cd_trail_pause();
    cd_status status;
    for (int i = 0; i < op->n_out; i++) {
        out[i] = NULL;
    }
    if (!any_known(n_in, in)) {
        status = cd_run(out, op, n_in, in, n_attr, attr, err);
    } else {
        status = apply_known(made, op, n_in, in, n_attr, attr, err);
        if (status == CD_OK) {
            status = know_outputs(trail, out, made, op->n_out, err);
        }
    }
    cd_trail_resume(trail);
    return status;
}
