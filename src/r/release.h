/* Which tensors are freed at once, without R's collector, because nothing refers to them any more.
 *
 * A handle is an external pointer. What it protects holds its anchor (inside of what saves it, see saved.h),
 * a vector of R's in memory of ours: when R frees that, in the collection that finds the handle unreachable,
 * the handle's variable is given up. There is no finalizer: R would call each by itself, and go through the
 * list of all of them in every collection.
 *
 * The handles there are known here in the order they were made in, so code can ask for what was made since a
 * moment and has no reference left. That is done where calls of forward functions end and between their
 * statements (R/release.R).
 *
 * R counts references to an object from variables, arguments, lists, attributes and environments; the count
 * may be higher than what can be reached, never lower, but for values the evaluator holds while it computes
 * the other arguments of a call. So only handles made since the moment are looked at: a value that is held in
 * this way by code that began before was made before.
 *
 * Of many made since, the older ones (beyond MOST_LOOKED_AT in release.c) are left to the collector, as is
 * one that more is counted for than there is.
 */
#ifndef CANDELA_R_RELEASE_H
#define CANDELA_R_RELEASE_H

#include <stdint.h>

#define R_NO_REMAP
#include <Rinternals.h>

#include "autograd/variable.h"

/* The tag of external pointers that are tensor handles. */
SEXP cdr_handle_tag(void);

/* Is x a tensor handle (valid or not)? */
int cdr_is_handle(SEXP x);

/* A new handle (unprotected) without a variable, attributes or class. Allocates R objects. */
SEXP cdr_handle_new(void);

/* Makes an external pointer with the tag of handles, which may come from a file, one of those known here.
 * Allocates R objects; the pointer is protected. */
void cdr_handle_adopt(SEXP handle);

/* Gives the handle its variable; takes over the caller's reference. Does not allocate. */
void cdr_handle_set(SEXP handle, cd_variable *v);

/* How many handles there are that R has not freed, those given up included. */
int64_t cdr_handles_alive(void);

/* Empties a list that only the argument of the call refers to: it was made for this call, and what is in it
 * has one reference less. Any other list is left alone. */
void cdr_release_inputs(SEXP list);

/* Gives what waits to own handles back to malloc: it lies between small blocks, which malloc can only then
 * return. */
void cdr_handles_trim(void);

#endif
