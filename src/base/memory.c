#include "base/plain.h"
#ifdef CD_PLAIN_MEMORY
#define _POSIX_C_SOURCE 200112L /* posix_memalign */
#endif
#include "base/memory.h"

#include <stdbool.h>
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "base/cell.h"
#include "base/pages.h"

/* What stands before each block, padded to CD_ALIGNMENT so that the block behind it is aligned.
 *
 * A small block belongs to a size class and waits on the list of its class when free. A large block is a span
 * of a slab: spans of a slab follow each other without gaps, a free one is split to fit and joined with free
 * neighbours, so that a training step whose tensors have forty different sizes needs little more memory than
 * its peak. One slab of addresses is as large as the machine's memory where addresses are free
 * (base/pages.h). */
typedef struct header {
    size_t capacity;     /* bytes behind the header */
    size_t fresh;        /* of these, bytes at the end that were never handed out: they cost no memory yet */
    struct header *next; /* on a list of free blocks */
    struct header *below, *above; /* neighbours in the slab, NULL at its ends */
    void *base;     /* what malloc returned, for a small block; the cd_pages, for a slab's first span */
    int size_class; /* SPAN for a large block */
    bool is_free;
} header;

#define HEADER_BYTES ((sizeof(header) + CD_ALIGNMENT - 1) / CD_ALIGNMENT * CD_ALIGNMENT)
#define SPAN (-1)
#define STEPS_PER_DOUBLING 8
#define SMALLEST_CLASS 64
#define CLASS_COUNT (STEPS_PER_DOUBLING * 16)

/* From here on blocks are spans. Their sizes are whole pages; what is left of a span is kept as one of its
 * own if it is large enough to be useful. */
#define LARGE ((size_t)1 << 20)
#define PAGE ((size_t)4096)
#define LARGE_PAGE ((size_t)2 << 20)
#define SMALLEST_REST ((size_t)1 << 18)
/* Free spans may hold memory up to this part of what was in use at most, or so much; what is beyond goes back
 * to the system before fresh memory is touched. */
#define SPARE_PART 2
#define SPARE_LEAST ((size_t)128 << 20)

#ifdef CD_PLAIN_MEMORY
static const bool pooled = false;
#else
static const bool pooled = true;
#endif

static struct {
    header *small_list[CLASS_COUNT];
    header *spans; /* free ones */
    cd_memory_counters count;
    size_t highest; /* in_use ever */
    size_t limit;
} pool;

static header *header_of(void *block)
{
    return (header *)((char *)block - HEADER_BYTES);
}

static char *block_of(header *h)
{
    return (char *)h + HEADER_BYTES;
}

static header *first_header(void *base)
{
    header *h = (header *)(((uintptr_t)base + CD_ALIGNMENT - 1) & ~(uintptr_t)(CD_ALIGNMENT - 1));
    *h = (header){.base = base};
    return h;
}

/* ---- small blocks ---- */

/* The smallest class that holds nbytes, and its capacity: eighths of a doubling above 64 bytes. */
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

static header *block_of_malloc(size_t capacity, int size_class)
{
#ifdef CD_PLAIN_MEMORY
    void *base = NULL; /* ends where the block does */
    if (posix_memalign(&base, CD_ALIGNMENT, HEADER_BYTES + capacity) != 0) {
        return NULL;
    }
#else
    void *base = malloc(capacity + HEADER_BYTES + CD_ALIGNMENT);
    if (base == NULL) {
        return NULL;
    }
#endif
    header *h = first_header(base);
    h->capacity = capacity;
    h->size_class = size_class;
    return h;
}

static header *small_block(size_t nbytes)
{
    size_t capacity;
    int size_class = class_of(nbytes, &capacity);
    header *h = pool.small_list[size_class];
    if (h == NULL) {
        return block_of_malloc(capacity, size_class);
    }
    pool.small_list[size_class] = h->next;
    pool.count.cached -= h->capacity;
    return h;
}

static void free_small(header *h)
{
    h->next = pool.small_list[h->size_class];
    pool.small_list[h->size_class] = h;
    pool.count.cached += h->capacity;
}

/* ---- large blocks ---- */

static size_t touched(const header *h)
{
    return h->capacity - h->fresh;
}

static void put_on_list(header *h)
{
    h->is_free = true;
    h->next = pool.spans;
    pool.spans = h;
    pool.count.cached += touched(h);
}

static void take_off_list(header *h)
{
    header **at = &pool.spans;
    while (*at != h) {
        at = &(*at)->next;
    }
    *at = h->next;
    h->is_free = false;
    pool.count.cached -= touched(h);
}

/* The range's own description stands at its start. */
static header *new_slab(size_t need)
{
    const size_t before = sizeof(cd_pages) + CD_ALIGNMENT + HEADER_BYTES;
    const cd_pages pages = cd_pages_reserve(need + before);
    if (pages.start == NULL) {
        return NULL;
    }
    cd_pages *own = pages.start;
    *own = pages;
    header *h = first_header(own + 1);
    h->base = own;
    h->size_class = SPAN;
    h->capacity = h->fresh = pages.size - before;
    put_on_list(h);
    return h;
}

static header *best_fit(size_t need)
{
    header *best = NULL;
    for (header *h = pool.spans; h != NULL; h = h->next) {
        if (h->capacity >= need && (best == NULL || h->capacity < best->capacity)) {
            best = h;
        }
    }
    return best;
}

/* Cuts what is behind `need` bytes off h, as a free span. */
static void split(header *h, size_t need)
{
    if (h->capacity < need + HEADER_BYTES + SMALLEST_REST) {
        return;
    }
    header *rest = (header *)(block_of(h) + need);
    size_t capacity = h->capacity - need - HEADER_BYTES;
    *rest = (header){.capacity = capacity, .size_class = SPAN, .below = h, .above = h->above};
    rest->fresh = h->fresh < capacity ? h->fresh : capacity;
    if (rest->above != NULL) {
        rest->above->below = rest;
    }
    h->above = rest;
    h->capacity = need;
    put_on_list(rest);
}

static header *largest_touched(void)
{
    header *largest = NULL;
    for (header *h = pool.spans; h != NULL; h = h->next) {
        if (touched(h) > 0 && (largest == NULL || touched(h) > touched(largest))) {
            largest = h;
        }
    }
    return largest;
}

/* Gives memory of free spans back to the system, the ends of the largest first, until at most `bytes` of it
 * are left: no more than that, as touching memory for the first time is dear. */
static void forget_spans(size_t bytes)
{
    for (header *h = largest_touched(); h != NULL && pool.count.cached > bytes; h = largest_touched()) {
        const size_t wanted = (pool.count.cached - bytes + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
        const size_t amount = wanted < touched(h) ? wanted : touched(h);
        if (!cd_pages_forget(block_of(h) + touched(h) - amount, amount)) {
            return;
        }
        pool.count.cached -= amount;
        h->fresh += amount;
    }
}

/* What is free is in pieces too small for h, which is about to be handed out and
 * touched for the first time. */
static void make_room_for(const header *h)
{
    const size_t part = pool.highest / SPARE_PART;
    const size_t most = pool.highest + (part > SPARE_LEAST ? part : SPARE_LEAST),
                 needed = pool.count.in_use + h->capacity;
    if (h->fresh > 0 && needed + pool.count.cached > most) {
        forget_spans(most > needed ? most - needed : 0);
    }
}

static header *large_block(size_t nbytes)
{
    size_t need = (nbytes + PAGE - 1) / PAGE * PAGE;
    header *h = best_fit(need);
    if (h == NULL) {
        h = new_slab(need);
    }
    if (h == NULL) {
        return NULL;
    }
    take_off_list(h);
    split(h, need);
    make_room_for(h);
    h->fresh = 0;
    return h;
}

/* Joins h with the span above it; both are free and off the list. */
static void join(header *h, header *above)
{
    h->capacity += HEADER_BYTES + above->capacity;
    h->fresh = above->fresh;
    h->above = above->above;
    if (h->above != NULL) {
        h->above->below = h;
    }
}

static void free_large(header *h)
{
    if (h->above != NULL && h->above->is_free) {
        take_off_list(h->above);
        join(h, h->above);
    }
    if (h->below != NULL && h->below->is_free) {
        header *below = h->below;
        take_off_list(below);
        join(below, h);
        h = below;
    }
    put_on_list(h);
}

/* ---- the interface ---- */

static cd_status out_of_memory(size_t nbytes, cd_error *err)
{
    return cd_fail(err, CD_EALLOC,
                   "cannot allocate %.1f MB: %.1f MB are in use by tensors. "
                   "Use a smaller batch or image size, or remove tensors and call gc().",
                   (double)nbytes / 1e6, (double)pool.count.in_use / 1e6);
}

static header *any_block(size_t nbytes)
{
    return !pooled ? block_of_malloc(nbytes, 0) : nbytes >= LARGE ? large_block(nbytes) : small_block(nbytes);
}

static header *block_within_limit(size_t nbytes)
{
    if (pool.limit != 0 && pool.count.in_use + nbytes > pool.limit) {
        return NULL;
    }
    header *h = any_block(nbytes);
    if (h == NULL) {
        cd_memory_trim();
        h = any_block(nbytes);
    }
    return h;
}

cd_status cd_memory_alloc(void **block, size_t nbytes, cd_error *err)
{
    *block = NULL;
    header *h = nbytes > (size_t)PTRDIFF_MAX / 2 ? NULL : block_within_limit(nbytes);
    if (h == NULL) {
        return out_of_memory(nbytes, err);
    }
    pool.count.in_use += h->capacity;
    if (pool.count.in_use > pool.count.peak) {
        pool.count.peak = pool.count.in_use;
    }
    if (pool.count.in_use > pool.highest) {
        pool.highest = pool.count.in_use;
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
    if (!pooled) {
        free(h->base);
    } else if (h->size_class == SPAN) {
        free_large(h);
    } else {
        free_small(h);
    }
}

static void trim_small(void)
{
    for (int i = 0; i < CLASS_COUNT; i++) {
        while (pool.small_list[i] != NULL) {
            header *h = pool.small_list[i];
            pool.small_list[i] = h->next;
            pool.count.cached -= h->capacity;
            free(h->base);
        }
    }
}

static header *empty_slab(void)
{
    header *h = pool.spans;
    while (h != NULL && (h->below != NULL || h->above != NULL)) {
        h = h->next;
    }
    return h;
}

/* malloc keeps what small blocks were in, as long as anything is in use above them. */
static void trim_malloc(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

void cd_memory_trim(void)
{
    cd_cell_trim();
    trim_small();
    for (header *h = empty_slab(); h != NULL; h = empty_slab()) {
        const cd_pages pages = *(const cd_pages *)h->base;
        take_off_list(h);
        cd_pages_release(&pages);
    }
    forget_spans(0);
    trim_malloc();
}

/* Of what is in use, a part that may wait besides, and what may wait in any case. */
#define KEPT_PART 5
#define KEPT_LEAST ((size_t)24 << 20)

void cd_memory_give_back(void)
{
    const size_t most = pool.count.in_use / KEPT_PART + KEPT_LEAST;
    if (pool.count.cached <= most) {
        return;
    }
    cd_cell_trim();
    trim_small();
    forget_spans(most);
    trim_malloc();
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

cd_status cd_memory_floats(float **block, int64_t a, int64_t b, int64_t c, cd_error *err)
{
    void *memory = NULL;
    size_t bytes = 0;
    CD_TRY(cd_memory_size(&bytes, (size_t)a, (size_t)b, (size_t)c, err));
    CD_TRY(cd_memory_size(&bytes, bytes, sizeof(float), 1, err));
    CD_TRY(cd_memory_alloc(&memory, bytes, err));
    *block = memory;
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

void cd_memory_set_limit(size_t nbytes)
{
    pool.limit = nbytes;
}
