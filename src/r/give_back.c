#include "r/give_back.h"

#include <stdbool.h>

#include "base/aside.h"
#include "base/memory.h"
#include "r/condition.h"
#include "r/held.h"
#include "r/release.h"

static SEXP question = NULL; /* preserved */

/* Whether the function that called us is gc() with full = TRUE. R runs finalizers within the call. */
static bool is_users_collection(void)
{
    int failed = 0; /* also when the stack is full */
    SEXP answer = R_tryEvalSilent(question, R_BaseEnv, &failed);
    return !failed && TYPEOF(answer) == LGLSXP && LOGICAL(answer)[0] == TRUE;
}

static double newest = 0;   /* number of the last watcher: older ones are without effect */
static bool unsure = false; /* the last one was made in a finalizer */

static void watch(void);

/* The tensors which the collection found have been freed by then: their anchors go while it is under way
 * (r/release.h). */
static void collected(SEXP watcher)
{
    if (REAL_RO(R_ExternalPtrProtected(watcher))[0] != newest) {
        return;
    }
    watch();
    unsure = true;
    cdr_release_functions();
    if (is_users_collection()) {
        cdr_handles_trim();
        cd_aside_clear();
        cd_memory_give_back();
    }
}

/* An object that nothing refers to: each collection finds it, and a new one is made for the next. */
static void watch(void)
{
    SEXP number = PROTECT(Rf_ScalarReal(++newest));
    SEXP watcher = PROTECT(R_MakeExternalPtr(&question, R_NilValue, number));
    R_RegisterCFinalizerEx(watcher, collected, FALSE);
    UNPROTECT(2);
}

/* R goes through its list of finalizers while it runs them, and may lose one that a finalizer has registered,
 * where another one runs behind it. */
void cdr_give_back_resume(void)
{
    if (unsure) {
        unsure = false;
        watch();
    }
}

void cdr_give_back_init(void)
{
    question = cdr_engine_call("called_by_gc");
    R_PreserveObject(question);
    watch();
}
