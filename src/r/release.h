/* Which tensors are freed at once, without R's collector, because nothing refers to them any more.
 *
 * A handle is an external pointer with a finalizer that gives up its variable. The most recent handles are
 * known here, each by a weak reference and the number of handles made before it, so code can ask for what was
 * made since a moment and has no reference left. That is done where calls of forward functions end and
 * between their statements (R/release.R).
 *
 * R counts references to an object from variables, arguments, lists, attributes and environments; the count
 * may be higher than what can be reached, never lower, but for values the evaluator holds while it computes
 * the other arguments of a call. So only handles made since the moment are looked at: a value that is held in
 * this way by code that began before was made before.
 *
 * A handle older than the most recent ones known (RECENT in release.c) is left to the collector, as is one
 * that more is counted for than there is.
 */
#ifndef CANDELA_R_RELEASE_H
#define CANDELA_R_RELEASE_H

#define R_NO_REMAP
#include <Rinternals.h>

/* The tag of external pointers that are tensor handles. */
SEXP cdr_handle_tag(void);

/* Is x a tensor handle (valid or not)? */
int cdr_is_handle(SEXP x);

/* Gives a handle its finalizer and makes it the most recent one. Allocates R objects; the handle is
 * protected. */
void cdr_release_watch(SEXP handle);

/* Empties a list that only the argument of the call refers to: it was made for this call, and what is in it
 * has one reference less. Any other list is left alone. */
void cdr_release_inputs(SEXP list);

#endif
