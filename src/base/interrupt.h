/* Asking whether the user wants to stop, without knowing R: the glue registers how to ask. */
#ifndef CANDELA_BASE_INTERRUPT_H
#define CANDELA_BASE_INTERRUPT_H

#include <stdbool.h>

#include "base/status.h"

/* Seconds of a clock that never goes back, from some moment on; cheap enough to ask between small operators.
 * Windows: processor time. */
double cd_seconds(void);

/* poll returns non-zero when the user pressed Ctrl-C; it must not jump. */
void cd_interrupt_register(int (*poll)(void));

/* CD_EINTERRUPT when the user asked to stop, else CD_OK. Main thread only, outside parallel regions, between
 * operators or images; every object must be in a valid state. */
cd_status cd_interrupt_check(cd_error *err);

/* Between these two, unless is_long is false, the loops of cd_parallel_for and cd_parallel_chunks that this
 * thread begins are cut into pieces, and this thread asks about ten times a second; once the user wants to
 * stop, the pieces that are left are passed over. What they would have written is then undefined: the caller
 * drops it. Only for work whose results nobody reads before cd_stoppable_end() has said CD_OK, and that calls
 * no R function. May be nested. Main thread only. */
bool cd_stoppable_begin(bool is_long); /* gives is_long, for the other */
/* `status` of the work, unless that is CD_OK and the user stopped it: CD_EINTERRUPT. */
cd_status cd_stoppable_end(bool was_long, cd_status status, cd_error *err);

/* CD_EINTERRUPT when the work around was stopped: what has been computed is not to be read. Before something
 * is changed that outlives the work. */
cd_status cd_stoppable_check(cd_error *err);

/* Whether this thread is between them. */
bool cd_stoppable(void);

/* For such loops: whether to pass over the next piece. Asks the user only on the thread that began. */
bool cd_stop_wanted(void);

#endif
