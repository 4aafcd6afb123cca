#include "r/collect.h"

#include <stdint.h>
#include <time.h>

#define R_NO_REMAP
#include <Rinternals.h>

#include "autograd/variable.h"
#include "base/memory.h"
#include "r/condition.h"
#include "r/registry.h"
#include "r/release.h"
#include "tensor/lazy.h"

/* ---- how much is worth how much ---- */

/* A young collection takes a millisecond or two, which less than this in use is not worth. */
#define WORTH_COLLECTING ((size_t)64 << 20)
/* Nor are so few handles made since the last collection before a backward. */
#define FEW_HANDLES 8
/* So many handles more than after the last collection, however small their tensors are, are collected: what
 * is made next then finds memory that is in the cache. A collection takes as long as a thousand handles. */
#define MANY_HANDLES 16384
/* In the middle of a pass the young are collected when what is in use has grown by an eighth and this much
 * since the last time: a convolution's results at batch 32 have tens of megabytes, and several are alive at
 * once. */
#define GROWTH ((size_t)128 << 20)
/* The same while the items of a batch are read and transformed: everything alive then is needed until the
 * batch is there. */
#define BATCH_GROWTH ((size_t)512 << 20)
/* What a pass without recording may leave behind before it is collected in its middle. */
#define MOST_GARBAGE ((size_t)768 << 20)
/* Where little is in use, older generations are collected when what nobody needs there has come to this much.
 */
#define OLD_GARBAGE ((size_t)256 << 20)
/* Outside of training all generations are collected when this much is in use, or twice what the last such
 * collection left. */
#define FULL_LIMIT (4 * GROWTH)
/* Before a backward at most a tenth of the time goes into collections of older generations, and a tenth into
 * those of all, unless what is in use has doubled. */
#define COLLECTION_PART 10
/* R collects the generation after the youngest together with every twentieth young one. */
#define YOUNG_COLLECTIONS 20
/* What a collection frees at least when it was such a one. */
#define NOTICEABLE ((size_t)8 << 20)

static size_t an_eighth_more(size_t bytes)
{
    return bytes + bytes / 8;
}

static size_t in_use_now(void)
{
    return cd_memory_count().in_use;
}

/* ---- what R is asked for ---- */

/* The youngest generation: most temporaries of a training step. */
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

/* The engine asks in its middle, where nothing may jump. */
static void collect_for_engine(void)
{
    cdr_without_jump(collect_young);
}

void cdr_collect_init(void)
{
    cd_lazy_register_collector(collect_for_engine);
}

/* What a few young collections have promoted by mistake is in the second generation, which R collects with
 * every twentieth young one: twenty of them take a quarter of a collection of all, which follows only where
 * more than `enough` is still in use. */
static void collect_older(size_t enough)
{
    size_t before = 0;
    for (int i = 0; i < YOUNG_COLLECTIONS && in_use_now() + NOTICEABLE > before; i++) {
        before = in_use_now();
        collect_young();
    }
    if (in_use_now() > enough) {
        R_gc();
    }
}

/* For moments at which little is in use: *least follows it. What young collections leave behind there may
 * come to OLD_GARBAGE. */
static void collect_promoted(size_t *least)
{
    const size_t in_use = in_use_now();
    *least = in_use < *least ? in_use : *least;
    if (in_use > *least + OLD_GARBAGE) {
        collect_older(*least + OLD_GARBAGE);
        *least = in_use_now();
    }
}

/* ---- what is remembered from one moment to the next ---- */

typedef struct {
    clock_t ended, took;
} collection_clock;

/* A collection in the middle of a forward pass takes the temporaries alive then for old ones, and a
 * collection of all generations takes as long as a small training step. So a forward pass that needs no more
 * than the last one is left alone, everything young is collected at its end, and the old generations only
 * when more is left there than usual. All in bytes in use, unless said otherwise. */
static struct {
    size_t growth;               /* GROWTH or BATCH_GROWTH */
    size_t before_batch;         /* when the reading of the batch began */
    int64_t handles_made;        /* since the last collection before a backward; a number */
    size_t after_collection[2];  /* after the last, without and with recording; without, the least since */
    size_t forward_limit;        /* what the last forward pass reached, if most of it was not garbage */
    size_t usual_graph;          /* when a graph is complete, garbage collected */
    size_t highest;              /* without recording, since a result was looked at */
    size_t after_pass;           /* when it had been looked at */
    size_t pass_limit;           /* without recording, what the pass before reached */
    size_t full_limit;           /* outside of training, when to collect all generations */
    collection_clock older, all; /* the last collections of older and of all generations before a backward */
} memory = {.growth = GROWTH, .full_limit = FULL_LIMIT};

/* ---- a handle is about to be made ---- */

static void collect_in_pass(void)
{
    collect_young();
    if (in_use_now() > memory.full_limit) {
        collect_older(memory.full_limit);
        const size_t twice = 2 * in_use_now();
        memory.full_limit = twice > FULL_LIMIT ? twice : FULL_LIMIT;
    }
    memory.after_collection[cd_grad_enabled()] = in_use_now();
}

static void collect_if_grown(void)
{
    bool recording = cd_grad_enabled();
    size_t in_use = in_use_now(), *after = &memory.after_collection[recording];
    if (!recording && in_use < *after) {
        *after = in_use;
    }
    if (!recording && in_use > memory.highest) {
        memory.highest = in_use;
    }
    if (in_use > an_eighth_more(*after) + memory.growth &&
        in_use > (recording ? memory.forward_limit : memory.pass_limit)) {
        collect_in_pass();
    }
}

static void collect_if_many(void)
{
    static int64_t least = 0;
    const int64_t alive = cdr_handles_alive();
    if (alive < least) {
        least = alive;
    } else if (alive > least + least / 8 + MANY_HANDLES) {
        collect_young();
        least = cdr_handles_alive();
    }
}

void cdr_collect_before_handle(void)
{
    memory.handles_made++;
    collect_if_many();
    collect_if_grown();
}

/* ---- a result is looked at ---- */

void cdr_collect_after_pass(void)
{
    static size_t least = SIZE_MAX;
    if (cd_grad_enabled() || in_use_now() <= memory.after_pass + WORTH_COLLECTING) {
        return;
    }
    collect_young();
    collect_promoted(&least);
    const size_t after = in_use_now(), limit = an_eighth_more(memory.highest);
    memory.pass_limit = limit < after + MOST_GARBAGE ? limit : after + MOST_GARBAGE;
    memory.highest = memory.after_pass = memory.after_collection[0] = after;
}

/* ---- a graph is complete ---- */

/* Follows what graphs need: down slowly, so that batches of changing size do not look like garbage, and up
 * where nothing in use is garbage. */
static void remember_graph(size_t in_use, bool all_collected)
{
    size_t *usual = &memory.usual_graph;
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
           (memory.handles_made >= FEW_HANDLES || in_use > 2 * memory.after_collection[1]);
}

/* More than usual is left, and there is time or it is urgent. */
static bool pays(const collection_clock *last)
{
    const size_t in_use = in_use_now(), usual = memory.usual_graph;
    return in_use > an_eighth_more(usual) &&
           (in_use > 2 * usual || clock() - last->ended > COLLECTION_PART * last->took);
}

/* Older generations, and all where that does not help. Gives whether it was all. */
static bool collect_graph_garbage(void)
{
    if (pays(&memory.older)) {
        const clock_t start = clock();
        collect_older(SIZE_MAX);
        memory.older = (collection_clock){clock(), clock() - start};
    }
    const bool all = pays(&memory.all);
    if (all) {
        const clock_t start = clock();
        R_gc();
        memory.all = (collection_clock){clock(), clock() - start};
    }
    return all;
}

void cdr_collect_before_backward(void)
{
    const size_t before = in_use_now();
    if (!young_collection_pays(before)) {
        return;
    }
    memory.handles_made = 0;
    collect_young();
    const bool all = collect_graph_garbage();
    const size_t after = in_use_now();
    remember_graph(after, all);
    memory.after_collection[1] = after;
    memory.forward_limit = before - after < after / 2 ? an_eighth_more(before) : 0;
}

/* ---- a batch is read ---- */

/* What transforming the images of a batch leaves behind is young and unreachable once the batch is there: it
 * is collected then, not before, when the collector would take what is still needed for old. The thresholds
 * stay as they were, because a forward pass comes next. */
SEXP cdr_batch_begins(void)
{
    memory.before_batch = in_use_now();
    memory.growth = BATCH_GROWTH;
    return R_NilValue;
}

/* Batches that were there during a collection count as old, and only a full one frees them. */
SEXP cdr_batch_ends(void)
{
    static size_t least = SIZE_MAX;
    memory.growth = GROWTH;
    if (in_use_now() > memory.before_batch + WORTH_COLLECTING) {
        collect_young();
    } else {
        collect_if_grown();
    }
    collect_promoted(&least);
    return R_NilValue;
}
