#include "r/held.h"

#include <stdlib.h>

typedef struct held {
    SEXP function;
    struct held *next; /* of those that have been let go */
} held;

static held *gone = NULL;

void *cdr_hold(SEXP function)
{
    cdr_release_functions();
    R_PreserveObject(function); /* may jump, so that it comes first */
    held *h = malloc(sizeof *h);
    if (h == NULL) {
        R_ReleaseObject(function);
        return NULL;
    }
    *h = (held){function, NULL};
    return h;
}

SEXP cdr_held_function(const void *h)
{
    return ((const held *)h)->function;
}

void cdr_release_function(void *function)
{
    held *h = function;
    h->next = gone;
    gone = h;
}

void cdr_release_functions(void)
{
    while (gone != NULL) {
        held *h = gone;
        gone = h->next;
        R_ReleaseObject(h->function);
        free(h);
    }
}
