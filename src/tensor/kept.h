/* What has been made of data and is kept with them for as long as they do not change: weights that a batch
 * norm is folded into, weights packed for a convolution. A storage has a list of such things
 * (tensor/tensor.h).
 *
 * A kind of thing is told by its release function; a list has one of each kind. What was made of an older
 * version of the data is never found, and released by whoever looks for its kind. Main thread only.
 */
#ifndef CANDELA_TENSOR_KEPT_H
#define CANDELA_TENSOR_KEPT_H

#include <stdint.h>

/* The head of what is kept. */
typedef struct cd_kept {
    struct cd_kept *next;
    int64_t version;                     /* of the data it was made of */
    void (*release)(struct cd_kept *it); /* with all it holds */
} cd_kept;

/* What there is of the kind, made of that version of the data; NULL: nothing. */
cd_kept *cd_kept_find(cd_kept **list, int64_t version, void (*release)(cd_kept *));

/* `it`, with its release function set and made of that version, is kept, in the place of another of its
 * kind. */
void cd_kept_add(cd_kept **list, int64_t version, cd_kept *it);

/* Releases all that is kept. */
void cd_kept_clear(cd_kept **list);

#endif
