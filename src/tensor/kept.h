/* What has been made of the data of a storage and is kept with it for as long as they do not change: weights that a
 * batch norm is folded into, weights packed for a convolution.
 *
 * A kind of thing is told by its release function; a storage keeps one of each kind. What was made of an older version
 * of the data is never found, and released by whoever looks for its kind. Main thread only.
 */
#ifndef CANDELA_TENSOR_KEPT_H
#define CANDELA_TENSOR_KEPT_H

#include "tensor/tensor.h"

/* The head of what is kept. */
typedef struct cd_kept {
    struct cd_kept *next;
    int64_t version;                     /* of the data it was made of */
    void (*release)(struct cd_kept *it); /* with all it holds */
} cd_kept;

/* What there is of the kind, made of the data as they are; NULL: nothing. */
cd_kept *cd_kept_find(cd_storage *storage, void (*release)(cd_kept *));

/* `it`, with its release function set, is kept, in the place of another of its kind. */
void cd_kept_add(cd_storage *storage, cd_kept *it);

/* Releases all that is kept. */
void cd_kept_clear(cd_storage *storage);

/* Whether t is all of its storage, in order: what is kept of such a storage is of t. */
bool cd_kept_suits(const cd_tensor *t);

#endif
