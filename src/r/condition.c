#include "r/condition.h"

#include <R_ext/Utils.h>

#include <stdarg.h>
#include <stdio.h>

#include "base/interrupt.h"
#include "base/note.h"

static SEXP namespace_env = NULL;

void cdr_conditions_init(SEXP env)
{
    namespace_env = env;
}

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

void cdr_warn_notes(void)
{
    char text[CD_NOTE_LENGTH];
    while (cd_note_take(text)) {
        SEXP message = PROTECT(Rf_mkString(text));
        SEXP call = PROTECT(Rf_lang2(Rf_install("warn_engine"), message));
        Rf_eval(call, namespace_env);
        UNPROTECT(2);
    }
}

/* ---- interrupts and time limits ---- */

static SEXP pending = NULL;

static SEXP run(void *context)
{
    (*(void (**)(void))context)();
    return R_NilValue;
}

static SEXP keep_pending(SEXP condition, void *unused)
{
    (void)unused;
    (void)cdr_pending_condition();
    pending = condition;
    R_PreserveObject(pending);
    return R_NilValue;
}

static void run_and_catch(void *context)
{
    SEXP classes = PROTECT(Rf_allocVector(STRSXP, 2));
    SET_STRING_ELT(classes, 0, Rf_mkChar("interrupt"));
    SET_STRING_ELT(classes, 1, Rf_mkChar("error"));
    R_tryCatch(run, context, classes, keep_pending, NULL, NULL, NULL);
    UNPROTECT(1);
}

int cdr_without_jump(void (*f)(void))
{
    return R_ToplevelExec(run_and_catch, &f) && pending == NULL;
}

#define SECONDS_BETWEEN_LOOKS 0.01

/* A look costs as much as a small operator, and backward asks at every node. */
int cdr_interrupt_pending(void)
{
    static double last = 0;
    const double now = cd_seconds();
    if (pending == NULL && now - last < SECONDS_BETWEEN_LOOKS) {
        return 0;
    }
    last = now;
    return !cdr_without_jump(R_CheckUserInterrupt);
}

SEXP cdr_pending_condition(void)
{
    if (pending == NULL) {
        return R_NilValue;
    }
    SEXP condition = PROTECT(pending);
    pending = NULL;
    R_ReleaseObject(condition);
    UNPROTECT(1);
    return condition;
}

SEXP cdr_engine_call(const char *name)
{
    return Rf_lang1(Rf_findFun(Rf_install(name), namespace_env));
}
