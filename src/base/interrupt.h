/* Asking whether the user wants to stop, without knowing R: the glue registers how to ask. */
#ifndef CANDELA_BASE_INTERRUPT_H
#define CANDELA_BASE_INTERRUPT_H

#include "base/status.h"

/* poll returns non-zero when the user pressed Ctrl-C; it must not jump. */
void cd_interrupt_register(int (*poll)(void));

/* CD_EINTERRUPT when the user asked to stop, else CD_OK. Main thread only, outside parallel regions, between
 * operators or images; every object must be in a valid state. */
cd_status cd_interrupt_check(cd_error *err);

#endif
