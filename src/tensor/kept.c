#include "tensor/kept.h"

#include <stddef.h>

/* Where the pointer to what is kept of a kind is. */
static cd_kept **place_of(cd_kept **list, void (*release)(cd_kept *))
{
    while (*list != NULL && (*list)->release != release) {
        list = &(*list)->next;
    }
    return list;
}

static void drop(cd_kept **place)
{
    cd_kept *it = *place;
    *place = it->next;
    it->release(it);
}

cd_kept *cd_kept_find(cd_kept **list, int64_t version, void (*release)(cd_kept *))
{
    cd_kept **place = place_of(list, release);
    if (*place != NULL && (*place)->version != version) {
        drop(place);
        return NULL;
    }
    return *place;
}

void cd_kept_add(cd_kept **list, int64_t version, cd_kept *it)
{
    cd_kept **place = place_of(list, it->release);
    if (*place != NULL) {
        drop(place);
    }
    it->version = version;
    it->next = *list;
    *list = it;
}

void cd_kept_clear(cd_kept **list)
{
    while (*list != NULL) {
        drop(list);
    }
}
