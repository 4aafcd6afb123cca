/* Declarations of all entry points, made from registry.def. */
#ifndef CANDELA_R_REGISTRY_H
#define CANDELA_R_REGISTRY_H

#define R_NO_REMAP
#include <Rinternals.h>

#define CDR_ARGS_0 void
#define CDR_ARGS_1 SEXP
#define CDR_ARGS_2 SEXP, SEXP
#define CDR_ARGS_3 SEXP, SEXP, SEXP
#define CDR_ARGS_4 SEXP, SEXP, SEXP, SEXP
#define CDR_ARGS_5 SEXP, SEXP, SEXP, SEXP, SEXP
#define CDR_ARGS_6 SEXP, SEXP, SEXP, SEXP, SEXP, SEXP
#define CDR_ARGS_7 SEXP, SEXP, SEXP, SEXP, SEXP, SEXP, SEXP
#define CDR_ARGS_8 SEXP, SEXP, SEXP, SEXP, SEXP, SEXP, SEXP, SEXP

#define CDR_ENTRY(name, n) SEXP name(CDR_ARGS_##n);
#include "r/registry.def"
#undef CDR_ENTRY

#endif
