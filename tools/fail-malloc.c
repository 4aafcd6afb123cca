/* To be preloaded: makes one allocation of candela's library, or of an image library it calls, fail. R's own stay whole.
 *
 *     cc -O1 -shared -fPIC -o fail-malloc.so tools/fail-malloc.c -ldl
 *     LD_PRELOAD=fail-malloc.so R ...      then, in R, .C("fail_malloc_at", n) and .C("fail_malloc_count", n)
 *
 * Whose an allocation is, its return address tells. Only glibc has the functions behind malloc that are called here. */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

#define MOST_RANGES 64

static struct {
    uintptr_t from, to;
} range[MOST_RANGES];
static int ranges;

static long left;  /* allocations until one fails; 0: none will */
static long asked; /* since fail_malloc_at() */
static int failed;
static int stays; /* what follows the one that fails, fails too */

static int is_ours(const char *line)
{
    return strstr(line, "candela.so") || strstr(line, "libjpeg") || strstr(line, "libpng") ||
           strstr(line, "libtiff");
}

static void find_ranges(void)
{
    static char line[4096];
    FILE *maps = fopen("/proc/self/maps", "r");
    ranges = 0;
    while (maps != NULL && ranges < MOST_RANGES && fgets(line, sizeof line, maps) != NULL) {
        unsigned long from, to;
        char access[8];
        if (is_ours(line) && sscanf(line, "%lx-%lx %7s", &from, &to, access) == 3 && access[2] == 'x') {
            range[ranges].from = from;
            range[ranges++].to = to;
        }
    }
    if (maps != NULL) {
        fclose(maps);
    }
}

/* Arms: the n-th allocation from here fails; -n: that and all that follow; 0: none. For .C() of R. */
void fail_malloc_at(int *n)
{
    left = 0;
    stays = *n < 0;
    if (*n != 0 && ranges == 0) {
        find_ranges();
    }
    asked = 0;
    failed = 0;
    left = *n < 0 ? -*n : *n;
}

/* Whether it has failed, and how many allocations there were. */
void fail_malloc_count(int *result)
{
    result[0] = failed;
    result[1] = (int)asked;
}

static int fails(const void *caller)
{
    const uintptr_t at = (uintptr_t)caller;
    if (left <= 0 && !(stays && failed)) {
        return 0;
    }
    for (int i = 0; i < ranges; i++) {
        if (at >= range[i].from && at < range[i].to) {
            asked++;
            if (left <= 0 || --left == 0) {
                failed = 1;
                errno = ENOMEM;
                return 1;
            }
            return 0;
        }
    }
    return 0;
}

void *malloc(size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *block, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(block, size);
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    void *made = fails(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
    if (made == NULL) {
        return ENOMEM;
    }
    *block = made;
    return 0;
}
