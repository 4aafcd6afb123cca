#include "tensor/kept.h"

/* Where the pointer to what is kept of a kind is. */
static cd_kept **place_of(cd_storage *storage, void (*release)(cd_kept *))
{
    cd_kept **place = &storage->kept;
    while (*place != NULL && (*place)->release != release) {
        place = &(*place)->next;
    }
    return place;
}

static void drop(cd_kept **place)
{
    cd_kept *it = *place;
    *place = it->next;
    it->release(it);
}

cd_kept *cd_kept_find(cd_storage *storage, void (*release)(cd_kept *))
{
    cd_kept **place = place_of(storage, release);
    if (*place != NULL && (*place)->version != storage->version) {
        drop(place);
        return NULL;
    }
    return *place;
}

void cd_kept_add(cd_storage *storage, cd_kept *it)
{
    cd_kept **place = place_of(storage, it->release);
    if (*place != NULL) {
        drop(place);
    }
    it->version = storage->version;
    it->next = storage->kept;
    storage->kept = it;
}

void cd_kept_clear(cd_storage *storage)
{
    while (storage->kept != NULL) {
        drop(&storage->kept);
    }
}

bool cd_kept_suits(const cd_tensor *t)
{
    int64_t step = 1;
    for (int i = t->ndim - 1; i >= 0; i--) {
        if (t->shape[i] != 1 && t->stride[i] != step) {
            return false;
        }
        step *= t->shape[i];
    }
    return t->storage != NULL && t->storage->bytes == NULL && t->offset == 0 &&
           step * (int64_t)cd_dtype_size(t->dtype) == t->storage->nbytes;
}
