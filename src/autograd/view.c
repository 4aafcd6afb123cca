#include "autograd/view.h"

#include <string.h>

#include "tensor/copy.h"
#include "tensor/elements.h"

/* ---- index codes ---- */

typedef struct {
    const cd_tensor *x;
    cd_geometry *g;
    int dim; /* of x, the next to be indexed */
} slicing;

static cd_status found_zero(cd_error *err)
{
    return cd_fail(err, CD_EINDEX, "Indexing in R is 1-based and found a 0.");
}

static cd_status keep_dims(slicing *s, int count, cd_error *err)
{
    if (s->g->ndim + count > CD_MAX_DIMS) {
        return cd_fail(err, CD_EINDEX, "the result of indexing has more than %d dimensions.", CD_MAX_DIMS);
    }
    for (int i = 0; i < count; i++, s->dim++) {
        s->g->shape[s->g->ndim] = s->x->shape[s->dim];
        s->g->stride[s->g->ndim++] = s->x->stride[s->dim];
    }
    return CD_OK;
}

static cd_status take_element(slicing *s, double at, cd_error *err)
{
    int64_t size = s->x->shape[s->dim], asked = (int64_t)at;
    int64_t index = asked < 0 ? asked + size : asked - 1;
    if (asked == 0) {
        return found_zero(err);
    }
    if (index < 0 || index >= size) {
        return cd_fail(err, CD_EINDEX, "index %lld is out of bounds for dimension %d with size %lld.",
                       (long long)asked, s->dim + 1, (long long)size);
    }
    s->g->offset += index * s->x->stride[s->dim++];
    return CD_OK;
}

static int64_t clamp(double value, int64_t low, int64_t high)
{
    return value < (double)low ? low : value > (double)high ? high : (int64_t)value;
}

static cd_status take_range(slicing *s, const double *code, cd_error *err)
{
    int64_t size = s->x->shape[s->dim];
    if (code[1] == 0 || code[2] == 0) {
        return found_zero(err);
    }
    if (!(code[3] >= 1)) {
        return cd_fail(err, CD_EVALUE, "the step of a slice must be at least 1, got %g.", code[3]);
    }
    int64_t first = clamp(code[1] < 0 ? code[1] + (double)size : code[1] - 1, 0, size);
    int64_t end = clamp(code[2] < 0 ? code[2] + (double)size + 1 : code[2], first, size);
    int64_t step = clamp(code[3], 1, INT64_C(1) << 52);
    CD_TRY(keep_dims(s, 1, err));
    s->g->shape[s->g->ndim - 1] = (end - first + step - 1) / step;
    if (end > first) {
        s->g->offset += first * s->x->stride[s->dim - 1];
    }
    if (s->g->shape[s->g->ndim - 1] > 1) {
        s->g->stride[s->g->ndim - 1] *= step;
    }
    return CD_OK;
}

static cd_status add_dim(slicing *s, cd_error *err)
{
    if (s->g->ndim == CD_MAX_DIMS) {
        return cd_fail(err, CD_EINDEX, "the result of indexing has more than %d dimensions.", CD_MAX_DIMS);
    }
    s->g->shape[s->g->ndim] = 1;
    s->g->stride[s->g->ndim++] = s->dim < s->x->ndim ? s->x->shape[s->dim] * s->x->stride[s->dim] : 1;
    return CD_OK;
}

static int dims_taken(const double *code)
{
    switch ((cd_index_kind)code[0]) {
    case CD_INDEX_NEW:
    case CD_INDEX_ELLIPSIS:
        return 0;
    case CD_INDEX_MASKED:
        return (int)code[1];
    default:
        return 1;
    }
}

/* How many whole dimensions the ellipsis stands for. */
static cd_status spare_dims(int *spare, const cd_tensor *x, int n_attr, const double *attr, cd_error *err)
{
    int taken = 0, ellipses = 0;
    for (int i = 0; i < n_attr; i += CD_INDEX_WIDTH) {
        taken += dims_taken(attr + i);
        ellipses += attr[i] == CD_INDEX_ELLIPSIS;
    }
    if (taken > x->ndim) {
        return cd_fail(err, CD_EINDEX, "too many indices: %d for a tensor of %d dimensions.", taken, x->ndim);
    }
    if (ellipses > 1) {
        return cd_fail(err, CD_EINDEX, "`..` may appear only once in an index.");
    }
    *spare = x->ndim - taken;
    return CD_OK;
}

static cd_status apply_code(slicing *s, const double *code, int spare, cd_error *err)
{
    switch ((cd_index_kind)code[0]) {
    case CD_INDEX_AT:
        return take_element(s, code[1], err);
    case CD_INDEX_RANGE:
        return take_range(s, code, err);
    case CD_INDEX_NEW:
        return add_dim(s, err);
    case CD_INDEX_ELLIPSIS:
        return keep_dims(s, spare, err);
    default:
        return keep_dims(s, dims_taken(code), err);
    }
}

cd_status cd_slice_geometry(cd_geometry *g, const cd_tensor *x, int n_attr, const double *attr, cd_error *err)
{
    slicing s = {x, g, 0};
    int spare = 0;
    g->ndim = 0;
    g->offset = x->offset;
    CD_TRY(spare_dims(&spare, x, n_attr, attr, err));
    for (int i = 0; i < n_attr; i += CD_INDEX_WIDTH) {
        CD_TRY(apply_code(&s, attr + i, spare, err));
    }
    return keep_dims(&s, x->ndim - s.dim, err);
}

/* ---- sums ---- */

/* Adds t, element by element in row-major order, to sum at its broadcast position. */
#define DEFINE_ADD_UP(name, type)                                                       \
    static void name(double *sum, const int64_t *sum_stride, const cd_tensor *t)        \
    {                                                                                   \
        const type *data = cd_tensor_data(t);                                           \
        int64_t index[CD_MAX_DIMS] = {0}, from = 0, to = 0, numel = cd_tensor_numel(t); \
        for (int64_t k = 0; k < numel; k++) {                                           \
            sum[to] += (double)data[from];                                              \
            for (int d = t->ndim - 1; d >= 0; d--) {                                    \
                from += t->stride[d];                                                   \
                to += sum_stride[d];                                                    \
                if (++index[d] < t->shape[d]) {                                         \
                    break;                                                              \
                }                                                                       \
                from -= t->stride[d] * t->shape[d];                                     \
                to -= sum_stride[d] * t->shape[d];                                      \
                index[d] = 0;                                                           \
            }                                                                           \
        }                                                                               \
    }

DEFINE_ADD_UP(add_up_float, float)
DEFINE_ADD_UP(add_up_double, double)

static cd_status add_up(cd_tensor *sum, const cd_tensor *t, cd_error *err)
{
    int64_t stride[CD_MAX_DIMS];
    CD_TRY(cd_broadcast_strides(stride, sum, t->ndim, t->shape, err));
    memset(cd_tensor_data(sum), 0, (size_t)sum->storage->nbytes);
    (t->dtype == CD_FLOAT32 ? add_up_float : add_up_double)(cd_tensor_data(sum), stride, t);
    return CD_OK;
}

cd_status cd_sum_to_shape(cd_tensor **sum, cd_tensor *t, int ndim, const int64_t *shape, cd_error *err)
{
    cd_tensor *total;
    bool same = t->ndim == ndim && (ndim == 0 || memcmp(shape, t->shape, (size_t)ndim * sizeof *shape) == 0);
    if (same) {
        *sum = cd_tensor_retain(t);
        return CD_OK;
    }
    if (!cd_dtype_is_float(t->dtype)) {
        return cd_fail(err, CD_EDTYPE, "only gradients of floating point dtype can be summed.");
    }
    CD_TRY(cd_tensor_new(&total, CD_FLOAT64, ndim, shape, CD_CONTIGUOUS, err));
    cd_status status = add_up(total, t, err);
    if (status == CD_OK) {
        status = cd_tensor_as(sum, total, t->dtype, CD_CONTIGUOUS, err);
    }
    cd_tensor_release(total);
    return status;
}

cd_status cd_tensor_as_dtype(cd_tensor **as, cd_tensor *t, cd_dtype dtype, cd_error *err)
{
    if (t->dtype == dtype) {
        *as = cd_tensor_retain(t);
        return CD_OK;
    }
    return cd_tensor_as(as, t, dtype, cd_tensor_preferred_layout(t), err);
}
