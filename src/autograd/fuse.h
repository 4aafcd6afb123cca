/* Fusion: operators that are computed in one pass over memory with their neighbours.
 *
 * A producer (a convolution, a batch norm, an image read from a file) defers its work and gives a lazy tensor
 * (tensor/lazy.h); the consumer that meets it does both at once. The table in fuse.c has one line for each
 * pair of consumer and producer. Here alone operators are named in company; an operator offers what it can do
 * besides its own work (cd_op.fused) and knows no other.
 *
 * cd_set_deferring(false), or CANDELA_FUSE=0 in the environment, leaves every operator to itself: results are
 * the same but for rounding.
 */
#ifndef CANDELA_AUTOGRAD_FUSE_H
#define CANDELA_AUTOGRAD_FUSE_H

#include "autograd/op.h"

/* Does what cd_call_run does without a target, for a caller that can deal with a lazy out[0]: with what the
 * inputs have been deferred to, or leaving the work for a consumer. */
cd_status cd_fuse_run(cd_call *call, cd_error *err);

/* A call whose result goes into target, its first input: *done where the call became part of what target is
 * lazy for. target then has the result, or goes on being lazy. Otherwise nothing has happened. */
cd_status cd_fuse_in_place(bool *done, cd_call *call, cd_tensor *target, cd_error *err);

/* Channels begin .. begin + size - 1 of a join of images, which are its input number `input`. */
typedef struct cd_part {
    int input;
    int64_t begin, size;
} cd_part;

/* For a call `g` whose in[0] is the result of the call `join`, which nobody else asks the gradient of: is one
 * input of the join alone of interest, so that the rest of dx[0] need not be computed? */
bool cd_fuse_finds_part(cd_part *part, const cd_gradient *g, const cd_gradient *join);

/* backward of such a call; dx[0] is the gradient of the part. */
cd_status cd_fuse_backward_part(cd_gradient *g, const cd_part *part, cd_error *err);

#endif
