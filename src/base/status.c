#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

cd_status cd_fail(cd_error *err, cd_status code, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
        err->code = code;
    }
    return code;
}

const char *cd_status_name(cd_status code)
{
    static const char *const names[] = {
        [CD_OK] = "ok",
        [CD_ESHAPE] = "shape",
        [CD_EDTYPE] = "dtype",
        [CD_EVALUE] = "value",
        [CD_EINDEX] = "index",
        [CD_EALLOC] = "memory",
        [CD_EFORMAT] = "format",
        [CD_EIO] = "io",
        [CD_EINTERRUPT] = "interrupt",
        [CD_EAUTOGRAD] = "autograd",
        [CD_EINTERNAL] = "internal",
    };
    return names[code];
}
