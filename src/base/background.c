#ifndef _WIN32
#define _POSIX_C_SOURCE 200809L /* signals of threads, without OpenMP, too */
#endif
#include "base/background.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#ifdef _WIN32
#include <windows.h>
#else
#include <pthread.h>
#include <signal.h>
#endif

#include "base/interrupt.h"
#include "base/parallel.h"

#ifdef _WIN32
typedef HANDLE native_thread;
#else
typedef pthread_t native_thread;
#endif

struct cd_background {
    int64_t n;
    cd_background_item item;
    void *context;
    atomic_llong next; /* first item nobody has taken */
    atomic_bool *done; /* one per item */
    int threads;       /* started and not yet waited for */
    native_thread thread[CD_MAX_THREADS];
};

cd_status cd_background_new(cd_background **work, int64_t n, cd_background_item item, void *context,
                            cd_error *err)
{
    cd_background *w = calloc(1, sizeof *w);
    atomic_bool *done = malloc((size_t)(n > 0 ? n : 1) * sizeof *done);
    if (w == NULL || done == NULL) {
        free(done);
        free(w);
        return cd_fail(err, CD_EALLOC, "no memory for a list of %lld items.", (long long)n);
    }
    w->n = n;
    w->item = item;
    w->context = context;
    w->done = done;
    atomic_init(&w->next, 0);
    for (int64_t i = 0; i < n; i++) {
        atomic_init(&done[i], false);
    }
    *work = w;
    return CD_OK;
}

/* Works on the next item nobody has taken. False when there is none. */
static bool take_item(cd_background *w)
{
    int64_t i = atomic_fetch_add(&w->next, 1);
    if (i >= w->n) {
        return false;
    }
    if (!atomic_load(&w->done[i])) {
        w->item(w->context, i);
        atomic_store(&w->done[i], true);
    }
    return true;
}

static void take_all(cd_background *w)
{
    while (take_item(w)) {
    }
    cd_threads_busy(-1);
}

/* ---- the system's threads ---- */

#ifdef _WIN32

static DWORD WINAPI thread_main(LPVOID work)
{
    take_all(work);
    return 0;
}

static bool start_native(native_thread *thread, cd_background *w)
{
    *thread = CreateThread(NULL, 0, thread_main, w, 0, NULL);
    return *thread != NULL;
}

static void join_native(native_thread thread)
{
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}

#else

static void *thread_main(void *work)
{
    take_all(work);
    return NULL;
}

/* Signals are for R's own thread: the new one inherits a mask that keeps them all away. */
static bool start_native(native_thread *thread, cd_background *w)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(thread, NULL, thread_main, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

static void join_native(native_thread thread)
{
    pthread_join(thread, NULL);
}

#endif

void cd_background_start(cd_background *w)
{
    for (int i = 1; i < cd_threads() && i < w->n; i++) {
        cd_threads_busy(1);
        if (!start_native(&w->thread[w->threads], w)) {
            cd_threads_busy(-1);
            return;
        }
        w->threads++;
    }
}

/* A forked child starts no threads: any there are belong to its parent. What they had taken at the fork is
 * not done, and will not be by itself. */
static void recover_after_fork(cd_background *w)
{
    if (w->threads > 0 && cd_is_forked()) {
        w->threads = 0;
        atomic_store(&w->next, 0);
    }
}

static void wait_for_threads(cd_background *w)
{
    for (; w->threads > 0; w->threads--) {
        join_native(w->thread[w->threads - 1]);
    }
}

cd_status cd_background_wait(cd_background *w, int64_t i, cd_error *err)
{
    recover_after_fork(w);
    while (!atomic_load(&w->done[i])) {
        CD_TRY(cd_interrupt_check(err));
        if (!take_item(w)) {
            wait_for_threads(w);
        }
    }
    return CD_OK;
}

void cd_background_free(cd_background *w)
{
    if (w == NULL) {
        return;
    }
    recover_after_fork(w);
    atomic_store(&w->next, w->n);
    wait_for_threads(w);
    free(w->done);
    free(w);
}
