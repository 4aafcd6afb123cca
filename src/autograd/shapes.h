/* Rules of shapes that operators share: what inputs broadcast to and the way back, and what a reduction
 * leaves. */
#ifndef CANDELA_AUTOGRAD_SHAPES_H
#define CANDELA_AUTOGRAD_SHAPES_H

#include "autograd/op.h"

/* ---- broadcasting: dimensions are compared from the last on; one of size 1 takes the size of the other ---- */

/* *size becomes what two sizes of one dimension broadcast to; false where they do not fit. */
bool cd_broadcast_size(int64_t *size, int64_t other);

/* The shape all inputs broadcast to. Errors: CD_ESHAPE, named after the operator. */
cd_status cd_broadcast_shape(int *ndim, int64_t *shape, int n, cd_tensor *const *in, const char *op,
                             cd_error *err);

/* Output 0 gets the shape all inputs broadcast to, channels last if all inputs of that size are.
 * Errors: CD_ESHAPE. */
cd_status cd_out_broadcast(cd_call *call, cd_dtype dtype, cd_error *err);

/* Sums t over the dimensions along which `like` was broadcast, and converts it to the dtype of `like`: the
 * gradient of a broadcast input. Caller owns one reference. */
cd_status cd_sum_to_like(cd_tensor **sum, cd_tensor *t, const cd_tensor *like, cd_error *err);

/* The same for a shape, in the dtype of t: elements are added in double, one after the other in row-major
 * order of t. Errors: CD_EDTYPE where t is no float, CD_ESHAPE. */
cd_status cd_sum_to_shape(cd_tensor **sum, cd_tensor *t, int ndim, const int64_t *shape, cd_error *err);

/* ---- reductions ---- */

/* reduced[d] says whether dimension d is among the n dims, which count from 0 or negative from the end; n = 0
 * means all of them. Errors: CD_EINDEX, CD_EVALUE for one that comes twice. */
cd_status cd_reduced_dims(bool *reduced, const cd_tensor *x, int n, const double *dims, cd_error *err);

/* The shape without the reduced dimensions, or with size 1 for each (keepdim); gives the number of
 * dimensions. */
int cd_reduced_shape(int64_t *shape, const cd_tensor *x, const bool *reduced, bool keepdim);

/* How many elements become one. */
int64_t cd_reduced_count(const cd_tensor *x, const bool *reduced);

/* Row-major x seen as [outer][n][inner] around one dimension; n = 1 for a 0-d tensor. */
typedef struct cd_along {
    int dim;
    int64_t outer, n, inner;
} cd_along;

/* dim counts from 0 or negative from the end. Errors: CD_EINDEX. */
cd_status cd_find_along(cd_along *a, const cd_tensor *x, int64_t dim, cd_error *err);

#endif
