/* What the operators on shapes, joins and indices share: geometries of views, index codes, sums over
 * broadcast dimensions. */
#ifndef CANDELA_AUTOGRAD_VIEW_H
#define CANDELA_AUTOGRAD_VIEW_H

#include "base/status.h"
#include "tensor/tensor.h"

/* A view of some tensor: element (i0, i1, ...) lies at offset + i0 * stride[0] + ... elements of its storage.
 */
typedef struct cd_geometry {
    int ndim;
    int64_t shape[CD_MAX_DIMS];
    int64_t stride[CD_MAX_DIMS];
    int64_t offset;
} cd_geometry;

/* An index expression is a row of codes, one per index, each CD_INDEX_WIDTH numbers: kind, a, b, c. */
#define CD_INDEX_WIDTH 4

typedef enum {
    CD_INDEX_ALL = 0,  /* the whole dimension */
    CD_INDEX_AT,       /* a: element, counted from 1, negative from the end; the dimension goes */
    CD_INDEX_RANGE,    /* a: first, b: last (inclusive), both from 1 or negative from the end; c: step >= 1 */
    CD_INDEX_NEW,      /* a new dimension of size 1 */
    CD_INDEX_ELLIPSIS, /* as many whole dimensions as are needed, once */
    CD_INDEX_MASKED    /* a: dimensions a mask will take, which stay whole here */
} cd_index_kind;

/* Geometry of x seen through n_attr / CD_INDEX_WIDTH codes. Missing codes at the end mean whole dimensions. A
 * range that reaches beyond the size ends there. Errors: CD_EINDEX for an element out of bounds, a zero, too
 * many indices. */
cd_status cd_slice_geometry(cd_geometry *g, const cd_tensor *x, int n_attr, const double *attr,
                            cd_error *err);

/* *sum = t added up over the dimensions in which shape was broadcast to that of t. Caller owns it. */
cd_status cd_sum_to_shape(cd_tensor **sum, cd_tensor *t, int ndim, const int64_t *shape, cd_error *err);

/* t itself (retained) or a copy of another dtype with the layout kept. */
cd_status cd_tensor_as_dtype(cd_tensor **as, cd_tensor *t, cd_dtype dtype, cd_error *err);

#endif
