/* Tensors: a shape and strides over shared storage.
 *
 * A cd_tensor is a reference-counted handle; several handles (views) may share one storage. Element
 * (i0, i1, ...) lies at data + (offset + i0 * stride[0] + i1 * stride[1] + ...) elements. Strides may be zero
 * (expanded) but never negative. Shapes are always the user's (N, C, H, W); the order in memory may be
 * "contiguous" (row-major, last dimension fastest) or, for images, "channels last" (N, H, W, C; C fastest),
 * which the convolutions produce and prefer.
 *
 * A tensor without storage (storage == NULL) carries only dtype and shape.
 * Reference counts change on the main thread only.
 */
#ifndef CANDELA_TENSOR_TENSOR_H
#define CANDELA_TENSOR_TENSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/status.h"

#define CD_MAX_DIMS 12

typedef struct cd_storage {
    void *data;
    int64_t nbytes;
    int64_t refs;
    int64_t version; /* goes up each time the data are changed in place */
    int64_t readers; /* lazy tensors that are to be computed from it (tensor/lazy.h) */
    bool borrowed;   /* data belong to somebody else and outlive the storage */
    /* The elements as bytes (uint8, in the same order) where they have not been converted yet: data is NULL
     * until somebody wants them (tensor/lazy_bytes.h). */
    struct cd_tensor *bytes;
    struct cd_kept *kept; /* what has been made of the data (tensor/kept.h) */
} cd_storage;

typedef struct cd_tensor {
    cd_storage *storage;  /* one reference; NULL: shape only, or lazy */
    struct cd_lazy *lazy; /* the deferred computation that will fill it (tensor/lazy.h), or NULL */
    /* Discards `lazy`, which belongs to the tensor; set with it. */
    void (*discard_lazy)(struct cd_tensor *t);
    int64_t offset; /* elements */
    cd_dtype dtype;
    int ndim;
    int64_t shape[CD_MAX_DIMS];
    int64_t stride[CD_MAX_DIMS]; /* elements */
    bool is_number;              /* a plain number of the user's: 0-d, gives way in type promotion */
    int64_t refs;
    void *history; /* what autograd knows of it while backward is recorded (autograd/trail.h), else NULL */
} cd_tensor;

typedef enum {
    CD_CONTIGUOUS = 0, /* row-major */
    CD_CHANNELS_LAST   /* 4-d only: N, H, W, C in memory */
} cd_layout;

/* A new tensor with storage of its own, uninitialised. Caller owns one reference.
 * Errors: CD_EALLOC; CD_EVALUE for a negative size or more than CD_MAX_DIMS dimensions. */
cd_status cd_tensor_new(cd_tensor **t, cd_dtype dtype, int ndim, const int64_t *shape, cd_layout layout,
                        cd_error *err);

/* As cd_tensor_new without storage: dtype, shape and the strides the layout will have. */
cd_status cd_tensor_new_shape(cd_tensor **t, cd_dtype dtype, int ndim, const int64_t *shape, cd_layout layout,
                              cd_error *err);

/* Gives a shape-only tensor its storage (by its strides, which must be dense). */
cd_status cd_tensor_allocate(cd_tensor *t, cd_error *err);

/* Takes the storage away again. */
void cd_tensor_drop_storage(cd_tensor *t);

/* A tensor over the caller's memory, which must outlive every reference to it. */
cd_status cd_tensor_borrow(cd_tensor **t, void *data, cd_dtype dtype, int ndim, const int64_t *shape,
                           const int64_t *stride, cd_error *err);

/* A 0-d tensor that holds value: float64, int64 or bool, marked is_number. */
cd_status cd_tensor_number(cd_tensor **t, cd_dtype dtype, double value, cd_error *err);

/* A new handle on the storage of t with its own shape, strides and offset (elements, absolute). */
cd_status cd_tensor_view(cd_tensor **view, const cd_tensor *t, int ndim, const int64_t *shape,
                         const int64_t *stride, int64_t offset, cd_error *err);

/* A new handle, same everything. */
cd_status cd_tensor_alias(cd_tensor **alias, const cd_tensor *t, cd_error *err);

cd_tensor *cd_tensor_retain(cd_tensor *t); /* NULL allowed; returns t */
void cd_tensor_release(cd_tensor *t);      /* NULL allowed */

int64_t cd_tensor_numel(const cd_tensor *t);
void *cd_tensor_data(const cd_tensor *t); /* address of the first element; NULL without storage */

/* Row-major without gaps; N, H, W, C without gaps; some permutation without gaps or overlap. Dimensions of
 * size 1 do not matter. */
bool cd_tensor_is_contiguous(const cd_tensor *t);
bool cd_tensor_is_channels_last(const cd_tensor *t);
bool cd_tensor_is_dense(const cd_tensor *t);

/* C x H x W with the channels of a pixel side by side, as in a batch that is channels last (and not also
 * row-major). */
bool cd_tensor_is_picture(const cd_tensor *t);

bool cd_tensor_same_shape(const cd_tensor *a, const cd_tensor *b);
bool cd_tensor_same_strides(const cd_tensor *a, const cd_tensor *b);

/* Writes dense strides for a shape in the given layout; CHANNELS_LAST falls back to row-major unless ndim
 * = 4. */
void cd_tensor_fill_strides(int64_t *stride, int ndim, const int64_t *shape, cd_layout layout);

/* The layout an operator's result should have that works element by element on t. */
cd_layout cd_tensor_preferred_layout(const cd_tensor *t);

/* Whether the channels of a pixel lie side by side: a picture, or channels last. */
bool cd_tensor_is_interleaved(const cd_tensor *t);

/* dim counted from 0, negative from the end, into *resolved. CD_EINDEX otherwise;
 * the message counts from 1. */
cd_status cd_tensor_dim(int *resolved, const cd_tensor *t, int64_t dim, cd_error *err);

/* "[2, 3, 4]" into text (size CD_SHAPE_TEXT); returns text. */
#define CD_SHAPE_TEXT 192
const char *cd_shape_text(char *text, int ndim, const int64_t *shape);

#endif
