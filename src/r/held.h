/* R functions that graphs hold. A graph may be freed in the middle of R's collection, where R's list of what
 * is held may not be changed: what it lets go of is kept on a list until then. */
#ifndef CANDELA_R_HELD_H
#define CANDELA_R_HELD_H

#define R_NO_REMAP
#include <Rinternals.h>

/* What holds the function until it is let go, or NULL without memory. Phase 1 only (r/glue.h). */
void *cdr_hold(SEXP function);

SEXP cdr_held_function(const void *held);

/* At any time, also while R collects. */
void cdr_release_function(void *held);

/* Lets R go of the functions that have been let go. Not while R collects; done after each collection
 * (r/give_back.h). */
void cdr_release_functions(void);

#endif
