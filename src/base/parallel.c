#include "base/parallel.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#endif
#ifndef _WIN32
#include <pthread.h>
#endif

#include "base/interrupt.h"

static int chosen_threads = 0;
static int default_threads_cache = 0;
static int forked = 0;
static atomic_int busy_threads;

static int positive_env(const char *name, int otherwise)
{
    const char *text = getenv(name);
    int value = text != NULL ? atoi(text) : 0;
    return value > 0 ? value : otherwise;
}

static int at_most(int a, int b)
{
    return a < b ? a : b;
}

static int checks_limit_cores(void)
{
    const char *text = getenv("_R_CHECK_LIMIT_CORES_");
    return text != NULL && text[0] != '\0' && strcmp(text, "false") != 0 && strcmp(text, "FALSE") != 0;
}

static int default_threads(void)
{
#ifdef _OPENMP
    int n = at_most(omp_get_num_procs(), omp_get_thread_limit());
    n = at_most(n, positive_env("OMP_NUM_THREADS", n));
    n = at_most(n, positive_env("CANDELA_NUM_THREADS", n));
    if (checks_limit_cores()) {
        n = at_most(n, 2);
    }
    return at_most(n < 1 ? 1 : n, CD_MAX_THREADS);
#else
    (void)positive_env;
    (void)checks_limit_cores;
    return 1;
#endif
}

int cd_threads(void)
{
    if (forked) {
        return 1;
    }
    if (chosen_threads > 0) {
        return chosen_threads;
    }
    if (default_threads_cache == 0) {
        default_threads_cache = default_threads();
    }
    return default_threads_cache;
}

int cd_is_forked(void)
{
    return forked;
}

void cd_threads_busy(int n)
{
    atomic_fetch_add(&busy_threads, n);
}

void cd_set_threads(int n)
{
    default_threads_cache = 0;
    chosen_threads = n > 0 ? at_most(n, CD_MAX_THREADS) : 0;
}

/* libgomp's worker threads do not survive fork(), and a region started in the child would wait for them. */
static void mark_forked_child(void)
{
    forked = 1;
}

void cd_parallel_init(void)
{
#ifndef _WIN32
    static int registered = 0;
    if (!registered) {
        pthread_atfork(NULL, NULL, mark_forked_child);
        registered = 1;
    }
#else
    (void)mark_forked_child;
#endif
}

static int usable_threads(int64_t pieces)
{
#ifdef _OPENMP
    if (omp_in_parallel()) {
        return 1;
    }
    int threads = cd_threads() - atomic_load(&busy_threads);
    return pieces < threads ? (int)pieces : threads;
#else
    (void)pieces;
    return 1;
#endif
}

/* With so many pieces for each thread one that is held up leaves its share to the others; with fewer the
 * pieces go to the same threads each time, which find them in their caches. */
#define PIECES_OF_THREAD 8

/* ---- loops that may be cut short (base/interrupt.h) ---- */

#define PIECES_WHEN_STOPPABLE 256

static void stoppable_pieces(int64_t n, int64_t pieces, int threads, cd_parallel_body body, void *context)
{
    (void)threads;
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1) if (threads > 1)
#endif
    for (int64_t i = 0; i < pieces; i++) {
        if (!cd_stop_wanted()) {
            const int64_t begin = n / pieces * i + n % pieces * i / pieces;
            const int64_t end = n / pieces * (i + 1) + n % pieces * (i + 1) / pieces;
#ifdef _OPENMP
            body(context, begin, end, omp_get_thread_num());
#else
            body(context, begin, end, 0);
#endif
        }
    }
}

static void stoppable_chunks(int64_t n, int64_t chunk, int threads, cd_parallel_body body, void *context)
{
    const int64_t chunks = (n + chunk - 1) / chunk;
    (void)threads;
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1) if (threads > 1)
#endif
    for (int64_t i = 0; i < chunks; i++) {
        const int64_t end = (i + 1) * chunk;
        if (!cd_stop_wanted()) {
#ifdef _OPENMP
            body(context, i * chunk, end < n ? end : n, omp_get_thread_num());
#else
            body(context, i * chunk, end < n ? end : n, 0);
#endif
        }
    }
}

void cd_parallel_for(int64_t n, int64_t grain, cd_parallel_body body, void *context)
{
    if (n <= 0) {
        return;
    }
    int64_t most = grain > 0 ? (n + grain - 1) / grain : n;
    int threads = usable_threads(most);
    if (cd_stoppable() && most > 1) {
        stoppable_pieces(n, most < PIECES_WHEN_STOPPABLE ? most : PIECES_WHEN_STOPPABLE,
                         threads < 1 ? 1 : threads, body, context);
        return;
    }
    if (threads <= 1) {
        body(context, 0, n, 0);
        return;
    }
#ifdef _OPENMP
    if (most >= PIECES_OF_THREAD * threads) {
        int64_t pieces = PIECES_OF_THREAD * threads;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
        for (int64_t i = 0; i < pieces; i++) {
            body(context, n * i / pieces, n * (i + 1) / pieces, omp_get_thread_num());
        }
        return;
    }
#pragma omp parallel num_threads(threads)
    {
        int64_t count = omp_get_num_threads();
        int64_t i = omp_get_thread_num();
        int64_t begin = n * i / count;
        int64_t end = n * (i + 1) / count;
        if (begin < end) {
            body(context, begin, end, (int)i);
        }
    }
#endif
}

void cd_parallel_chunks(int64_t n, int64_t chunk, cd_parallel_body body, void *context)
{
    int64_t chunks = n > 0 ? (n + chunk - 1) / chunk : 0;
    int threads = usable_threads(chunks);
    if (cd_stoppable()) {
        stoppable_chunks(n, chunk, threads < 1 ? 1 : threads, body, context);
        return;
    }
    if (threads <= 1) {
        for (int64_t i = 0; i < chunks; i++) {
            int64_t end = (i + 1) * chunk;
            body(context, i * chunk, end < n ? end : n, 0);
        }
        return;
    }
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (int64_t i = 0; i < chunks; i++) {
        int64_t end = (i + 1) * chunk;
        body(context, i * chunk, end < n ? end : n, omp_get_thread_num());
    }
#endif
}
