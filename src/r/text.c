/* The text of a tensor for R. */
#include "tensor/print.h"

#include <stdio.h>
#include <stdlib.h>

#include "r/glue.h"
#include "r/registry.h"

static const char *suffix(char *text, size_t size, const cd_variable *v)
{
    text[0] = '\0';
    if (v->creator != NULL) {
        const char *name = v->creator->op->backward_name;
        snprintf(text, size, "[ grad_fn = <%s> ]", name != NULL ? name : v->creator->op->name);
    } else if (v->requires_grad) {
        snprintf(text, size, "[ requires_grad = TRUE ]");
    }
    return text;
}

/* Frees the text when R collects the guard, should making the string fail. */
static void free_text(SEXP guard)
{
    free(R_ExternalPtrAddr(guard));
    R_ClearExternalPtr(guard);
}

/* n: lines to keep at most, n <= 1 for all. Gives the text and its suffix. */
SEXP cdr_tensor_text(SEXP x, SEXP n)
{
    cd_error err;
    char *text, end[160];
    int64_t lines = cdr_int64(n, "n");
    if (cdr_variable(x, "x")->value == NULL) {
        return Rf_mkString("[ Tensor (undefined) ]");
    }
    cd_variable *v = cdr_defined(x, "x");
    if (cd_variable_sync(v, &err) != CD_OK) {
        cdr_raise(&err);
    }
    SEXP guard = PROTECT(R_MakeExternalPtr(NULL, R_NilValue, R_NilValue));
    R_RegisterCFinalizer(guard, free_text);
    if (cd_tensor_text(&text, v->value, lines, &err) != CD_OK) {
        cdr_raise(&err);
    }
    R_SetExternalPtrAddr(guard, text);
    SEXP result = PROTECT(Rf_allocVector(STRSXP, 2));
    SET_STRING_ELT(result, 0, Rf_mkChar(text));
    SET_STRING_ELT(result, 1, Rf_mkChar(suffix(end, sizeof end, v)));
    free_text(guard);
    UNPROTECT(2);
    return result;
}
