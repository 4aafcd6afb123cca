#include "base/interrupt.h"

#include <stddef.h>

static int (*registered_poll)(void) = NULL;

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
