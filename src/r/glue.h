/* What the glue files share: handles, conversions, conditions. Only files of this folder include R headers.
 *
 * An entry point has three phases: (1) check the arguments and allocate every R result; (2) call the engine,
 * no R API at all; (3) fill the results, free the engine's temporaries, and only then raise. So nothing can
 * jump while C memory is held.
 */
#ifndef CANDELA_R_GLUE_H
#define CANDELA_R_GLUE_H

#define R_NO_REMAP
#include <Rinternals.h>

#include "autograd/variable.h"
#include "base/status.h"
#include "r/condition.h"
#include "r/release.h"

/* A new R tensor handle without a variable yet (unprotected). Phase 1: R may be asked for a collection first
 * (r/collect.h). */
SEXP cdr_handle(void);

/* Gives the handle a new variable of t, where status is CD_OK; else raises err. Takes over t, which may be
 * NULL. err receives what goes wrong here. */
void cdr_handle_set_tensor(SEXP handle, cd_tensor *t, int requires_grad, cd_status status, cd_error *err);

/* Gives a handle that R has read from a file or another process its variable, if it came with one. Anything
 * else is left alone. For arguments that are read without cdr_variable. Phase 1 only. */
void cdr_restore(SEXP x);

/* Makes what is to be read of an argument without cdr_variable there: a handle restored, the elements of a
 * vector that R makes when they are asked for (ALTREP) made. For handles and atomic vectors; anything else is
 * left alone. Afterwards the functions below neither allocate an R object nor jump. Phase 1 only. */
void cdr_ready(SEXP x);

/* The dtype of a number from R's side (R/dtype.R). */
cd_dtype cdr_dtype_code(SEXP dtype);

/* The variable of a handle, borrowed. Raises when x is no tensor, or one restored from a saved workspace.
 * what names the argument. The variable may be undefined (value == NULL). */
cd_variable *cdr_variable(SEXP x, const char *what);

/* As cdr_variable, and raises when undefined. It may be lazy: for dtype and shape only. */
cd_variable *cdr_described(SEXP x, const char *what);

/* As cdr_described, with the data there. Phase 1 only. */
cd_variable *cdr_defined(SEXP x, const char *what);

/* As cdr_defined, where R code is to see the data, which is how a pass without recording ends: R may be asked
 * for a collection (r/collect.h). Phase 1 only. */
cd_variable *cdr_looked_at(SEXP x, const char *what);

/* As cdr_variable, with its history up to date. Phase 1 only. */
cd_variable *cdr_with_history(SEXP x, const char *what);

/* Is x a plain number of R's: numeric or logical, of length one, without dim? */
int cdr_is_number(SEXP x);

/* How R data become a variable beside others. */
typedef struct cdr_company {
    bool numbers; /* a number of length one without dim is a 0-d "number"; else it is a tensor of shape 1 */
    int dtype;    /* of numeric vectors and arrays: that of the floats they meet; -1: by their own type */
} cdr_company;

/* A variable for anything an operator accepts: a handle (its variable, retained), or an atomic vector or
 * array (converted as torch_tensor does, but for what the company says). NULL gives NULL. The caller releases
 * it. Neither allocates an R object nor jumps, once x is ready (cdr_ready). */
cd_status cdr_as_variable(cd_variable **v, SEXP x, cdr_company with, cd_error *err);

/* The same for the inputs of operators: they may be lazy (cd_call_run deals with that). */
cd_status cdr_as_operand(cd_variable **v, SEXP x, cdr_company with, cd_error *err);

/* Sizes or strides as R has them (unprotected): integers, or doubles where one is beyond those. */
SEXP cdr_sizes(int n, const int64_t *size);

/* What the inputs of an operator are to each other: numbers follow the widest float tensor among them, and
 * integers follow doubles. */
cdr_company cdr_company_of(int n, const SEXP *x, bool numbers);

/* A tensor from an R vector or array: index order kept, dtype by R type (double -> float32, integer -> int64,
 * integer64 -> int64, logical -> bool, raw -> uint8) unless dtype >= 0. A vector without dim is 1-d. x is
 * ready. */
cd_status cdr_tensor_from_r(cd_tensor **t, SEXP x, int dtype, cd_error *err);

/* Scalars from R with a clear error that names the argument. */
int64_t cdr_int64(SEXP x, const char *what);
double cdr_double(SEXP x, const char *what);
int cdr_flag(SEXP x, const char *what);
const char *cdr_string(SEXP x, const char *what);

/* The n elements of an integer or a double vector, and of n texts; else an error that names the argument.
 * Phase 1 only. */
const int *cdr_integers(SEXP x, R_xlen_t n, const char *what);
const double *cdr_doubles(SEXP x, R_xlen_t n, const char *what);
void cdr_check_texts(SEXP x, R_xlen_t n, const char *what);

#endif
