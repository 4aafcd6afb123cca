/* Optimiser steps and gradient clipping from R. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "optim/step.h"
#include "r/glue.h"
#include "r/registry.h"
#include "tensor/copy.h"
#include "tensor/lazy.h"

/* Which of the parameters have a gradient. */
SEXP cdr_has_grad(SEXP params)
{
    R_xlen_t n = Rf_xlength(params);
    SEXP has = PROTECT(Rf_allocVector(LGLSXP, n));
    for (R_xlen_t i = 0; i < n; i++) {
        LOGICAL(has)[i] = cdr_defined(VECTOR_ELT(params, i), "params")->grad != NULL;
    }
    UNPROTECT(1);
    return has;
}

static cd_status clear(cd_tensor *t, cd_error *err)
{
    CD_TRY(cd_tensor_will_change(t, err));
    CD_TRY(cd_tensor_materialise(t, err));
    t->storage->version++;
    if (!cd_tensor_is_dense(t)) {
        return cd_tensor_fill(t, 0, err);
    }
    memset(cd_tensor_data(t), 0, (size_t)cd_tensor_numel(t) * cd_dtype_size(t->dtype));
    return CD_OK;
}

/* Sets the gradients there are to zero. */
SEXP cdr_zero_grad(SEXP params)
{
    cd_error err;
    for (R_xlen_t i = 0; i < Rf_xlength(params); i++) {
        cd_variable *v = cdr_variable(VECTOR_ELT(params, i), "params");
        cd_tensor *grad = v->grad;
        cd_variable_set_grad(v, grad, NULL);
        if (grad != NULL && clear(grad, &err) != CD_OK) {
            cdr_raise(&err);
        }
    }
    return R_NilValue;
}

/* The element of a named list, or NULL. */
static SEXP named(SEXP list, const char *name)
{
    SEXP names = Rf_getAttrib(list, R_NamesSymbol);
    for (R_xlen_t i = 0; i < Rf_xlength(names); i++) {
        if (strcmp(CHAR(STRING_ELT(names, i)), name) == 0) {
            return VECTOR_ELT(list, i);
        }
    }
    return R_NilValue;
}

static cd_tensor *state_at(SEXP state, SEXP names, R_xlen_t k)
{
    const char *name = k < Rf_xlength(names) ? CHAR(STRING_ELT(names, k)) : "";
    return name[0] == '\0' ? NULL : cdr_defined(named(state, name), "state")->value;
}

static void check_step(const cd_rule *rule, SEXP hyper, SEXP params, SEXP states, SEXP names)
{
    if (rule == NULL || TYPEOF(hyper) != REALSXP || Rf_xlength(hyper) != rule->n_hyper) {
        cdr_stop(CD_EVALUE, "optimiser: every learning rate, beta and so on must be a single number.");
    }
    bool fits = TYPEOF(names) == STRSXP && TYPEOF(states) == VECSXP && TYPEOF(params) == VECSXP &&
                Rf_xlength(states) == Rf_xlength(params);
    for (R_xlen_t i = 0; fits && i < Rf_xlength(states); i++) {
        fits = TYPEOF(VECTOR_ELT(states, i)) == VECSXP;
    }
    if (!fits) {
        cdr_stop(CD_EINTERNAL, "the state of an optimiser does not fit its parameters.");
    }
}

/* rule: name; hyper: its numbers; params: list of tensors, all with gradients; states: for each, a named list
 * with the number of this update as `step`; names: which tensors of that list are the rule's states, in its
 * order, "" for one it does without. */
SEXP cdr_optim_step(SEXP rule_name, SEXP hyper, SEXP params, SEXP states, SEXP names)
{
    cd_error err;
    R_xlen_t n = Rf_xlength(params);
    const cd_rule *rule = cd_rule_find(cdr_string(rule_name, "rule"));
    check_step(rule, hyper, params, states, names);
    cd_step_item *item = (cd_step_item *)R_alloc((size_t)n + 1, sizeof *item);
    for (R_xlen_t i = 0; i < n; i++) {
        SEXP state = VECTOR_ELT(states, i);
        const cd_variable *v = cdr_defined(VECTOR_ELT(params, i), "params");
        if (v->grad == NULL) {
            cdr_stop(CD_EINTERNAL, "a parameter has no gradient.");
        }
        item[i].param = v->value;
        item[i].grad = v->grad;
        item[i].step = cdr_double(named(state, "step"), "step");
        for (int k = 0; k < CD_MAX_RULE_STATES; k++) {
            item[i].state[k] = state_at(state, names, k);
        }
    }
    if (cd_step(rule, REAL(hyper), (int)n, item, &err) != CD_OK) {
        cdr_raise(&err);
    }
    return R_NilValue;
}

/* The gradients there are; *n is their number. They live as long as the parameters. */
static cd_tensor **gradients_of(SEXP params, int *n)
{
    cd_tensor **grad = (cd_tensor **)R_alloc((size_t)Rf_xlength(params) + 1, sizeof *grad);
    *n = 0;
    for (R_xlen_t i = 0; i < Rf_xlength(params); i++) {
        cd_tensor *g = cdr_defined(VECTOR_ELT(params, i), "parameters")->grad;
        if (g != NULL) {
            grad[(*n)++] = g;
        }
    }
    return grad;
}

/* Scales the gradients so that their joint norm is at most max_norm; gives the norm before. */
SEXP cdr_clip_grad_norm(SEXP params, SEXP max_norm, SEXP norm_type)
{
    cd_error err;
    int n;
    double norm = 0, largest = cdr_double(max_norm, "max_norm"), p = cdr_double(norm_type, "norm_type");
    cd_tensor **grad = gradients_of(params, &n);
    cd_status status = cd_grad_norm(&norm, n, grad, p, &err);
    double factor = largest / (norm + 1e-6);
    if (status == CD_OK && factor < 1) {
        status = cd_grad_scale(n, grad, factor, INFINITY, &err);
    }
    if (status != CD_OK) {
        cdr_raise(&err);
    }
    return Rf_ScalarReal(norm);
}

SEXP cdr_clip_grad_value(SEXP params, SEXP limit)
{
    cd_error err;
    int n;
    double largest = cdr_double(limit, "clip_value");
    cd_tensor **grad = gradients_of(params, &n);
    if (cd_grad_scale(n, grad, 1, largest, &err) != CD_OK) {
        cdr_raise(&err);
    }
    return R_NilValue;
}
