/* Tensors that survive serialize(): saveRDS(), save(), a session restored, other processes.
 *
 * R writes an external pointer without its address, but with the object it protects. What a handle protects
 * is an ALTREP object, its slot: when, and only when, R serialises it, it turns into the state of the
 * handle's tensor,
 *
 *     list(version, dtype, shape, channels_last, requires_grad, bytes)
 *
 * with the elements in order, little-endian, without what a view does not show. After reading, the handle has
 * no address and protects that list; the first use of it makes the tensor (cdr_variable in glue.c). The graph
 * is not written, nor the gradient. Two handles of one storage have copies afterwards; one handle that is
 * referred to twice is one handle again.
 */
#ifndef CANDELA_R_SAVED_H
#define CANDELA_R_SAVED_H

#define R_NO_REMAP
#include <R_ext/Rdynload.h>
#include <Rinternals.h>

#include "autograd/variable.h"
#include "base/status.h"

void cdr_saved_init(DllInfo *dll);

/* A new slot (unprotected) around the handle's anchor: a raw vector that holds the address of a place where
 * the variable's address is, or NULL. Allocates R objects; the anchor is protected. */
SEXP cdr_saved_slot(SEXP anchor);

/* The anchor of a slot made by cdr_saved_slot. */
SEXP cdr_saved_anchor(SEXP slot);

/* Is this, which a handle without address protects, the state of a tensor? */
int cdr_saved_is_state(SEXP slot);

/* A new variable from a state; the caller owns it. Errors: CD_EFORMAT where it contradicts itself,
 * CD_EALLOC. */
cd_status cdr_saved_variable(cd_variable **v, SEXP state, cd_error *err);

#endif
