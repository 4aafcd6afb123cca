#include "r/glue.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "r/collect.h"
#include "r/registry.h"
#include "tensor/lazy.h"

static SEXP tensor_class = NULL; /* c("torch_tensor", "R7"), preserved */
static SEXP namespace_env = NULL;

SEXP cdr_init(SEXP env)
{
    namespace_env = env;
    cdr_collect_init();
    tensor_class = Rf_allocVector(STRSXP, 2);
    R_PreserveObject(tensor_class);
    SET_STRING_ELT(tensor_class, 0, Rf_mkChar("torch_tensor"));
    SET_STRING_ELT(tensor_class, 1, Rf_mkChar("R7"));
    return R_NilValue;
}

/* ---- conditions ---- */

void cdr_raise(const cd_error *err)
{
    SEXP kind = PROTECT(Rf_mkString(cd_status_name(err->code)));
    SEXP message = PROTECT(Rf_mkString(err->message));
    SEXP call = PROTECT(Rf_lang3(Rf_install("stop_engine"), kind, message));
    Rf_eval(call, namespace_env);
    UNPROTECT(3);
}

void cdr_stop(cd_status status, const char *format, ...)
{
    cd_error err;
    va_list args;
    va_start(args, format);
    vsnprintf(err.message, sizeof err.message, format, args);
    va_end(args);
    err.code = status;
    cdr_raise(&err);
}

/* ---- handles ---- */

static SEXP handle_tag(void)
{
    static SEXP tag = NULL;
    if (tag == NULL) {
        tag = Rf_install("candela_tensor");
    }
    return tag;
}

/* A handle is two external pointers: the one R code holds, and behind it the owner, which has the finalizer.
 * A finalizer counts as a reference to its object, and cdr_let_go must see those of R code only. */
static void finalize(SEXP owner)
{
    cd_variable *v = R_ExternalPtrAddr(owner);
    R_ClearExternalPtr(owner);
    cd_variable_release(v);
}

SEXP cdr_handle(void)
{
    cdr_collect_before_handle();
    SEXP owner = PROTECT(R_MakeExternalPtr(NULL, R_NilValue, R_NilValue));
    R_RegisterCFinalizerEx(owner, finalize, FALSE);
    SEXP handle = PROTECT(R_MakeExternalPtr(NULL, handle_tag(), owner));
    Rf_setAttrib(handle, R_ClassSymbol, tensor_class);
    UNPROTECT(2);
    return handle;
}

void cdr_handle_set(SEXP handle, cd_variable *v)
{
    R_SetExternalPtrAddr(handle, v);
    R_SetExternalPtrAddr(R_ExternalPtrProtected(handle), v);
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

/* Frees the tensor of a handle that only one R variable refers to, without waiting for R's collector. Where
 * anything else refers to the handle nothing happens. */
SEXP cdr_let_go(SEXP handle)
{
    if (cdr_is_handle(handle) && !MAYBE_SHARED(handle) && R_ExternalPtrAddr(handle) != NULL) {
        R_SetExternalPtrAddr(handle, NULL);
        finalize(R_ExternalPtrProtected(handle));
    }
    return R_NilValue;
}

/* The same for all tensors in a list that only one R variable refers to, and in lists within it. */
SEXP cdr_let_go_of_all(SEXP x)
{
    if (TYPEOF(x) != VECSXP) {
        return cdr_let_go(x);
    }
    const R_xlen_t n = MAYBE_SHARED(x) ? 0 : Rf_xlength(x);
    for (R_xlen_t i = 0; i < n; i++) {
        cdr_let_go_of_all(VECTOR_ELT(x, i));
    }
    return R_NilValue;
}

static SEXP another_handle(SEXP handle)
{
    SEXP another = PROTECT(cdr_handle());
    Rf_copyMostAttrib(handle, another);
    cdr_handle_set(another, cd_variable_retain(R_ExternalPtrAddr(handle)));
    UNPROTECT(1);
    return another;
}

/* The same tensors behind handles of their own, for a call after which the old handles are to be let go of:
 * what the call's frames refer to until R collects them are the new ones, which are young then. Lists are
 * gone through; anything else is left as it is. */
SEXP cdr_other_handles(SEXP x)
{
    if (cdr_is_handle(x)) {
        return R_ExternalPtrAddr(x) != NULL ? another_handle(x) : x;
    }
    if (TYPEOF(x) != VECSXP) {
        return x;
    }
    SEXP others = PROTECT(Rf_shallow_duplicate(x));
    for (R_xlen_t i = 0; i < Rf_xlength(x); i++) {
        SET_VECTOR_ELT(others, i, cdr_other_handles(VECTOR_ELT(x, i)));
    }
    UNPROTECT(1);
    return others;
}

/* Gives the result of a call and lets go of the call's input, unless that is the result. */
SEXP cdr_result_of(SEXP result, SEXP input)
{
    if (result != input) {
        cdr_let_go(input);
    }
    return result;
}

int cdr_is_handle(SEXP x)
{
    return TYPEOF(x) == EXTPTRSXP && R_ExternalPtrTag(x) == handle_tag();
}

cd_variable *cdr_variable(SEXP x, const char *what)
{
    if (!cdr_is_handle(x)) {
        cdr_stop(CD_EVALUE, "`%s` must be a tensor, got an object of type '%s'.", what,
                 Rf_type2char(TYPEOF(x)));
    }
    cd_variable *v = R_ExternalPtrAddr(x);
    if (v == NULL) {
        cdr_stop(CD_EVALUE,
                 "`%s` is a tensor restored from a saved workspace or file: its data are gone. "
                 "Save tensors and models with torch_save() or luz_save().",
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

const char *cdr_string(SEXP x, const char *what)
{
    if (TYPEOF(x) != STRSXP || Rf_xlength(x) != 1 || STRING_ELT(x, 0) == NA_STRING) {
        cdr_stop(CD_EVALUE, "`%s` must be a single string.", what);
    }
    return Rf_translateChar(STRING_ELT(x, 0));
}
