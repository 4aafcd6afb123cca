#include "r/release.h"

#include <stdbool.h>
#include <stdint.h>

#include "autograd/variable.h"
#include "r/registry.h"

/* A forward function has tens of tensors alive that it made itself; more are left to the collector. */
#define RECENT 256

static struct {
    SEXP references;        /* list of weak references to handles, the oldest first */
    int64_t before[RECENT]; /* how many handles had been made before each */
    int count;
    int64_t made; /* handles made in all */
} recent;

SEXP cdr_handle_tag(void)
{
    static SEXP tag = NULL;
    if (tag == NULL) {
        tag = Rf_install("candela_tensor");
    }
    return tag;
}

int cdr_is_handle(SEXP x)
{
    return TYPEOF(x) == EXTPTRSXP && R_ExternalPtrTag(x) == cdr_handle_tag();
}

static void give_up(SEXP handle)
{
    cd_variable *v = R_ExternalPtrAddr(handle);
    R_ClearExternalPtr(handle);
    cd_variable_release(v);
}

/* While set, finalizers run for their weak reference to be taken away only. */
static bool unwatching = false;

static void finalize(SEXP handle)
{
    if (!unwatching) {
        give_up(handle);
    }
}

static SEXP watched(int i)
{
    return R_WeakRefKey(VECTOR_ELT(recent.references, i));
}

static void move(int to, int from)
{
    SET_VECTOR_ELT(recent.references, to, VECTOR_ELT(recent.references, from));
    recent.before[to] = recent.before[from];
}

static void truncate_to(int count)
{
    for (int i = count; i < recent.count; i++) {
        SET_VECTOR_ELT(recent.references, i, R_NilValue);
    }
    recent.count = count;
}

/* Forgets the older half. */
static void make_room(void)
{
    const int half = RECENT / 2;
    for (int i = half; i < recent.count; i++) {
        move(i - half, i);
    }
    truncate_to(recent.count - half);
}

void cdr_release_watch(SEXP handle)
{
    if (recent.references == NULL) {
        recent.references = Rf_allocVector(VECSXP, RECENT);
        R_PreserveObject(recent.references);
    }
    SEXP reference = R_MakeWeakRefC(handle, R_NilValue, finalize, FALSE);
    /* Making it may have collected, and finalizers of R code may have made handles. */
    if (recent.count == RECENT) {
        make_room();
    }
    SET_VECTOR_ELT(recent.references, recent.count, reference);
    recent.before[recent.count++] = recent.made++;
}

SEXP cdr_handles_made(void)
{
    return Rf_ScalarReal((double)recent.made);
}

static int first_since(int64_t made)
{
    int first = recent.count;
    while (first > 0 && recent.before[first - 1] >= made) {
        first--;
    }
    return first;
}

/* made: of cdr_handles_made. Frees the handles made since that only their weak reference refers to, but not
 * value, which it gives back. */
SEXP cdr_release_since(SEXP made, SEXP value)
{
    const int first = first_since((int64_t)REAL(made)[0]);
    int kept = first;
    for (int i = first; i < recent.count; i++) {
        SEXP handle = watched(i);
        if (handle == R_NilValue) {
            continue;
        }
        if (handle != value && !MAYBE_SHARED(handle)) {
            R_RunWeakRefFinalizer(VECTOR_ELT(recent.references, i));
        } else {
            move(kept++, i);
        }
    }
    truncate_to(kept);
    return value;
}

/* ---- what but one thing refers to, which is about to go ---- */

/* Where the handle is among those made since, -1 if it is not. */
static int place_of(SEXP handle, int64_t made)
{
    const int first = first_since(made);
    int i = recent.count - 1;
    while (i >= first && watched(i) != handle) {
        i--;
    }
    return i >= first ? i : -1;
}

/* Watches a handle again that had `before` made before it, if its place is still there: making the reference
 * may have collected, and finalizers of R code may have made and released handles. */
static void watch_again(SEXP handle, int64_t before)
{
    SEXP reference = R_MakeWeakRefC(handle, R_NilValue, finalize, FALSE);
    for (int i = first_since(before); i < recent.count; i++) {
        if (recent.before[i] == before) {
            SET_VECTOR_ELT(recent.references, i, reference);
        }
    }
}

/* The weak reference counts like any other. It is taken away to see whether there are more than one, and made
 * anew if so. */
static void release_if_alone(SEXP handle, int64_t made)
{
    const int i = cdr_is_handle(handle) ? place_of(handle, made) : -1;
    if (i < 0) {
        return;
    }
    unwatching = true;
    R_RunWeakRefFinalizer(VECTOR_ELT(recent.references, i));
    unwatching = false;
    if (MAYBE_SHARED(handle)) {
        watch_again(handle, recent.before[i]);
    } else {
        give_up(handle);
    }
}

/* frame: of a function that will not look at its `...` again, which no other function's is. Frees its only
 * element, if that has been evaluated since and nothing else refers to it. */
SEXP cdr_release_dots(SEXP made, SEXP frame)
{
    SEXP dots = Rf_findVarInFrame(frame, R_DotsSymbol);
    if (TYPEOF(dots) == DOTSXP && Rf_length(dots) == 1) {
        SEXP argument = PROTECT(Rf_eval(Rf_install("..1"), frame));
        release_if_alone(argument, (int64_t)REAL(made)[0]);
        UNPROTECT(1);
    }
    return R_NilValue;
}

void cdr_release_inputs(SEXP list)
{
    const R_xlen_t n = MAYBE_SHARED(list) ? 0 : Rf_xlength(list);
    for (R_xlen_t i = 0; i < n; i++) {
        SET_VECTOR_ELT(list, i, R_NilValue);
    }
}

/* list: made for the call, of what R code does not refer to elsewhere any more. Frees the tensors in it, and
 * in lists within it, that nothing else refers to. */
SEXP cdr_release_list(SEXP list)
{
    const R_xlen_t n = MAYBE_SHARED(list) ? 0 : Rf_xlength(list);
    for (R_xlen_t i = 0; i < n; i++) {
        SEXP x = PROTECT(VECTOR_ELT(list, i));
        SET_VECTOR_ELT(list, i, R_NilValue);
        if (TYPEOF(x) == VECSXP && !MAYBE_REFERENCED(x)) {
            cdr_release_list(x);
        } else if (cdr_is_handle(x) && !MAYBE_SHARED(x)) {
            give_up(x);
        }
        UNPROTECT(1);
    }
    return R_NilValue;
}

/* ---- the end of a function ---- */

static SEXP call_in(const char *function, SEXP frame)
{
    SEXP call = PROTECT(Rf_lang1(Rf_install(function)));
    SEXP value = Rf_eval(call, frame);
    UNPROTECT(1);
    return value;
}

/* Nobody looks into the frame again: no closure, promise or object refers to it, and no expression of the
 * exit hook is to run. */
static bool goes(SEXP frame)
{
    return !MAYBE_REFERENCED(frame) && call_in("sys.on.exit", frame) == R_NilValue;
}

static void forget(SEXP name, SEXP frame, SEXP value)
{
    SEXP variable = Rf_findVarInFrame(frame, name);
    if (variable != value && cdr_is_handle(variable)) {
        Rf_defineVar(name, R_NilValue, frame);
    }
}

static void forget_variables(SEXP frame, SEXP value)
{
    SEXP names = PROTECT(R_lsInternal3(frame, TRUE, FALSE));
    for (R_xlen_t i = 0; i < Rf_xlength(names); i++) {
        SEXP name = Rf_installTrChar(STRING_ELT(names, i));
        if (!R_BindingIsActive(name, frame) && !R_BindingIsLocked(name, frame)) {
            forget(name, frame, value);
        }
    }
    UNPROTECT(1);
}

/* frame: of a function that is about to return value. Frees the handles made since that nothing but the
 * function's variables refers to. Gives value back. */
SEXP cdr_release_frame(SEXP made, SEXP value, SEXP frame)
{
    if (goes(frame)) {
        forget_variables(frame, value);
        cdr_release_since(made, value);
    }
    return value;
}
