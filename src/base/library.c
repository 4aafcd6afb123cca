/* dladdr() is no part of C nor of older POSIX. */
#if !defined(_WIN32) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

#include "base/library.h"

/* Any object of the library tells where it lies. */
static const char here = 0;

#ifdef _WIN32

#include <windows.h>

void cd_library_pin(void)
{
    HMODULE own;
    GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN, &here, &own);
}

#else

#include <dlfcn.h>
#include <stddef.h>

void cd_library_pin(void)
{
#ifdef RTLD_NODELETE
    Dl_info own;
    if (dladdr(&here, &own) != 0 && own.dli_fname != NULL) {
        dlopen(own.dli_fname, RTLD_NOW | RTLD_NODELETE);
    }
#endif
}

#endif
