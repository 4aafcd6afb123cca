#include "tensor/slice.h"

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
