/* Operators from R: one entry point for all of the table. */
#include <stdlib.h>

#include "r/glue.h"
#include "r/registry.h"
#include "r/release.h"

#define FEW 16

typedef struct {
    int count;
    cd_variable **in; /* owned references */
    cd_variable *few[FEW];
} inputs;

static void inputs_clear(inputs *p)
{
    for (int i = 0; i < p->count; i++) {
        cd_variable_release(p->in[i]);
    }
    if (p->in != p->few) {
        free(p->in);
    }
}

static cd_status inputs_from_r(inputs *p, SEXP list, cd_error *err)
{
    int n = Rf_length(list);
    p->count = 0;
    p->in = n <= FEW ? p->few : malloc((size_t)n * sizeof *p->in);
    if (p->in == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate a list of %d tensors.", n);
    }
    for (int i = 0; i < n; i++) {
        CD_TRY(cdr_as_operand(&p->in[i], VECTOR_ELT(list, i), err));
        p->count++;
    }
    return CD_OK;
}

static const cd_op *op_of(SEXP id)
{
    const cd_op *op = cd_op_at(Rf_asInteger(id));
    if (op == NULL) {
        cdr_stop(CD_EINTERNAL, "unknown operator.");
    }
    return op;
}

static const double *attributes_of(SEXP attrs, int *count)
{
    if (attrs != R_NilValue && TYPEOF(attrs) != REALSXP) {
        cdr_stop(CD_EVALUE, "attributes of an operator must be numbers.");
    }
    *count = attrs == R_NilValue ? 0 : Rf_length(attrs);
    return *count > 0 ? REAL(attrs) : NULL;
}

static SEXP handles(int n)
{
    if (n == 1) {
        return cdr_handle();
    }
    SEXP list = PROTECT(Rf_allocVector(VECSXP, n));
    for (int i = 0; i < n; i++) {
        SET_VECTOR_ELT(list, i, cdr_handle());
    }
    UNPROTECT(1);
    return list;
}

/* id: position in the table; tensors: list of tensors, numbers, arrays, NULL; attrs: double vector or NULL.
 * Gives a tensor, or a list of them for operators with several outputs. */
SEXP cdr_apply(SEXP id, SEXP tensors, SEXP attrs)
{
    cd_error err;
    inputs p;
    cd_variable *out[CD_MAX_OUTPUTS];
    int n_attr;
    const cd_op *op = op_of(id);
    const double *attr = attributes_of(attrs, &n_attr);
    SEXP result = PROTECT(handles(op->n_out));
    cd_status status = inputs_from_r(&p, tensors, &err);
    if (status == CD_OK) {
        status = cd_apply(out, op, p.count, p.in, n_attr, attr, &err);
    }
    inputs_clear(&p);
    if (status != CD_OK) {
        cdr_raise(&err);
    }
    for (int i = 0; i < op->n_out; i++) {
        cdr_handle_set(op->n_out == 1 ? result : VECTOR_ELT(result, i), out[i]);
    }
    UNPROTECT(1);
    return result;
}

/* As cdr_apply, for a wrapper whose argument `tensors` is: call it with that argument only, not with a
 * variable. */
SEXP cdr_apply_argument(SEXP id, SEXP tensors, SEXP attrs)
{
    SEXP result = PROTECT(cdr_apply(id, tensors, attrs));
    cdr_release_inputs(tensors);
    UNPROTECT(1);
    return result;
}

/* As cdr_apply with the result written into the first tensor, which is returned. */
SEXP cdr_apply_in_place(SEXP id, SEXP tensors, SEXP attrs)
{
    cd_error err;
    inputs p;
    int n_attr;
    const cd_op *op = op_of(id);
    const double *attr = attributes_of(attrs, &n_attr);
    cd_variable *target = cdr_described(VECTOR_ELT(tensors, 0), "self");
    cd_status status = inputs_from_r(&p, tensors, &err);
    if (status == CD_OK) {
        status = cd_apply_in_place(target, op, p.count, p.in, n_attr, attr, &err);
    }
    inputs_clear(&p);
    if (status != CD_OK) {
        cdr_raise(&err);
    }
    SEXP changed = PROTECT(VECTOR_ELT(tensors, 0));
    cdr_release_inputs(tensors);
    UNPROTECT(1);
    return changed;
}

SEXP cdr_op_names(void)
{
    SEXP names = PROTECT(Rf_allocVector(STRSXP, CD_OPS));
    for (int i = 0; i < CD_OPS; i++) {
        SET_STRING_ELT(names, i, Rf_mkChar(cd_op_at(i)->name));
    }
    UNPROTECT(1);
    return names;
}
