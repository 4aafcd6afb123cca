/* Work that cannot be asked to stop, such as LAPACK's, on a thread of its own: when the user wants to stop it
 * is left to itself, and what it writes to is freed once it has ended.
 */
#ifndef CANDELA_BASE_ASIDE_H
#define CANDELA_BASE_ASIDE_H

#include "base/status.h"

/* run(context) calls no R function and allocates nothing from the pool. clear(context) frees the context and
 * all that belongs to it, on the main thread. */
typedef struct cd_aside {
    void (*run)(void *context);
    void (*clear)(void *context);
    void *context;
} cd_aside;

/* Runs the work to its end. Where no thread can be had, on this one. Main thread only.
 * Errors: CD_EINTERRUPT when the user asked to stop; the context is then no longer the caller's. */
cd_status cd_aside_run(const cd_aside *work, cd_error *err);

/* Frees what was left to itself and has ended. In a child of fork() the threads are missing, and what they
 * worked on stays. cd_aside_run() does this, too. */
void cd_aside_clear(void);

#endif
