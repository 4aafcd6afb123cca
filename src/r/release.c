#include "r/release.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define R_NO_REMAP
#include <R_ext/Rallocators.h>

#include "r/registry.h"
#include "r/saved.h"

/* A forward function has tens of tensors alive that it made itself; more are left to the collector. */
#define MOST_LOOKED_AT 256

/* What a handle owns, in front of the memory of its anchor. */
typedef struct owner {
    cd_variable *v;      /* one reference, or NULL */
    SEXP handle;         /* which refers to the anchor: it is there as long as the owner is */
    int64_t before;      /* how many handles had been made before */
    struct owner *older; /* among the watched, and the next of those that are not in use */
    struct owner *newer;
    bool watched;
} owner;

static struct {
    owner *newest; /* of the handles that may be released early */
    owner *unused;
    int64_t made;  /* handles made in all */
    int64_t alive; /* of these, that R has not freed */
} handles;

/* ---- the memory of an anchor ---- */

#define OWNER_BYTES ((sizeof(owner) + 15) / 16 * 16)

static void watch(owner *o)
{
    o->watched = true;
    o->newer = NULL;
    o->older = handles.newest;
    if (o->older != NULL) {
        o->older->newer = o;
    }
    handles.newest = o;
}

static void unwatch(owner *o)
{
    if (!o->watched) {
        return;
    }
    *(o->newer != NULL ? &o->newer->older : &handles.newest) = o->older;
    if (o->older != NULL) {
        o->older->newer = o->newer;
    }
    o->watched = false;
}

/* allocator->data: where the owner's address is to go. All anchors ask for the same size. */
static void *anchor_memory(R_allocator_t *allocator, size_t size)
{
    owner *o = handles.unused;
    if (o != NULL) {
        handles.unused = o->older;
    } else {
        o = malloc(OWNER_BYTES + size);
    }
    if (o == NULL) {
        return NULL;
    }
    *o = (owner){.v = NULL};
    *(owner **)allocator->data = o;
    return (char *)o + OWNER_BYTES;
}

/* R has found that nothing refers to the anchor. It is in the middle of a collection: no R API here. */
static void anchor_gone(R_allocator_t *allocator, void *memory)
{
    owner *o = (owner *)((char *)memory - OWNER_BYTES);
    (void)allocator;
    unwatch(o);
    cd_variable_release(o->v);
    o->older = handles.unused;
    handles.unused = o;
    handles.alive--;
}

void cdr_handles_trim(void)
{
    while (handles.unused != NULL) {
        owner *o = handles.unused;
        handles.unused = o->older;
        free(o);
    }
}

/* ---- handles ---- */

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

/* Of a handle with an address, which one restored from a file has not. */
static owner *owner_of(SEXP handle)
{
    return *(owner **)RAW(cdr_saved_anchor(R_ExternalPtrProtected(handle)));
}

void cdr_handle_adopt(SEXP handle)
{
    owner *o = NULL;
    R_allocator_t allocator = {anchor_memory, anchor_gone, NULL, &o};
    /* The anchor is the younger one, so no collection can find the handle gone but not the anchor. */
    SEXP anchor = PROTECT(Rf_allocVector3(RAWSXP, sizeof o, &allocator));
    *(owner **)RAW(anchor) = o;
    o->handle = handle;
    R_SetExternalPtrProtected(handle, cdr_saved_slot(anchor));
    o->before = handles.made++;
    handles.alive++;
    watch(o);
    UNPROTECT(1);
}

SEXP cdr_handle_new(void)
{
    SEXP handle = PROTECT(R_MakeExternalPtr(NULL, cdr_handle_tag(), R_NilValue));
    cdr_handle_adopt(handle);
    UNPROTECT(1);
    return handle;
}

void cdr_handle_set(SEXP handle, cd_variable *v)
{
    owner_of(handle)->v = v;
    R_SetExternalPtrAddr(handle, v);
}

int64_t cdr_handles_alive(void)
{
    return handles.alive;
}

static void give_up(owner *o)
{
    cd_variable *v = o->v;
    o->v = NULL;
    R_ClearExternalPtr(o->handle);
    unwatch(o);
    cd_variable_release(v);
}

SEXP cdr_handles_made(void)
{
    return Rf_ScalarReal((double)handles.made);
}

/* A number of cdr_handles_made; of anything else, none are freed. */
static int64_t count_of(SEXP made)
{
    return TYPEOF(made) == REALSXP && Rf_xlength(made) == 1 ? (int64_t)REAL_RO(made)[0] : INT64_MAX;
}

/* made: of cdr_handles_made. Frees the handles made since that nothing refers to, but not value, which it
 * gives back. */
SEXP cdr_release_since(SEXP made, SEXP value)
{
    const int64_t since = count_of(made);
    owner *o = handles.newest;
    for (int i = 0; i < MOST_LOOKED_AT && o != NULL && o->before >= since; i++) {
        owner *older = o->older;
        if (o->handle != value && !MAYBE_REFERENCED(o->handle)) {
            give_up(o);
        }
        o = older;
    }
    return value;
}

/* ---- what but one thing refers to, which is about to go ---- */

static void release_if_alone(SEXP handle, int64_t made)
{
    if (cdr_is_handle(handle) && R_ExternalPtrAddr(handle) != NULL && !MAYBE_SHARED(handle) &&
        owner_of(handle)->before >= made) {
        give_up(owner_of(handle));
    }
}

/* frame: of a function that has handed its `...` on and will not look at it again, which no other function's
 * is. Frees its only element, if that has been computed since and nothing else refers to it, and what
 * cdr_release_since frees. */
SEXP cdr_release_dots(SEXP made, SEXP frame)
{
    SEXP dots = Rf_findVarInFrame(frame, R_DotsSymbol);
    if (TYPEOF(dots) == DOTSXP && Rf_length(dots) == 1) {
        SEXP argument = PROTECT(Rf_eval(CAR(dots), frame));
        release_if_alone(argument, count_of(made));
        UNPROTECT(1);
    }
    return cdr_release_since(made, R_NilValue);
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
        } else if (cdr_is_handle(x) && R_ExternalPtrAddr(x) != NULL && !MAYBE_REFERENCED(x)) {
            give_up(owner_of(x));
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
