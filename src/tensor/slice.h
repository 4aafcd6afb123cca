/* Parts of tensors: the geometry of a view, and index expressions that describe one. */
#ifndef CANDELA_TENSOR_SLICE_H
#define CANDELA_TENSOR_SLICE_H

#include "base/status.h"
#include "tensor/tensor.h"

/* A view of some tensor: element (i0, i1, ...) lies at offset + i0 * stride[0] +
 * ... elements of its storage. */
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

#endif
