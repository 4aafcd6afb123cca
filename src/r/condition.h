/* R conditions from the engine's errors. Only the glue raises them. */
#ifndef CANDELA_R_CONDITION_H
#define CANDELA_R_CONDITION_H

#define R_NO_REMAP
#include <Rinternals.h>

#include "base/status.h"

/* env: the package's namespace, where stop_engine() is. */
void cdr_conditions_init(SEXP env);

/* A call without arguments of a function of the package's namespace (unprotected); the function is in it, not
 * its name. */
SEXP cdr_engine_call(const char *name);

/* Raises a classed R condition with err's message. Does not return. Hold no C memory. */
void cdr_raise(const cd_error *err);

/* Raises (as cdr_raise) a condition of the given status with a formatted message. Does not return. */
void cdr_stop(cd_status status, const char *format, ...) CD_PRINTF(2, 3);

/* R warnings of the notes there are (base/note.h). Jumps where somebody catches them: hold no C memory. */
void cdr_warn_notes(void);

/* Runs f, which may run R code, while the engine holds memory. An interrupt, an error or a time limit in it
 * is kept for the next poll. Gives whether there was none. */
int cdr_without_jump(void (*f)(void));

/* The poll for cd_interrupt_register(): whether Ctrl-C was pressed or R raises an error, such as that of a
 * time limit. */
int cdr_interrupt_pending(void);

/* The R condition that ended the last poll, once; NULL without. Called from R. */
SEXP cdr_pending_condition(void);

#endif
