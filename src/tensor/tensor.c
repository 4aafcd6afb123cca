#include "tensor/tensor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cell.h"
#include "base/memory.h"
#include "tensor/kept.h"

static cd_status no_handle(cd_error *err)
{
    return cd_fail(err, CD_EALLOC, "cannot allocate a tensor handle.");
}

static cd_storage *storage_new(void *data, int64_t nbytes, bool borrowed)
{
    cd_storage *s = cd_cell_new(sizeof *s);
    if (s != NULL) {
        s->data = data;
        s->nbytes = nbytes;
        s->refs = 1;
        s->borrowed = borrowed;
    }
    return s;
}

static void storage_release(cd_storage *s)
{
    if (s == NULL || --s->refs > 0) {
        return;
    }
    cd_kept_clear(&s->kept);
    if (!s->borrowed) {
        cd_memory_free(s->data);
    }
    cd_tensor_release(s->bytes);
    cd_cell_free(s, sizeof *s);
}

/* Elements of the largest tensor, a view that shows the same memory many times too: the number of its
 * elements and that of their bytes are int64. In doubles, as it is asked of every tensor. */
#define MOST_ELEMENTS 0x1p59

static cd_status check_shape(int ndim, const int64_t *shape, cd_error *err)
{
    char text[CD_SHAPE_TEXT];
    double elements = 1;
    if (ndim < 0 || ndim > CD_MAX_DIMS) {
        return cd_fail(err, CD_EVALUE, "a tensor has 0 to %d dimensions, not %d.", CD_MAX_DIMS, ndim);
    }
    for (int i = 0; i < ndim; i++) {
        if (shape[i] < 0) {
            return cd_fail(err, CD_EVALUE, "sizes must not be negative, got %s.",
                           cd_shape_text(text, ndim, shape));
        }
        elements *= shape[i] > 0 ? (double)shape[i] : 1;
    }
    if (elements > MOST_ELEMENTS) {
        return cd_fail(err, CD_EALLOC, "a tensor of shape %s is larger than this machine can address.",
                       cd_shape_text(text, ndim, shape));
    }
    return CD_OK;
}

static cd_status handle_new(cd_tensor **t, cd_dtype dtype, int ndim, const int64_t *shape, cd_error *err)
{
    *t = NULL;
    CD_TRY(check_shape(ndim, shape, err));
    cd_tensor *h = cd_cell_new(sizeof *h);
    if (h == NULL) {
        return no_handle(err);
    }
    h->dtype = dtype;
    h->ndim = ndim;
    h->refs = 1;
    if (ndim > 0) {
        memcpy(h->shape, shape, (size_t)ndim * sizeof *shape);
    }
    *t = h;
    return CD_OK;
}

/* The strides of a shape may be asked for before a tensor of it is, which is refused where it has too many
 * elements. */
static int64_t wrapping_product(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

void cd_tensor_fill_strides(int64_t *stride, int ndim, const int64_t *shape, cd_layout layout)
{
    if (layout == CD_CHANNELS_LAST && ndim == 4) {
        stride[1] = 1;
        stride[3] = shape[1];
        stride[2] = wrapping_product(stride[3], shape[3]);
        stride[0] = wrapping_product(stride[2], shape[2]);
        return;
    }
    int64_t step = 1;
    for (int i = ndim - 1; i >= 0; i--) {
        stride[i] = step;
        step = wrapping_product(step, shape[i]);
    }
}

cd_status cd_tensor_new_shape(cd_tensor **t, cd_dtype dtype, int ndim, const int64_t *shape, cd_layout layout,
                              cd_error *err)
{
    CD_TRY(handle_new(t, dtype, ndim, shape, err));
    cd_tensor_fill_strides((*t)->stride, ndim, shape, layout);
    return CD_OK;
}

cd_status cd_tensor_allocate(cd_tensor *t, cd_error *err)
{
    size_t nbytes = cd_dtype_size(t->dtype);
    void *data;
    for (int i = 0; i < t->ndim; i++) {
        CD_TRY(cd_memory_size(&nbytes, nbytes, (size_t)t->shape[i], 1, err));
    }
    CD_TRY(cd_memory_alloc(&data, nbytes, err));
    t->storage = storage_new(data, (int64_t)nbytes, false);
    if (t->storage == NULL) {
        cd_memory_free(data);
        return no_handle(err);
    }
    return CD_OK;
}

void cd_tensor_drop_storage(cd_tensor *t)
{
    storage_release(t->storage);
    t->storage = NULL;
}

cd_status cd_tensor_new(cd_tensor **t, cd_dtype dtype, int ndim, const int64_t *shape, cd_layout layout,
                        cd_error *err)
{
    CD_TRY(cd_tensor_new_shape(t, dtype, ndim, shape, layout, err));
    cd_status status = cd_tensor_allocate(*t, err);
    if (status != CD_OK) {
        cd_tensor_release(*t);
        *t = NULL;
    }
    return status;
}

cd_status cd_tensor_borrow(cd_tensor **t, void *data, cd_dtype dtype, int ndim, const int64_t *shape,
                           const int64_t *stride, cd_error *err)
{
    CD_TRY(handle_new(t, dtype, ndim, shape, err));
    (*t)->storage = storage_new(data, 0, true);
    if ((*t)->storage == NULL) {
        cd_tensor_release(*t);
        *t = NULL;
        return no_handle(err);
    }
    if (ndim > 0) {
        memcpy((*t)->stride, stride, (size_t)ndim * sizeof *stride);
    }
    return CD_OK;
}

cd_status cd_tensor_number(cd_tensor **t, cd_dtype dtype, double value, cd_error *err)
{
    CD_TRY(cd_tensor_new(t, dtype, 0, NULL, CD_CONTIGUOUS, err));
    void *data = cd_tensor_data(*t);
    (*t)->is_number = true;
    switch (dtype) {
    case CD_FLOAT64:
        *(double *)data = value;
        break;
    case CD_FLOAT32:
        *(float *)data = (float)value;
        break;
    case CD_INT64:
        *(int64_t *)data = (int64_t)value;
        break;
    case CD_INT32:
        *(int32_t *)data = (int32_t)value;
        break;
    case CD_BOOL:
    case CD_UINT8:
        *(uint8_t *)data = (uint8_t)value;
        break;
    default:
        cd_tensor_release(*t);
        *t = NULL;
        return cd_fail(err, CD_EINTERNAL, "there are no plain numbers of type %s.", cd_dtype_name(dtype));
    }
    return CD_OK;
}

cd_status cd_tensor_view(cd_tensor **view, const cd_tensor *t, int ndim, const int64_t *shape,
                         const int64_t *stride, int64_t offset, cd_error *err)
{
    CD_TRY(handle_new(view, t->dtype, ndim, shape, err));
    if (ndim > 0) {
        memcpy((*view)->stride, stride, (size_t)ndim * sizeof *stride);
    }
    (*view)->offset = offset;
    (*view)->storage = t->storage;
    if (t->storage != NULL) {
        t->storage->refs++;
    }
    return CD_OK;
}

cd_status cd_tensor_alias(cd_tensor **alias, const cd_tensor *t, cd_error *err)
{
    CD_TRY(cd_tensor_view(alias, t, t->ndim, t->shape, t->stride, t->offset, err));
    (*alias)->is_number = t->is_number;
    return CD_OK;
}

cd_tensor *cd_tensor_retain(cd_tensor *t)
{
    if (t != NULL) {
        t->refs++;
    }
    return t;
}

void cd_tensor_release(cd_tensor *t)
{
    if (t == NULL || --t->refs > 0) {
        return;
    }
    if (t->lazy != NULL) {
        t->discard_lazy(t);
    }
    storage_release(t->storage);
    cd_cell_free(t, sizeof *t);
}

int64_t cd_tensor_numel(const cd_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++) {
        n *= t->shape[i];
    }
    return n;
}

void *cd_tensor_data(const cd_tensor *t)
{
    if (t->storage == NULL) {
        return NULL;
    }
    return (char *)t->storage->data + t->offset * (int64_t)cd_dtype_size(t->dtype);
}

static bool strides_equal_where_needed(const cd_tensor *t, const int64_t *stride)
{
    for (int i = 0; i < t->ndim; i++) {
        if (t->shape[i] > 1 && t->stride[i] != stride[i]) {
            return false;
        }
    }
    return true;
}

bool cd_tensor_is_contiguous(const cd_tensor *t)
{
    int64_t stride[CD_MAX_DIMS];
    cd_tensor_fill_strides(stride, t->ndim, t->shape, CD_CONTIGUOUS);
    return strides_equal_where_needed(t, stride) || cd_tensor_numel(t) == 0;
}

bool cd_tensor_is_channels_last(const cd_tensor *t)
{
    int64_t stride[CD_MAX_DIMS];
    if (t->ndim != 4) {
        return false;
    }
    cd_tensor_fill_strides(stride, t->ndim, t->shape, CD_CHANNELS_LAST);
    return strides_equal_where_needed(t, stride) || cd_tensor_numel(t) == 0;
}

bool cd_tensor_is_picture(const cd_tensor *t)
{
    if (t->ndim != 3) {
        return false;
    }
    int64_t stride[] = {1, t->shape[2] * t->shape[0], t->shape[0]};
    return strides_equal_where_needed(t, stride) && !cd_tensor_is_contiguous(t);
}

bool cd_tensor_is_dense(const cd_tensor *t)
{
    bool used[CD_MAX_DIMS] = {false};
    int64_t step = 1;
    for (int k = 0; k < t->ndim; k++) {
        int next = -1;
        for (int i = 0; i < t->ndim; i++) {
            if (!used[i] && (t->shape[i] == 1 || t->stride[i] == step)) {
                next = i;
                break;
            }
        }
        if (next < 0) {
            return cd_tensor_numel(t) == 0;
        }
        used[next] = true;
        step *= t->shape[next];
    }
    return true;
}

bool cd_tensor_same_shape(const cd_tensor *a, const cd_tensor *b)
{
    return a->ndim == b->ndim &&
           (a->ndim == 0 || memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof a->shape[0]) == 0);
}

bool cd_tensor_same_strides(const cd_tensor *a, const cd_tensor *b)
{
    return cd_tensor_same_shape(a, b) && strides_equal_where_needed(a, b->stride);
}

cd_layout cd_tensor_preferred_layout(const cd_tensor *t)
{
    return cd_tensor_is_channels_last(t) && !cd_tensor_is_contiguous(t) ? CD_CHANNELS_LAST : CD_CONTIGUOUS;
}

bool cd_tensor_is_interleaved(const cd_tensor *t)
{
    return cd_tensor_is_picture(t) || cd_tensor_preferred_layout(t) == CD_CHANNELS_LAST;
}

cd_status cd_tensor_dim(int *resolved, const cd_tensor *t, int64_t dim, cd_error *err)
{
    int64_t count = t->ndim > 0 ? t->ndim : 1;
    int64_t d = dim < 0 ? dim + count : dim;
    if (d < 0 || d >= count) {
        return cd_fail(err, CD_EINDEX,
                       "Dimension out of range: got dim = %lld for a tensor of %d dimensions.",
                       (long long)(dim < 0 ? dim : dim + 1), t->ndim);
    }
    *resolved = (int)d;
    return CD_OK;
}

const char *cd_shape_text(char *text, int ndim, const int64_t *shape)
{
    size_t used = 0;
    text[used++] = '[';
    for (int i = 0; i < ndim && used < CD_SHAPE_TEXT - 24; i++) {
        used += (size_t)snprintf(text + used, CD_SHAPE_TEXT - used, i == 0 ? "%lld" : ", %lld",
                                 (long long)shape[i]);
    }
    text[used++] = ']';
    text[used] = '\0';
    return text;
}
