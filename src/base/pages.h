/* Address space from the system, whose pages cost memory from when they are first written to. */
#ifndef CANDELA_BASE_PAGES_H
#define CANDELA_BASE_PAGES_H

#include <stdbool.h>
#include <stddef.h>

typedef struct cd_pages {
    void *start; /* NULL: none were to be had */
    size_t size;
    bool mapped; /* else from malloc */
} cd_pages;

/* At least `least` bytes, uninitialised; where addresses cost nothing, as many as the machine has memory, so
 * that one range serves for everything and what is freed in it joins. */
cd_pages cd_pages_reserve(size_t least);

/* Gives the whole range back. */
void cd_pages_release(const cd_pages *pages);

/* Gives the memory of the whole pages within start .. start + size - 1, part of such a range, back; the
 * addresses stay, what stands there does not. False where the system cannot do that: then nothing has
 * happened. */
bool cd_pages_forget(void *start, size_t size);

#endif
