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

static cd_status inputs_from_r(inputs *p, const cd_op *op, int n, const SEXP *x, cd_error *err)
{
    const cdr_company with = cdr_company_of(n, x, (op->traits & CD_NUMBERS) != 0);
    p->count = 0;
    p->in = n <= FEW ? p->few : malloc((size_t)n * sizeof *p->in);
    if (p->in == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate a list of %d tensors.", n);
    }
    for (int i = 0; i < n; i++) {
        CD_TRY(cdr_as_operand(&p->in[i], x[i], with, err));
        p->count++;
    }
    return CD_OK;
}

/* The elements of a list, in `few` where they fit, else until the end of the .Call. */
static const SEXP *elements_of(SEXP *few, SEXP list)
{
    const R_xlen_t n = Rf_xlength(list);
    SEXP *x = n <= FEW ? few : (SEXP *)R_alloc((size_t)n, sizeof *x);
    for (R_xlen_t i = 0; i < n; i++) {
        x[i] = VECTOR_ELT(list, i);
    }
    return x;
}

static void make_ready(int n, const SEXP *x)
{
    for (int i = 0; i < n; i++) {
        cdr_ready(x[i]);
    }
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

static SEXP apply(const cd_op *op, int n, const SEXP *x, SEXP attrs)
{
    cd_error err;
    inputs p;
    cd_variable *out[CD_MAX_OUTPUTS];
    int n_attr;
    const double *attr = attributes_of(attrs, &n_attr);
    make_ready(n, x);
    SEXP result = PROTECT(handles(op->n_out));
    cd_status status = inputs_from_r(&p, op, n, x, &err);
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

/* id: position in the table; tensors: list of tensors, numbers, arrays, NULL; attrs: double vector or NULL.
 * Gives a tensor, or a list of them for operators with several outputs. */
SEXP cdr_apply(SEXP id, SEXP tensors, SEXP attrs)
{
    SEXP few[FEW];
    return apply(op_of(id), Rf_length(tensors), elements_of(few, tensors), attrs);
}

/* The same for one, two and three inputs: a list of them takes R longer than a small operator. */
SEXP cdr_apply_1(SEXP id, SEXP x, SEXP attrs)
{
    return apply(op_of(id), 1, &x, attrs);
}

SEXP cdr_apply_2(SEXP id, SEXP x, SEXP y, SEXP attrs)
{
    return apply(op_of(id), 2, (const SEXP[]){x, y}, attrs);
}

SEXP cdr_apply_3(SEXP id, SEXP x, SEXP y, SEXP z, SEXP attrs)
{
    return apply(op_of(id), 3, (const SEXP[]){x, y, z}, attrs);
}

/* ids: of an operator and of its twin for a second input that is a plain number. */
SEXP cdr_apply_binary(SEXP ids, SEXP x, SEXP y, SEXP attrs)
{
    if (TYPEOF(ids) != INTSXP || Rf_xlength(ids) != 2) {
        cdr_stop(CD_EINTERNAL, "unknown pair of operators.");
    }
    const cd_op *op = cd_op_at(INTEGER(ids)[cdr_is_number(y)]);
    return apply(op, 2, (const SEXP[]){x, y}, attrs);
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
    SEXP few[FEW];
    cd_variable *target = cdr_described(VECTOR_ELT(tensors, 0), "self");
    const SEXP *x = elements_of(few, tensors);
    make_ready(Rf_length(tensors), x);
    cd_status status = inputs_from_r(&p, op, Rf_length(tensors), x, &err);
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
