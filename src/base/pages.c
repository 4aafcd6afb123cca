#ifdef __linux__
#define _DEFAULT_SOURCE /* madvise, MAP_ANONYMOUS */
#endif
#include "base/pages.h"

#include <stdint.h>
#include <stdlib.h>

/* Where reserving means asking for memory, a range is so large, or as large as it must. */
#define MODEST ((size_t)256 << 20)

static cd_pages from_malloc(size_t least)
{
    cd_pages pages = {NULL, least > MODEST ? least : MODEST, false};
    pages.start = malloc(pages.size);
    if (pages.start == NULL) {
        pages.size = least;
        pages.start = malloc(least);
    }
    return pages;
}

#ifdef __linux__

#include <sys/mman.h>
#include <unistd.h>

static size_t physical_memory(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? (size_t)pages * (size_t)page : 0;
}

/* Large pages make the first touch of memory ten times cheaper, and walks through it faster. */
static void ask_for_large_pages(const cd_pages *pages)
{
#ifdef MADV_HUGEPAGE
    madvise(pages->start, pages->size, MADV_HUGEPAGE);
#else
    (void)pages;
#endif
}

static cd_pages map(size_t size)
{
    cd_pages pages = {NULL, size, true};
    pages.start =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages.start == MAP_FAILED) {
        pages.start = NULL;
        return pages;
    }
    ask_for_large_pages(&pages);
    return pages;
}

cd_pages cd_pages_reserve(size_t least)
{
    const size_t all = physical_memory();
    const cd_pages pages = least <= all ? map(all) : (cd_pages){NULL, 0, false};
    return pages.start != NULL ? pages : from_malloc(least);
}

void cd_pages_release(const cd_pages *pages)
{
    if (pages->mapped) {
        munmap(pages->start, pages->size);
    } else {
        free(pages->start);
    }
}

bool cd_pages_forget(void *start, size_t size)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t first = ((uintptr_t)start + page - 1) / page * page,
                    end = ((uintptr_t)start + size) / page * page;
    return end > first && madvise((void *)first, end - first, MADV_DONTNEED) == 0;
}

#else

cd_pages cd_pages_reserve(size_t least)
{
    return from_malloc(least);
}

void cd_pages_release(const cd_pages *pages)
{
    free(pages->start);
}

bool cd_pages_forget(void *start, size_t size)
{
    (void)start;
    (void)size;
    return false;
}

#endif
