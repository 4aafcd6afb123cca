#include "r/glue.h"

#include <stdint.h>

#include "r/collect.h"
#include "r/give_back.h"
#include "r/registry.h"
#include "r/release.h"
#include "r/saved.h"
#include "tensor/lazy.h"

static SEXP prototype = NULL; /* with the class c("candela_tensor", "torch_tensor", "R7"), preserved */

SEXP cdr_init(SEXP env)
{
    cdr_conditions_init(env);
    cdr_collect_init();
    cdr_give_back_init();
    prototype = R_MakeExternalPtr(NULL, R_NilValue, R_NilValue);
    R_PreserveObject(prototype);
    static const char *const names[] = {"candela_tensor", "torch_tensor", "R7"};
    SEXP class = PROTECT(Rf_allocVector(STRSXP, 3));
    for (int i = 0; i < 3; i++) {
        SET_STRING_ELT(class, i, Rf_mkChar(names[i]));
    }
    Rf_setAttrib(prototype, R_ClassSymbol, class);
    UNPROTECT(1);
    return R_NilValue;
}

/* ---- handles ---- */

SEXP cdr_handle(void)
{
    cdr_give_back_resume();
    cdr_collect_before_handle();
    SEXP handle = PROTECT(cdr_handle_new());
    SHALLOW_DUPLICATE_ATTRIB(handle, prototype);
    UNPROTECT(1);
    return handle;
}

void cdr_handle_set_tensor(SEXP handle, cd_tensor *t, int requires_grad, cd_status status, cd_error *err)
{
    cd_variable *v = NULL;
    if (status != CD_OK) {
        cd_tensor_release(t);
        cdr_raise(err);
    }
    status = cd_variable_new(&v, t, false, err);
    if (status == CD_OK && requires_grad) {
        status = cd_variable_require_grad(v, true, err);
    }
    if (status != CD_OK) {
        cd_variable_release(v);
        cdr_raise(err);
    }
    cdr_handle_set(handle, v);
}

/* Where making the variable fails, the state stays where it was. */
static void make_from_state(SEXP handle, SEXP state)
{
    cd_error err;
    cd_variable *v = NULL;
    cdr_handle_adopt(handle);
    if (cdr_saved_variable(&v, state, &err) != CD_OK) {
        R_SetExternalPtrProtected(handle, state);
        cdr_raise(&err);
    }
    cdr_handle_set(handle, v);
}

void cdr_restore(SEXP x)
{
    if (cdr_is_handle(x) && R_ExternalPtrAddr(x) == NULL) {
        SEXP state = PROTECT(R_ExternalPtrProtected(x));
        if (cdr_saved_is_state(state)) {
            make_from_state(x, state);
        }
        UNPROTECT(1);
    }
}

cd_variable *cdr_variable(SEXP x, const char *what)
{
    if (!cdr_is_handle(x)) {
        cdr_stop(CD_EVALUE, "`%s` must be a tensor, got an object of type '%s'.", what,
                 Rf_type2char(TYPEOF(x)));
    }
    cdr_restore(x);
    cd_variable *v = R_ExternalPtrAddr(x);
    if (v == NULL) {
        cdr_stop(CD_EVALUE, "`%s` is a tensor whose data are gone: it was saved without them, or freed.",
                 what);
    }
    return v;
}

cd_variable *cdr_described(SEXP x, const char *what)
{
    cd_variable *v = cdr_variable(x, what);
    if (v->value == NULL) {
        cdr_stop(CD_EVALUE, "`%s` is an undefined tensor.", what);
    }
    return v;
}

cd_variable *cdr_defined(SEXP x, const char *what)
{
    cd_error err;
    cd_variable *v = cdr_described(x, what);
    if (cd_tensor_materialise(v->value, &err) != CD_OK) {
        cdr_raise(&err);
    }
    return v;
}

cd_variable *cdr_looked_at(SEXP x, const char *what)
{
    cd_variable *v = cdr_defined(x, what);
    cdr_collect_after_pass();
    return v;
}

/* ---- scalars ---- */

double cdr_double(SEXP x, const char *what)
{
    int type = TYPEOF(x);
    if ((type != REALSXP && type != INTSXP && type != LGLSXP) || Rf_xlength(x) != 1) {
        cdr_stop(CD_EVALUE, "`%s` must be a single number.", what);
    }
    return Rf_asReal(x);
}

int64_t cdr_int64(SEXP x, const char *what)
{
    double value = cdr_double(x, what);
    if (!(value >= -9007199254740992.0 && value <= 9007199254740992.0)) {
        cdr_stop(CD_EVALUE, "`%s` must be a whole number, got %g.", what, value);
    }
    return (int64_t)value;
}

int cdr_flag(SEXP x, const char *what)
{
    if (TYPEOF(x) != LGLSXP || Rf_xlength(x) != 1 || LOGICAL(x)[0] == NA_LOGICAL) {
        cdr_stop(CD_EVALUE, "`%s` must be TRUE or FALSE.", what);
    }
    return LOGICAL(x)[0];
}

static void check_vector(SEXP x, SEXPTYPE type, R_xlen_t n, const char *what)
{
    if (TYPEOF(x) != (int)type || Rf_xlength(x) != n) {
        cdr_stop(CD_EVALUE, "`%s` must be a vector of %lld elements of type '%s', got %lld of type '%s'.",
                 what, (long long)n, Rf_type2char(type), (long long)(Rf_isVector(x) ? Rf_xlength(x) : 0),
                 Rf_type2char(TYPEOF(x)));
    }
}

const int *cdr_integers(SEXP x, R_xlen_t n, const char *what)
{
    check_vector(x, INTSXP, n, what);
    return INTEGER_RO(x);
}

const double *cdr_doubles(SEXP x, R_xlen_t n, const char *what)
{
    check_vector(x, REALSXP, n, what);
    return REAL_RO(x);
}

void cdr_check_texts(SEXP x, R_xlen_t n, const char *what)
{
    check_vector(x, STRSXP, n, what);
}

const char *cdr_string(SEXP x, const char *what)
{
    if (TYPEOF(x) != STRSXP || Rf_xlength(x) != 1 || STRING_ELT(x, 0) == NA_STRING) {
        cdr_stop(CD_EVALUE, "`%s` must be a single string.", what);
    }
    return Rf_translateChar(STRING_ELT(x, 0));
}
