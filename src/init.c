#include <R_ext/Rdynload.h>
#include <R_ext/Utils.h>
#include <R_ext/Visibility.h>

#include "autograd/table.h"
#include "base/interrupt.h"
#include "base/library.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/random.h"
#include "r/glue.h"
#include "r/pixels.h"
#include "r/registry.h"
#include "r/saved.h"

#define CDR_ENTRY(name, n) {#name, (DL_FUNC)(void (*)(void))name, n},
static const R_CallMethodDef entries[] = {
#include "r/registry.def"
    {NULL, NULL, 0},
};
#undef CDR_ENTRY

void attribute_visible R_init_candela(DllInfo *dll)
{
    R_registerRoutines(dll, NULL, entries, NULL, NULL);
    R_useDynamicSymbols(dll, FALSE);
    R_forceSymbols(dll, TRUE);
    cd_library_pin();
    cd_parallel_init();
    cd_random_init();
    cd_table_install();
    cdr_pixels_init(dll);
    cdr_saved_init(dll);
    cd_interrupt_register(cdr_interrupt_pending);
}

void attribute_visible R_unload_candela(DllInfo *dll)
{
    (void)dll;
    cd_memory_trim();
}
