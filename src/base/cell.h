/* Cells: small records of the engine (variables, tensors, storages, nodes), zeroed.
 *
 * Every call of an operator makes and drops a handful of them. What is dropped is kept, by size, and handed
 * out again, the latest first, while it is still in the cache. Main thread only.
 *
 * Compiled with an address sanitizer, or with CD_PLAIN_CELLS defined, each cell is calloc's and free's, so
 * that tools see what is used after it was freed.
 */
#ifndef CANDELA_BASE_CELL_H
#define CANDELA_BASE_CELL_H

#include <stddef.h>

/* A zeroed cell of `size` bytes, which may be large (then nothing is kept), owned by the caller until
 * cd_cell_free; NULL where there is no memory. */
void *cd_cell_new(size_t size);

/* Gives back a cell of the size it was made with; NULL is allowed. */
void cd_cell_free(void *cell, size_t size);

/* Gives the cells that wait back to the system. */
void cd_cell_trim(void);

#endif
