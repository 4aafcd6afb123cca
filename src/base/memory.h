/* Memory of the engine: aligned blocks from a size-keyed pool, with byte counters.
 *
 * A training step asks for the same sizes every time, so what is freed is kept and handed out again, and the
 * second step causes no page faults. Small blocks (under a megabyte) wait on lists by size, an eighth of a
 * doubling apart; large ones are cut from slabs and joined again. The pool is used from the main thread only;
 * worker threads get their scratch from the caller.
 */
#ifndef CANDELA_BASE_MEMORY_H
#define CANDELA_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Every block starts on such a boundary (bytes): a cache line, and the widest vector register. */
#define CD_ALIGNMENT 64

/* Sets *block to at least nbytes bytes, uninitialised, owned by the caller until cd_memory_free.
 * nbytes = 0 gives a valid block. Errors: CD_EALLOC, with the size asked for and the bytes in use. */
cd_status cd_memory_alloc(void **block, size_t nbytes, cd_error *err);

/* Gives a block back; NULL is allowed. */
void cd_memory_free(void *block);

/* Gives the pool's unused blocks back to the system. */
void cd_memory_trim(void);

/* a * b * c in *bytes, or CD_EALLOC when it overflows. */
cd_status cd_memory_size(size_t *bytes, size_t a, size_t b, size_t c, cd_error *err);

/* A block of a * b * c floats, as cd_memory_alloc. */
cd_status cd_memory_floats(float **block, int64_t a, int64_t b, int64_t c, cd_error *err);

typedef struct cd_memory_counters {
    size_t in_use; /* bytes of blocks handed out */
    size_t cached; /* bytes of blocks waiting in the pool */
    size_t peak;   /* largest in_use so far */
} cd_memory_counters;

cd_memory_counters cd_memory_count(void);
void cd_memory_reset_peak(void);

/* Gives as much of the pool's cache back to the system as leaves the process with a fifth more than what is
 * in use, and 24 MB. */
void cd_memory_give_back(void);

/* Upper bound (bytes) of in_use; 0 means none. Beyond it cd_memory_alloc fails with CD_EALLOC. */
void cd_memory_set_limit(size_t nbytes);

#endif
