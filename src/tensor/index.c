#include "tensor/index.h"

#include <string.h>

#include "base/memory.h"
#include "kernels/blocks.h"
#include "kernels/by_dtype.h"
#include "tensor/copy.h"

/* The message for the first index that is none. */
static cd_status refused_index(const cd_tensor *index, int64_t size, int dim, cd_error *err)
{
    cd_tensor *asked;
    CD_TRY(cd_tensor_as(&asked, (cd_tensor *)index, CD_INT64, CD_CONTIGUOUS, err));
    const int64_t *at = cd_tensor_data(asked);
    while (at[0] != 0 && at[0] >= -size && at[0] <= size) {
        at++;
    }
    const int64_t found = at[0];
    cd_tensor_release(asked);
    return found == 0
               ? cd_fail(err, CD_EINDEX, "Indexing starts at 1 but found a 0.")
               : cd_fail(err, CD_EINDEX, "index %lld is out of bounds for dimension %d with size %lld.",
                         (long long)found, dim + 1, (long long)size);
}

cd_status cd_index_resolve(cd_tensor **resolved, const cd_tensor *index, int64_t size, int dim, cd_error *err)
{
    *resolved = NULL;
    if (!cd_dtype_is_integer(index->dtype)) {
        return cd_fail(err, CD_EDTYPE, "Only long and boolean tensors are supported as an index, got %s.",
                       cd_dtype_name(index->dtype));
    }
    CD_TRY(cd_tensor_new(resolved, CD_INT64, index->ndim, index->shape, CD_CONTIGUOUS, err));
    const bool as_it_is = index->dtype == CD_INT64 && cd_tensor_is_contiguous(index);
    int64_t *at = cd_tensor_data(*resolved);
    if (!as_it_is) {
        CD_TRY(cd_tensor_copy(*resolved, index, err));
    }
    return cdk_resolve_positions(at, as_it_is ? cd_tensor_data(index) : at, cd_tensor_numel(*resolved), size)
               ? CD_OK
               : refused_index(index, size, dim, err);
}

cd_status cd_count_nonzero(int64_t *count, const cd_tensor *x, cd_error *err)
{
    cd_tensor *mask;
    *count = 0;
    CD_TRY(cd_tensor_as(&mask, (cd_tensor *)x, CD_BOOL, CD_CONTIGUOUS, err));
    const uint8_t *set = cd_tensor_data(mask);
    int64_t n = cd_tensor_numel(mask);
    for (int64_t i = 0; i < n; i++) {
        *count += set[i] != 0;
    }
    cd_tensor_release(mask);
    return CD_OK;
}

static cd_status check_mask(const cd_tensor *mask, const cd_tensor *x, int dim, cd_error *err)
{
    char want[CD_SHAPE_TEXT], have[CD_SHAPE_TEXT];
    bool fits = dim + mask->ndim <= x->ndim;
    for (int i = 0; fits && i < mask->ndim; i++) {
        fits = mask->shape[i] == x->shape[dim + i];
    }
    if (fits) {
        return CD_OK;
    }
    return cd_fail(
        err, CD_EINDEX,
        "The shape of the mask %s at dimension %d does not match the shape of the indexed tensor %s.",
        cd_shape_text(have, mask->ndim, mask->shape), dim + 1, cd_shape_text(want, x->ndim, x->shape));
}

static cd_status mask_positions(cd_tensor **positions, const cd_tensor *index, cd_error *err)
{
    cd_tensor *mask;
    int64_t count;
    CD_TRY(cd_count_nonzero(&count, index, err));
    CD_TRY(cd_tensor_new(positions, CD_INT64, 1, &count, CD_CONTIGUOUS, err));
    CD_TRY(cd_tensor_as(&mask, (cd_tensor *)index, CD_BOOL, CD_CONTIGUOUS, err));
    const uint8_t *set = cd_tensor_data(mask);
    int64_t *at = cd_tensor_data(*positions), n = cd_tensor_numel(mask);
    for (int64_t i = 0; i < n; i++) {
        if (set[i]) {
            *at++ = i;
        }
    }
    cd_tensor_release(mask);
    return CD_OK;
}

cd_status cd_index_positions(cd_tensor **positions, int *taken, const cd_tensor *index, const cd_tensor *x,
                             int dim, cd_error *err)
{
    cd_tensor *resolved = NULL;
    *positions = NULL;
    if (index->dtype == CD_BOOL) {
        CD_TRY(check_mask(index, x, dim, err));
        *taken = index->ndim;
        return mask_positions(positions, index, err);
    }
    if (dim >= x->ndim) {
        return cd_fail(err, CD_EINDEX, "too many indices for a tensor of %d dimensions.", x->ndim);
    }
    *taken = 1;
    cd_status status = cd_index_resolve(&resolved, index, x->shape[dim], dim, err);
    if (status == CD_OK) {
        int64_t n = cd_tensor_numel(resolved), one = 1;
        status = cd_tensor_view(positions, resolved, 1, &n, &one, 0, err);
    }
    cd_tensor_release(resolved);
    return status;
}

/* ---- moving elements ---- */

/* Offsets (elements) of all elements of dimensions first .. last - 1, in row-major order. */
static void fill_offsets(int64_t *at, const cd_tensor *x, int first, int last)
{
    int64_t filled = 1;
    at[0] = 0;
    for (int d = first; d < last; d++) {
        for (int64_t i = filled - 1; i >= 0; i--) {
            int64_t base = at[i];
            for (int64_t j = x->shape[d] - 1; j >= 0; j--) {
                at[i * x->shape[d] + j] = base + j * x->stride[d];
            }
        }
        filled *= x->shape[d];
    }
}

static int64_t count_elements(const cd_tensor *x, int first, int last)
{
    int64_t n = 1;
    for (int d = first; d < last; d++) {
        n *= x->shape[d];
    }
    return n;
}

/* Where the elements of an index lie in x: outer + at * step + inner. */
typedef struct {
    int64_t n_outer, n_at, n_inner, step;
    int64_t *outer,
        *inner; /* one block, at `outer`; inner is NULL where its elements follow each other in memory */
    const int64_t *at;
} places;

static int64_t offset_within(const cd_tensor *x, int64_t position, int dim, int taken)
{
    int64_t offset = 0;
    for (int d = dim + taken - 1; d >= dim; d--) {
        offset += position % x->shape[d] * x->stride[d];
        position /= x->shape[d];
    }
    return offset;
}

/* The elements of the dimensions from `first` on follow each other in memory. */
static bool is_run(const cd_tensor *x, int first)
{
    int64_t step = 1;
    for (int d = x->ndim - 1; d >= first; d--) {
        if (x->shape[d] != 1 && x->stride[d] != step) {
            return false;
        }
        step *= x->shape[d];
    }
    return true;
}

static cd_status places_of(places *p, const cd_tensor *x, const cd_tensor *positions, int dim, int taken,
                           cd_error *err)
{
    const int64_t *position = cd_tensor_data(positions);
    const bool dense = is_run(x, dim + taken);
    void *block;
    p->n_outer = count_elements(x, 0, dim);
    p->n_at = cd_tensor_numel(positions);
    p->n_inner = count_elements(x, dim + taken, x->ndim);
    p->step = taken == 1 ? x->stride[dim] : 1;
    p->at = position;
    const int64_t count = p->n_outer + (taken == 1 ? 0 : p->n_at) + (dense ? 0 : p->n_inner) + 3;
    CD_TRY(cd_memory_alloc(&block, (size_t)count * sizeof(int64_t), err));
    p->outer = block;
    p->inner = dense ? NULL : p->outer + p->n_outer + 1;
    fill_offsets(p->outer, x, 0, dim);
    if (!dense) {
        fill_offsets(p->inner, x, dim + taken, x->ndim);
    }
    if (taken != 1) {
        int64_t *at = p->outer + count - p->n_at;
        for (int64_t i = 0; i < p->n_at; i++) {
            at[i] = offset_within(x, position[i], dim, taken);
        }
        p->at = at;
    }
    return CD_OK;
}

static void places_free(places *p)
{
    cd_memory_free(p->outer);
}

#define DEFINE_MOVE(name, type, statement)                                   \
    static void name(void *x_data, void *y_data, const places *p)            \
    {                                                                        \
        type *y = y_data;                                                    \
        for (int64_t o = 0; o < p->n_outer; o++) {                           \
            for (int64_t i = 0; i < p->n_at; i++) {                          \
                type *x = (type *)x_data + p->outer[o] + p->at[i] * p->step; \
                for (int64_t k = 0; k < p->n_inner; k++, y++) {              \
                    const int64_t at = p->inner != NULL ? p->inner[k] : k;   \
                    statement;                                               \
                }                                                            \
            }                                                                \
        }                                                                    \
    }

DEFINE_MOVE(read_1, uint8_t, *y = x[at])
DEFINE_MOVE(read_4, uint32_t, *y = x[at])
DEFINE_MOVE(read_8, uint64_t, *y = x[at])
DEFINE_MOVE(write_1, uint8_t, x[at] = *y)
DEFINE_MOVE(write_4, uint32_t, x[at] = *y)
DEFINE_MOVE(write_8, uint64_t, x[at] = *y)

DEFINE_MOVE(add_f32, float, x[at] += *y)
DEFINE_MOVE(add_f64, double, x[at] += *y)

/* From so many elements on that follow each other they are moved as a block. */
#define BLOCK 8

static bool has_blocks(const places *p)
{
    return p->inner == NULL && p->n_inner >= BLOCK;
}

static cdk_blocks blocks_of(const places *p)
{
    return (cdk_blocks){p->n_outer, p->n_at, p->n_inner, p->outer, p->at, p->step};
}

static cd_status move(cd_tensor *x, cd_tensor *y, const cd_tensor *positions, int dim, int taken,
                      bool reading, cd_error *err)
{
    size_t size = cd_dtype_size(x->dtype);
    places p;
    CD_TRY(places_of(&p, x, positions, dim, taken, err));
    void *xd = cd_tensor_data(x), *yd = cd_tensor_data(y);
    const cdk_blocks b = blocks_of(&p);
    if (has_blocks(&p) && reading) {
        cdk_read_blocks(yd, xd, &b, size);
    } else if (has_blocks(&p)) {
        cdk_write_blocks(xd, yd, &b, size);
    } else if (size == 1) {
        (reading ? read_1 : write_1)(xd, yd, &p);
    } else if (size == 4) {
        (reading ? read_4 : write_4)(xd, yd, &p);
    } else {
        (reading ? read_8 : write_8)(xd, yd, &p);
    }
    places_free(&p);
    return CD_OK;
}

cd_status cd_index_read(cd_tensor *y, const cd_tensor *x, const cd_tensor *positions, int dim, int taken,
                        cd_error *err)
{
    return move((cd_tensor *)x, y, positions, dim, taken, true, err);
}

cd_status cd_index_write(cd_tensor *x, const cd_tensor *y, const cd_tensor *positions, int dim, int taken,
                         cd_error *err)
{
    return move(x, (cd_tensor *)y, positions, dim, taken, false, err);
}

static void add_places(cd_tensor *x, const cd_tensor *y, const places *p, int64_t rows)
{
    static void (*const add[CD_DTYPES])(void *x, void *y, const places *p) = CDK_FLOATS(add);
    const cdk_blocks b = blocks_of(p);
    if (has_blocks(p)) {
        cdk_add_blocks[x->dtype](cd_tensor_data(x), cd_tensor_data(y), &b, rows);
    } else {
        add[x->dtype](cd_tensor_data(x), cd_tensor_data(y), p);
    }
}

cd_status cd_index_sum(cd_tensor *x, const cd_tensor *y, const cd_tensor *positions, int dim, int taken,
                       cd_error *err)
{
    places p;
    CD_TRY(places_of(&p, x, positions, dim, taken, err));
    const bool zeroed_with = p.n_outer == 1 && taken == 1 && has_blocks(&p);
    if (!zeroed_with) {
        memset(cd_tensor_data(x), 0, (size_t)cd_tensor_numel(x) * cd_dtype_size(x->dtype));
    }
    add_places(x, y, &p, zeroed_with ? x->shape[dim] : 0);
    places_free(&p);
    return CD_OK;
}

cd_status cd_nonzero(cd_tensor *rows, cd_tensor *x, cd_error *err)
{
    cd_tensor *mask;
    CD_TRY(cd_tensor_as(&mask, x, CD_BOOL, CD_CONTIGUOUS, err));
    const uint8_t *set = cd_tensor_data(mask);
    int64_t *row = cd_tensor_data(rows), n = cd_tensor_numel(mask);
    for (int64_t i = 0; i < n; i++) {
        if (!set[i]) {
            continue;
        }
        int64_t rest = i;
        for (int d = x->ndim - 1; d >= 0; d--) {
            row[d] = rest % x->shape[d] + 1;
            rest /= x->shape[d];
        }
        row += x->ndim;
    }
    cd_tensor_release(mask);
    return CD_OK;
}
