/* Independent items that other threads work on while the caller uses those that are done already.
 *
 *     cd_background_new(&work, n, item, context, err);
 *     cd_background_start(work);           the other threads begin
 *     cd_background_wait(work, i, err);    now item i is done
 *     ...                                  anything, parallel regions too
 *     cd_background_free(work);
 *
 * Everybody takes the next item nobody has taken, the caller too while it waits. The threads count among
 * cd_threads(): until they have ended, parallel regions have as many less. All functions here are called on
 * the main thread. In a child of fork() the threads are missing; the child works on what they left.
 */
#ifndef CANDELA_BASE_BACKGROUND_H
#define CANDELA_BASE_BACKGROUND_H

#include <stdint.h>

#include "base/status.h"

/* Works on item i: writes memory of its own, calls no R function, allocates nothing from the pool. */
typedef void (*cd_background_item)(void *context, int64_t i);

typedef struct cd_background cd_background;

/* context is borrowed until cd_background_free. Errors: CD_EALLOC. */
cd_status cd_background_new(cd_background **work, int64_t n, cd_background_item item, void *context,
                            cd_error *err);

/* Starts cd_threads() - 1 threads, or none where none can be had; then the items wait for the caller. */
void cd_background_start(cd_background *work);

/* Returns when item i is done. Errors: CD_EINTERRUPT when the user asked to stop. */
cd_status cd_background_wait(cd_background *work, int64_t i, cd_error *err);

/* Waits for items begun, drops the others. NULL is allowed. */
void cd_background_free(cd_background *work);

#endif
