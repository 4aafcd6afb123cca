/* The whole threading interface: a range of independent items, split over threads.
 *
 * parallel.c is the only file that knows OpenMP. Bodies must write disjoint memory for disjoint ranges, so
 * that a result does not depend on the number of threads; a reduction uses chunks of fixed size and adds the
 * partial sums in index order. Bodies call no R function and allocate nothing from the pool.
 */
#ifndef CANDELA_BASE_PARALLEL_H
#define CANDELA_BASE_PARALLEL_H

#include <stdint.h>

/* Works on items begin <= i < end; thread is 0 .. cd_threads() - 1, for per-thread scratch. */
typedef void (*cd_parallel_body)(void *context, int64_t begin, int64_t end, int thread);

/* Calls body on pieces of [0, n) of at least grain items (the last may be smaller), on up to cd_threads()
 * threads, each piece contiguous. With one thread, n <= grain, inside another parallel region, or in a forked
 * child, it is one plain call body(context, 0, n, 0). */
void cd_parallel_for(int64_t n, int64_t grain, cd_parallel_body body, void *context);

/* As cd_parallel_for, but threads take chunks of exactly `chunk` items one after the other, for work of
 * uneven cost. The body is called once for every chunk (begin is a multiple of chunk). */
void cd_parallel_chunks(int64_t n, int64_t chunk, cd_parallel_body body, void *context);

/* Threads in use: what was set, else the default: the number of processors, capped by OMP_NUM_THREADS,
 * OMP_THREAD_LIMIT, CANDELA_NUM_THREADS, and by 2 where _R_CHECK_LIMIT_CORES_ is set. Always 1 in a forked
 * child. */
int cd_threads(void);

/* n >= 1 sets the number (capped by CD_MAX_THREADS), n = 0 returns to the default. */
void cd_set_threads(int n);

#define CD_MAX_THREADS 128

/* Whether this process is a child of fork(): other threads than the caller's are missing. */
int cd_is_forked(void);

/* n threads more (less, where negative) are busy elsewhere (base/background.h): parallel regions do without
 * them. May be called on any thread. */
void cd_threads_busy(int n);

/* Registers the fork handler; call once when the library is loaded. */
void cd_parallel_init(void);

#endif
