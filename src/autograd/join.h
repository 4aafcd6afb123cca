/* What fusion (autograd/fuse.c) has to know of joins and flips. */
#ifndef CANDELA_AUTOGRAD_JOIN_H
#define CANDELA_AUTOGRAD_JOIN_H

#include "autograd/op.h"

/* *slice = the part of out[0] of a call of cat or stack that belongs to in[i]; the shape rule has run, and
 * out[0] has storage. An input that lies there already is not copied by forward. Caller owns *slice. */
cd_status cd_join_slice(cd_tensor **slice, const cd_call *call, int i, cd_error *err);

/* reversed[d], d < CD_MAX_DIMS: does a call of flip on x with these attributes reverse dimension d? */
cd_status cd_flipped_dims(bool *reversed, const cd_tensor *x, int n_attr, const double *attr, cd_error *err);

#endif
