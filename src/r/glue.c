#include "r/glue.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "base/memory.h"
#include "r/registry.h"
#include "tensor/lazy.h"

static SEXP tensor_class = NULL; /* c("torch_tensor", "R7"), preserved */
static SEXP namespace_env = NULL;

/* During a forward pass, and without recording, the young generation is collected when what is in use has
 * grown by an eighth and this much since the last time. */
#define GROWTH ((size_t)128 << 20)
/* What a pass without recording may leave behind before it is collected in its middle. */
#define MOST_GARBAGE ((size_t)768 << 20)
/* Older generations are collected when what nobody needs there has come to this much. */
#define OLD_GARBAGE ((size_t)256 << 20)
/* Growth while the items of a batch are read and transformed. */
#define BATCH_GROWTH ((size_t)512 << 20)
/* Of the time that passes, older generations are collected in no more than this part, and all in as much,
 * unless what is in use has doubled. */
#define COLLECTION_PART 10
/* Backward collects first when at least this is in use: less is not worth a millisecond. */
#define WORTH_COLLECTING ((size_t)64 << 20)
/* And when so many tensors have been made since it last did. */
#define FEW_HANDLES 8

static void collect_young(void);

SEXP cdr_init(SEXP env)
{
    namespace_env = env;
    cd_lazy_register_collector(collect_young);
    tensor_class = Rf_allocVector(STRSXP, 2);
    R_PreserveObject(tensor_class);
    SET_STRING_ELT(tensor_class, 0, Rf_mkChar("torch_tensor"));
    SET_STRING_ELT(tensor_class, 1, Rf_mkChar("R7"));
    return R_NilValue;
}

/* ---- conditions ---- */

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

/* ---- handles ---- */

static SEXP handle_tag(void)
{
    static SEXP tag = NULL;
    if (tag == NULL) {
        tag = Rf_install("candela_tensor");
    }
    return tag;
}

/* A handle is two external pointers: the one R code holds, and behind it the owner, which has the finalizer.
 * A finalizer counts as a reference to its object, and cdr_let_go must see those of R code only. */
static void finalize(SEXP owner)
{
    cd_variable *v = R_ExternalPtrAddr(owner);
    R_ClearExternalPtr(owner);
    cd_variable_release(v);
}

static int64_t handles_made = 0; /* since the last collection before a backward */

SEXP cdr_handle(void)
{
    handles_made++;
    SEXP owner = PROTECT(R_MakeExternalPtr(NULL, R_NilValue, R_NilValue));
    R_RegisterCFinalizerEx(owner, finalize, FALSE);
    SEXP handle = PROTECT(R_MakeExternalPtr(NULL, handle_tag(), owner));
    Rf_setAttrib(handle, R_ClassSymbol, tensor_class);
    UNPROTECT(2);
    return handle;
}

void cdr_handle_set(SEXP handle, cd_variable *v)
{
    R_SetExternalPtrAddr(handle, v);
    R_SetExternalPtrAddr(R_ExternalPtrProtected(handle), v);
}

void cdr_handle_set_tensor(SEXP handle, cd_tensor *t, int requires_grad, cd_status status, cd_error *err)
{
    cd_variable *v = NULL;
    if (status != CD_OK) {
        cd_tensor_release(t);
        cdr_raise(err);
    }
    status = cd_variable_new(&v, t, false, err);
    if (status == CD_OK && requires_grad) {
        status = cd_variable_require_grad(v, true, err);
    }
    if (status != CD_OK) {
        cd_variable_release(v);
        cdr_raise(err);
    }
    cdr_handle_set(handle, v);
}

/* Frees the tensor of a handle that only one R variable refers to, without waiting for R's collector. Where
 * anything else refers to the handle nothing happens. */
SEXP cdr_let_go(SEXP handle)
{
    if (cdr_is_handle(handle) && !MAYBE_SHARED(handle) && R_ExternalPtrAddr(handle) != NULL) {
        R_SetExternalPtrAddr(handle, NULL);
        finalize(R_ExternalPtrProtected(handle));
    }
    return R_NilValue;
}

/* The same for all tensors in a list that only one R variable refers to, and in lists within it. */
SEXP cdr_let_go_of_all(SEXP x)
{
    if (TYPEOF(x) != VECSXP) {
        return cdr_let_go(x);
    }
    const R_xlen_t n = MAYBE_SHARED(x) ? 0 : Rf_xlength(x);
    for (R_xlen_t i = 0; i < n; i++) {
        cdr_let_go_of_all(VECTOR_ELT(x, i));
    }
    return R_NilValue;
}

static SEXP another_handle(SEXP handle)
{
    SEXP another = PROTECT(cdr_handle());
    Rf_copyMostAttrib(handle, another);
    cdr_handle_set(another, cd_variable_retain(R_ExternalPtrAddr(handle)));
    UNPROTECT(1);
    return another;
}

/* The same tensors behind handles of their own, for a call after which the old handles are to be let go of:
 * what the call's frames refer to until R collects them are the new ones, which are young then. Lists are
 * gone through; anything else is left as it is. */
SEXP cdr_other_handles(SEXP x)
{
    if (cdr_is_handle(x)) {
        return R_ExternalPtrAddr(x) != NULL ? another_handle(x) : x;
    }
    if (TYPEOF(x) != VECSXP) {
        return x;
    }
    SEXP others = PROTECT(Rf_shallow_duplicate(x));
    for (R_xlen_t i = 0; i < Rf_xlength(x); i++) {
        SET_VECTOR_ELT(others, i, cdr_other_handles(VECTOR_ELT(x, i)));
    }
    UNPROTECT(1);
    return others;
}

/* Gives the result of a call and lets go of the call's input, unless that is the result. */
SEXP cdr_result_of(SEXP result, SEXP input)
{
    if (result != input) {
        cdr_let_go(input);
    }
    return result;
}

int cdr_is_handle(SEXP x)
{
    return TYPEOF(x) == EXTPTRSXP && R_ExternalPtrTag(x) == handle_tag();
}

cd_variable *cdr_variable(SEXP x, const char *what)
{
    if (!cdr_is_handle(x)) {
        cdr_stop(CD_EVALUE, "`%s` must be a tensor, got an object of type '%s'.", what,
                 Rf_type2char(TYPEOF(x)));
    }
    cd_variable *v = R_ExternalPtrAddr(x);
    if (v == NULL) {
        cdr_stop(CD_EVALUE,
                 "`%s` is a tensor restored from a saved workspace or file: its data are gone. "
                 "Save tensors and models with torch_save() or luz_save().",
                 what);
    }
    return v;
}

cd_variable *cdr_described(SEXP x, const char *what)
{
    cd_variable *v = cdr_variable(x, what);
    if (v->value == NULL) {
        cdr_stop(CD_EVALUE, "`%s` is an undefined tensor.", what);
    }
    return v;
}

cd_variable *cdr_defined(SEXP x, const char *what)
{
    cd_error err;
    cd_variable *v = cdr_described(x, what);
    if (cd_tensor_materialise(v->value, &err) != CD_OK) {
        cdr_raise(&err);
    }
    return v;
}

/* ---- memory that R cannot see ---- */

/* Collects the youngest generation: most temporaries of a training step, in a millisecond or two. */
static void collect_young(void)
{
    static SEXP call = NULL;
    if (call == NULL) {
        call = Rf_lang2(Rf_install("gc"), Rf_ScalarLogical(FALSE));
        R_PreserveObject(call);
        SET_TAG(CDR(call), Rf_install("full"));
    }
    Rf_eval(call, R_BaseEnv);
}

static size_t growth = GROWTH, before_batch = 0;

static size_t an_eighth_more(size_t bytes)
{
    return bytes + bytes / 8;
}

typedef struct {
    clock_t ended, took;
} collection_clock;

/* A collection in the middle of a forward pass takes the temporaries alive then for old ones, which later
 * collections of the young generation pass by, and a collection of all generations takes as long as a small
 * training step. So a forward pass that needs no more than the last one is left alone, everything young is
 * collected at its end, and the old generations only when more is left there than usual. */
static struct {
    size_t after_collection[2];  /* in use then, without and with recording; without, the least since */
    size_t forward_limit;        /* what the last forward pass reached, if most of it was not garbage */
    size_t usual_graph;          /* in use when a graph is complete, garbage collected */
    size_t highest;              /* without recording, since a result was looked at */
    size_t after_pass;           /* in use when it had been looked at */
    size_t pass_limit;           /* without recording, what the pass before reached */
    size_t full_limit;           /* outside of training, when to collect all generations */
    collection_clock older, all; /* the last collections of older and of all generations before a backward */
} collections = {.full_limit = 4 * GROWTH};

/* R collects the generation after the youngest together with every twentieth young one, and what a few young
 * collections have promoted by mistake is in that generation: these together take a quarter of a collection
 * of all, which follows only where more than `enough` is still in use. */
#define YOUNG_COLLECTIONS 20
/* What a collection frees when it was such a one. */
#define NOTICEABLE ((size_t)8 << 20)

static void collect_older(size_t enough)
{
    size_t before = 0;
    for (int i = 0; i < YOUNG_COLLECTIONS && cd_memory_count().in_use + NOTICEABLE > before; i++) {
        before = cd_memory_count().in_use;
        collect_young();
    }
    if (cd_memory_count().in_use > enough) {
        R_gc();
    }
}

/* For moments at which little is in use: *least follows it. What young collections leave behind there may
 * come to OLD_GARBAGE. */
static void collect_promoted(size_t *least)
{
    const size_t in_use = cd_memory_count().in_use;
    *least = in_use < *least ? in_use : *least;
    if (in_use > *least + OLD_GARBAGE) {
        collect_older(*least + OLD_GARBAGE);
        *least = cd_memory_count().in_use;
    }
}

static void collect(void)
{
    collect_young();
    if (cd_memory_count().in_use > collections.full_limit) {
        collect_older(collections.full_limit);
        collections.full_limit = 2 * cd_memory_count().in_use;
        collections.full_limit = collections.full_limit > 4 * GROWTH ? collections.full_limit : 4 * GROWTH;
    }
    collections.after_collection[cd_grad_enabled()] = cd_memory_count().in_use;
}

void cdr_collect_if_needed(void)
{
    bool recording = cd_grad_enabled();
    size_t in_use = cd_memory_count().in_use, *after = &collections.after_collection[recording];
    if (!recording && in_use < *after) {
        *after = in_use;
    }
    if (!recording && in_use > collections.highest) {
        collections.highest = in_use;
    }
    if (in_use > an_eighth_more(*after) + growth &&
        in_use > (recording ? collections.forward_limit : collections.pass_limit)) {
        collect();
    }
}

void cdr_collect_after_pass(void)
{
    const size_t in_use = cd_memory_count().in_use;
    static size_t least = SIZE_MAX;
    if (cd_grad_enabled() || in_use <= collections.after_pass + WORTH_COLLECTING) {
        return;
    }
    collect_young();
    collect_promoted(&least);
    const size_t after = cd_memory_count().in_use, limit = an_eighth_more(collections.highest);
    collections.pass_limit = limit < after + MOST_GARBAGE ? limit : after + MOST_GARBAGE;
    collections.highest = collections.after_pass = collections.after_collection[0] = after;
}

/* Follows what graphs need: down slowly, so that batches of changing size do not look like garbage, and up
 * where nothing in use is garbage. */
static void remember_graph(size_t in_use, bool all_collected)
{
    size_t *usual = &collections.usual_graph;
    if (in_use < *usual) {
        *usual -= (*usual - in_use) / 8;
    } else if (all_collected) {
        *usual = in_use;
    }
}

/* A few tensors leave little garbage, and those alive would count as old from there on. */
static bool young_collection_pays(size_t in_use)
{
    return in_use > WORTH_COLLECTING &&
           (handles_made >= FEW_HANDLES || in_use > 2 * collections.after_collection[1]);
}

/* More than usual is left, and there is time or it is urgent. */
static bool pays(const collection_clock *last)
{
    const size_t in_use = cd_memory_count().in_use, usual = collections.usual_graph;
    return in_use > an_eighth_more(usual) &&
           (in_use > 2 * usual || clock() - last->ended > COLLECTION_PART * last->took);
}

/* Older generations, and all where that does not help. Gives whether it was all. */
static bool collect_graph_garbage(void)
{
    if (pays(&collections.older)) {
        const clock_t start = clock();
        collect_older(SIZE_MAX);
        collections.older = (collection_clock){clock(), clock() - start};
    }
    const bool all = pays(&collections.all);
    if (all) {
        const clock_t start = clock();
        R_gc();
        collections.all = (collection_clock){clock(), clock() - start};
    }
    return all;
}

void cdr_collect_before_backward(void)
{
    const size_t before = cd_memory_count().in_use;
    if (!young_collection_pays(before)) {
        return;
    }
    handles_made = 0;
    collect_young();
    const bool all = collect_graph_garbage();
    const size_t after = cd_memory_count().in_use;
    remember_graph(after, all);
    collections.after_collection[1] = after;
    collections.forward_limit = before - after < after / 2 ? an_eighth_more(before) : 0;
}

/* What transforming the images of a batch leaves behind is young and unreachable once the batch is there: it
 * is collected then, not before, when the collector would take what is still needed for old. The thresholds
 * stay as they were, because a forward pass comes next. */
SEXP cdr_batch_begins(void)
{
    before_batch = cd_memory_count().in_use;
    growth = BATCH_GROWTH;
    return R_NilValue;
}

/* Batches that were there during a collection count as old, and only a full one frees them. */
SEXP cdr_batch_ends(void)
{
    static size_t least = SIZE_MAX;
    growth = GROWTH;
    if (cd_memory_count().in_use > before_batch + WORTH_COLLECTING) {
        collect_young();
    } else {
        cdr_collect_if_needed();
    }
    collect_promoted(&least);
    return R_NilValue;
}

/* ---- scalars ---- */

double cdr_double(SEXP x, const char *what)
{
    int type = TYPEOF(x);
    if ((type != REALSXP && type != INTSXP && type != LGLSXP) || Rf_xlength(x) != 1) {
        cdr_stop(CD_EVALUE, "`%s` must be a single number.", what);
    }
    return Rf_asReal(x);
}

int64_t cdr_int64(SEXP x, const char *what)
{
    double value = cdr_double(x, what);
    if (!(value >= -9007199254740992.0 && value <= 9007199254740992.0)) {
        cdr_stop(CD_EVALUE, "`%s` must be a whole number, got %g.", what, value);
    }
    return (int64_t)value;
}

int cdr_flag(SEXP x, const char *what)
{
    if (TYPEOF(x) != LGLSXP || Rf_xlength(x) != 1 || LOGICAL(x)[0] == NA_LOGICAL) {
        cdr_stop(CD_EVALUE, "`%s` must be TRUE or FALSE.", what);
    }
    return LOGICAL(x)[0];
}

const char *cdr_string(SEXP x, const char *what)
{
    if (TYPEOF(x) != STRSXP || Rf_xlength(x) != 1 || STRING_ELT(x, 0) == NA_STRING) {
        cdr_stop(CD_EVALUE, "`%s` must be a single string.", what);
    }
    return Rf_translateChar(STRING_ELT(x, 0));
}
