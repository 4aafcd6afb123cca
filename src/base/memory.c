#include "base/memory.h"

#include <stdlib.h>

/* What stands before each block. Padded to CD_ALIGNMENT so that the block behind it is aligned. */
typedef struct header {
    struct header *next; /* in the pool */
    void *base;          /* what malloc returned */
    size_t capacity;     /* bytes behind the header */
    int size_class;
} header;

#define HEADER_BYTES CD_ALIGNMENT
#define STEPS_PER_DOUBLING 8
#define SMALLEST_CLASS 64
#define CLASS_COUNT (STEPS_PER_DOUBLING * 58)

typedef char header_fits[(sizeof(header) <= HEADER_BYTES) ? 1 : -1];

static struct {
    header *free_list[CLASS_COUNT];
    cd_memory_counters count;
    size_t limit;
} pool;

/* The smallest class that holds nbytes, and its capacity: 64 * 2^(k/8 rounded to eighths of a doubling). */
static int class_of(size_t nbytes, size_t *capacity)
{
    size_t doubling = SMALLEST_CLASS;
    int index = 0;
    if (nbytes <= SMALLEST_CLASS) {
        *capacity = SMALLEST_CLASS;
        return 0;
    }
    while (doubling * 2 < nbytes) {
        doubling *= 2;
        index += STEPS_PER_DOUBLING;
    }
    size_t step = doubling / STEPS_PER_DOUBLING;
    size_t steps = (nbytes - doubling + step - 1) / step;
    *capacity = doubling + steps * step;
    return index + (int)steps;
}

static header *header_of(void *block)
{
    return (header *)((char *)block - HEADER_BYTES);
}

static void *block_of(header *h)
{
    return (char *)h + HEADER_BYTES;
}

static header *from_system(size_t capacity, int size_class)
{
    void *base = malloc(capacity + HEADER_BYTES + CD_ALIGNMENT);
    if (base == NULL) {
        return NULL;
    }
    uintptr_t aligned = ((uintptr_t)base + CD_ALIGNMENT - 1) & ~(uintptr_t)(CD_ALIGNMENT - 1);
    header *h = (header *)aligned;
    h->base = base;
    h->capacity = capacity;
    h->size_class = size_class;
    return h;
}

static int over_limit(size_t capacity)
{
    return pool.limit != 0 && pool.count.in_use + pool.count.cached + capacity > pool.limit;
}

static header *from_system_after_trim(size_t capacity, int size_class)
{
    if (!over_limit(capacity)) {
        header *h = from_system(capacity, size_class);
        if (h != NULL) {
            return h;
        }
    }
    cd_memory_trim();
    return over_limit(capacity) ? NULL : from_system(capacity, size_class);
}

static header *from_list(int size_class)
{
    header *h = pool.free_list[size_class];
    if (h != NULL) {
        pool.free_list[size_class] = h->next;
        pool.count.cached -= h->capacity;
    }
    return h;
}

/* A large block may serve a request up to half its size smaller: better than touching new pages while old
 * ones wait. Small blocks are always taken from their own class. */
#define LARGE_CLASS (STEPS_PER_DOUBLING * 14) /* 64 * 2^14 bytes: one megabyte */
#define CLASSES_ABOVE 4

static header *from_pool(int size_class)
{
    int last = size_class >= LARGE_CLASS ? size_class + CLASSES_ABOVE : size_class;
    header *h = NULL;
    for (int i = size_class; h == NULL && i <= last && i < CLASS_COUNT; i++) {
        h = from_list(i);
    }
    return h;
}

static cd_status out_of_memory(size_t nbytes, cd_error *err)
{
    return cd_fail(err, CD_EALLOC,
                   "cannot allocate %.1f MB: %.1f MB are in use by tensors. "
                   "Use a smaller batch or image size, or remove tensors and call gc().",
                   (double)nbytes / 1e6, (double)pool.count.in_use / 1e6);
}

cd_status cd_memory_alloc(void **block, size_t nbytes, cd_error *err)
{
    size_t capacity;
    *block = NULL;
    if (nbytes > (size_t)PTRDIFF_MAX / 2) {
        return out_of_memory(nbytes, err);
    }
    int size_class = class_of(nbytes, &capacity);
    header *h = from_pool(size_class);
    if (h == NULL) {
        h = from_system_after_trim(capacity, size_class);
    }
    if (h == NULL) {
        return out_of_memory(nbytes, err);
    }
    pool.count.in_use += h->capacity;
    pool.count.allocated += h->capacity;
    if (pool.count.in_use > pool.count.peak) {
        pool.count.peak = pool.count.in_use;
    }
    *block = block_of(h);
    return CD_OK;
}

void cd_memory_free(void *block)
{
    if (block == NULL) {
        return;
    }
    header *h = header_of(block);
    pool.count.in_use -= h->capacity;
    pool.count.cached += h->capacity;
    h->next = pool.free_list[h->size_class];
    pool.free_list[h->size_class] = h;
}

void cd_memory_trim(void)
{
    for (int i = 0; i < CLASS_COUNT; i++) {
        header *h;
        while ((h = from_list(i)) != NULL) {
            free(h->base);
        }
    }
}

cd_status cd_memory_size(size_t *bytes, size_t a, size_t b, size_t c, cd_error *err)
{
    size_t ab = a * b;
    if ((a != 0 && ab / a != b) || (c != 0 && ab > SIZE_MAX / c)) {
        return cd_fail(err, CD_EALLOC, "a tensor of %.3g bytes is larger than this machine can address.",
                       (double)a * (double)b * (double)c);
    }
    *bytes = ab * c;
    return CD_OK;
}

cd_memory_counters cd_memory_count(void)
{
    return pool.count;
}

void cd_memory_reset_peak(void)
{
    pool.count.peak = pool.count.in_use;
}

void cd_memory_reset_pressure(void)
{
    pool.count.allocated = 0;
}

void cd_memory_set_limit(size_t nbytes)
{
    pool.limit = nbytes;
}
