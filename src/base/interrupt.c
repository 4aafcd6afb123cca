#ifndef _WIN32
#define _POSIX_C_SOURCE 199309L /* clock_gettime */
#endif
#include "base/interrupt.h"

#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

static int (*registered_poll)(void) = NULL;

double cd_seconds(void)
{
#ifdef _WIN32
    return (double)clock() / CLOCKS_PER_SEC;
#else
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
#endif
}

void cd_interrupt_register(int (*poll)(void))
{
    registered_poll = poll;
}

cd_status cd_interrupt_check(cd_error *err)
{
    if (registered_poll != NULL && registered_poll()) {
        return cd_fail(err, CD_EINTERRUPT, "interrupted by the user.");
    }
    return CD_OK;
}

/* ---- loops that may be cut short ---- */

#define SECONDS_BETWEEN 0.1

static _Thread_local int depth = 0;
static atomic_bool stopped;
static double last_asked = 0;

bool cd_stoppable_begin(bool is_long)
{
    if (is_long && depth++ == 0) {
        last_asked = cd_seconds();
    }
    return is_long;
}

bool cd_stoppable(void)
{
    return depth > 0;
}

bool cd_stop_wanted(void)
{
    if (depth > 0 && !atomic_load(&stopped)) {
        const double now = cd_seconds();
        if (now - last_asked > SECONDS_BETWEEN) {
            last_asked = now;
            atomic_store(&stopped, registered_poll != NULL && registered_poll() != 0);
        }
    }
    return atomic_load(&stopped);
}

cd_status cd_stoppable_check(cd_error *err)
{
    return depth > 0 && atomic_load(&stopped) ? cd_fail(err, CD_EINTERRUPT, "interrupted by the user.")
                                              : CD_OK;
}

cd_status cd_stoppable_end(bool was_long, cd_status status, cd_error *err)
{
    if (status == CD_OK) {
        status = cd_stoppable_check(err);
    }
    depth -= was_long;
    if (depth == 0) {
        atomic_store(&stopped, false);
    }
    return status;
}
