#ifndef _WIN32
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#endif
#include "base/aside.h"

#include <stdbool.h>
#include <stdlib.h>

#ifdef _WIN32
#include <windows.h>
#else
#include <pthread.h>
#include <signal.h>
#include <time.h>
#endif

#include "base/interrupt.h"
#include "base/parallel.h"

#define MILLISECONDS_BETWEEN 50

/* Work under way; what was left to itself is on a list. */
typedef struct job {
    cd_aside work;
    struct job *next;
#ifdef _WIN32
    HANDLE thread;
#else
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ended;
#endif
} job;

static job *left = NULL;

#ifdef _WIN32

static DWORD WINAPI thread_main(LPVOID context)
{
    job *j = context;
    j->work.run(j->work.context);
    return 0;
}

static bool start(job *j)
{
    j->thread = CreateThread(NULL, 0, thread_main, j, 0, NULL);
    return j->thread != NULL;
}

static bool has_ended(job *j, int milliseconds)
{
    return WaitForSingleObject(j->thread, (DWORD)milliseconds) == WAIT_OBJECT_0;
}

static void finish(job *j)
{
    CloseHandle(j->thread);
}

#else

static void *thread_main(void *context)
{
    job *j = context;
    j->work.run(j->work.context);
    pthread_mutex_lock(&j->lock);
    j->ended = true;
    pthread_cond_signal(&j->changed);
    pthread_mutex_unlock(&j->lock);
    return NULL;
}

/* Signals are for R's own thread: the new one inherits a mask that keeps them all away. */
static bool start(job *j)
{
    sigset_t all, before;
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->changed, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool started = pthread_create(&j->thread, NULL, thread_main, j) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

static bool has_ended(job *j, int milliseconds)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)milliseconds * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&j->lock);
    if (!j->ended && milliseconds > 0) {
        pthread_cond_timedwait(&j->changed, &j->lock, &until);
    }
    const bool ended = j->ended;
    pthread_mutex_unlock(&j->lock);
    return ended;
}

static void finish(job *j)
{
    pthread_join(j->thread, NULL);
    pthread_cond_destroy(&j->changed);
    pthread_mutex_destroy(&j->lock);
}

#endif

void cd_aside_clear(void)
{
    for (job **at = &left; *at != NULL && !cd_is_forked();) {
        job *j = *at;
        if (!has_ended(j, 0)) {
            at = &j->next;
            continue;
        }
        *at = j->next;
        finish(j);
        j->work.clear(j->work.context);
        free(j);
    }
}

static cd_status wait_for(job *j, cd_error *err)
{
    while (!has_ended(j, MILLISECONDS_BETWEEN)) {
        CD_TRY(cd_interrupt_check(err));
    }
    return CD_OK;
}

cd_status cd_aside_run(const cd_aside *work, cd_error *err)
{
    cd_aside_clear();
    job *j = cd_is_forked() ? NULL : calloc(1, sizeof *j);
    if (j != NULL) {
        j->work = *work;
    }
    if (j == NULL || !start(j)) {
        free(j);
        work->run(work->context);
        return CD_OK;
    }
    const cd_status status = wait_for(j, err);
    if (status == CD_OK) {
        finish(j);
        free(j);
        return CD_OK;
    }
    j->next = left;
    left = j;
    return status;
}
