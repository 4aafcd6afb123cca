#include "r/condition.h"

#include <stdarg.h>
#include <stdio.h>

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
