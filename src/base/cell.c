#include "base/cell.h"

#include <stdlib.h>
#include <string.h>

#include "base/plain.h"

#ifdef CD_PLAIN_MEMORY

void *cd_cell_new(size_t size)
{
    return calloc(1, size);
}

void cd_cell_free(void *cell, size_t size)
{
    (void)size;
    free(cell);
}

void cd_cell_trim(void)
{
}

#else

#define STEP ((size_t)16)
#define LARGEST ((size_t)512)

typedef struct waiting {
    struct waiting *next;
} waiting;

static waiting *lists[LARGEST / STEP + 1];

static size_t steps_of(size_t size)
{
    return (size + STEP - 1) / STEP;
}

void *cd_cell_new(size_t size)
{
    if (size > LARGEST || lists[steps_of(size)] == NULL) {
        return calloc(steps_of(size), STEP);
    }
    waiting **list = &lists[steps_of(size)];
    waiting *cell = *list;
    *list = cell->next;
    return memset(cell, 0, size);
}

void cd_cell_free(void *cell, size_t size)
{
    if (size > LARGEST || cell == NULL) {
        free(cell);
        return;
    }
    waiting **list = &lists[steps_of(size)];
    waiting *freed = cell;
    freed->next = *list;
    *list = freed;
}

void cd_cell_trim(void)
{
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        while (lists[i] != NULL) {
            waiting *cell = lists[i];
            lists[i] = cell->next;
            free(cell);
        }
    }
}

#endif
