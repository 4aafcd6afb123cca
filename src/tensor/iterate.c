#include "tensor/iterate.h"

#include <string.h>

#include "base/parallel.h"
#include "kernels/sizes.h"
#include "kernels/transpose.h"
#include "tensor/elements.h"

/* Elements one thread should at least work on: below this, starting threads costs more than it saves. */
#define GRAIN 32768

/* Elements of a patch that is transposed at a time, in how many columns at most, and from how many rows and
 * columns on it pays. */
enum { PATCH = 4096, PATCH_COLUMNS = 256, FEW = 8, NO_DIM = -1 };

typedef struct {
    int n, ndim;
    bool any_crossed, crossed[CD_MAX_OPERANDS]; /* contiguous along the last dimension but one */
    int64_t rows, columns;                      /* of a patch of the last two dimensions */
    int64_t shape[CD_MAX_DIMS];
    int64_t stride[CD_MAX_DIMS][CD_MAX_OPERANDS];
    int64_t size[CD_MAX_OPERANDS];
    char *data[CD_MAX_OPERANDS];
    cd_run_body body;
    const void *context;
} loop_plan;

static void move_dim(loop_plan *p, int to, int from)
{
    p->shape[to] = p->shape[from];
    for (int k = 0; k < p->n; k++) {
        p->stride[to][k] = p->stride[from][k];
    }
}

static void insert_dim(loop_plan *p, int64_t size, const int64_t *stride)
{
    int at = p->ndim++;
    while (at > 0 && p->stride[at - 1][0] < stride[0]) {
        move_dim(p, at, at - 1);
        at--;
    }
    p->shape[at] = size;
    for (int k = 0; k < p->n; k++) {
        p->stride[at][k] = stride[k];
    }
}

static bool joins(const loop_plan *p, int outer, int inner)
{
    for (int k = 0; k < p->n; k++) {
        if (p->stride[outer][k] != p->stride[inner][k] * p->shape[inner]) {
            return false;
        }
    }
    return true;
}

static void merge_dims(loop_plan *p)
{
    int kept = 0;
    for (int i = 1; i < p->ndim; i++) {
        if (joins(p, kept, i)) {
            int64_t size = p->shape[kept] * p->shape[i];
            move_dim(p, kept, i);
            p->shape[kept] = size;
        } else {
            move_dim(p, ++kept, i);
        }
    }
    p->ndim = kept + 1;
}

typedef struct {
    int64_t index[CD_MAX_DIMS];
    char *data[CD_MAX_OPERANDS];
} position;

static void shift(const loop_plan *p, position *at, int dim, int64_t steps)
{
    for (int k = 0; k < p->n; k++) {
        at->data[k] += steps * p->stride[dim][k] * p->size[k];
    }
}

static void go_to(const loop_plan *p, position *at, int64_t element)
{
    for (int k = 0; k < p->n; k++) {
        at->data[k] = p->data[k];
    }
    for (int d = p->ndim - 1; d >= 0; d--) {
        at->index[d] = element % p->shape[d];
        element /= p->shape[d];
        shift(p, at, d, at->index[d]);
    }
}

static void advance(const loop_plan *p, position *at, int64_t n)
{
    int d = p->ndim - 1;
    at->index[d] += n;
    shift(p, at, d, n);
    while (d > 0 && at->index[d] == p->shape[d]) {
        shift(p, at, d, -p->shape[d]);
        at->index[d--] = 0;
        at->index[d]++;
        shift(p, at, d, 1);
    }
}

static void run_range(void *context, int64_t begin, int64_t end, int thread)
{
    const loop_plan *p = context;
    const int last = p->ndim - 1;
    position at;
    (void)thread;
    go_to(p, &at, begin);
    while (begin < end) {
        int64_t n = p->shape[last] - at.index[last];
        n = n < end - begin ? n : end - begin;
        p->body(p->context, at.data, p->stride[last], n);
        begin += n;
        advance(p, &at, n);
    }
}

/* ---- operands whose memory order is another ---- */

/* The dimension before the last in which operand k's elements are neighbours, where that is better than going
 * along the last. */
static int crossing(const loop_plan *p, int k)
{
    const int last = p->ndim - 1;
    if (p->stride[last][k] <= 1 || p->shape[last] < FEW) {
        return NO_DIM;
    }
    for (int d = 0; d < last; d++) {
        if (p->stride[d][k] == 1 && p->shape[d] >= FEW) {
            return d;
        }
    }
    return NO_DIM;
}

/* Dimension d becomes the last but one. */
static void move_before_last(loop_plan *p, int d)
{
    const int to = p->ndim - 2;
    const int64_t size = p->shape[d];
    int64_t stride[CD_MAX_OPERANDS];
    memcpy(stride, p->stride[d], sizeof stride);
    for (; d < to; d++) {
        move_dim(p, d, d + 1);
    }
    p->shape[to] = size;
    memcpy(p->stride[to], stride, sizeof stride);
}

static void find_crossed(loop_plan *p)
{
    int cross = NO_DIM;
    for (int k = 1; k < p->n; k++) {
        int d = crossing(p, k);
        p->crossed[k] = d != NO_DIM && (cross == NO_DIM || cross == d);
        cross = p->crossed[k] ? d : cross;
    }
    p->any_crossed = cross != NO_DIM;
    if (p->any_crossed) {
        move_before_last(p, cross);
        p->columns = cdk_min(p->shape[p->ndim - 1], PATCH_COLUMNS);
        p->rows = cdk_min(p->shape[p->ndim - 2], PATCH / p->columns);
    }
}

#define DEFINE_TRANSPOSE(T)                                                                        \
    static void transpose_##T(T *to, const T *from, int64_t stride, int64_t rows, int64_t columns) \
    {                                                                                              \
        for (int64_t r = 0; r < rows; r++) {                                                       \
            for (int64_t c = 0; c < columns; c++) {                                                \
                to[r * columns + c] = from[c * stride + r];                                        \
            }                                                                                      \
        }                                                                                          \
    }

DEFINE_TRANSPOSE(uint8_t)
DEFINE_TRANSPOSE(uint64_t)

/* to[r][c] = element r along the last dimension but one and c along the last. */
static void transpose(void *to, const void *from, int64_t size, int64_t stride, int64_t rows, int64_t columns)
{
    if (size == sizeof(float)) {
        cdk_transpose(to, columns, from, stride, columns, rows);
    } else if (size == 1) {
        transpose_uint8_t(to, from, stride, rows, columns);
    } else {
        transpose_uint64_t(to, from, stride, rows, columns);
    }
}

/* Runs of n elements, one in each row: one run where every row goes on where the last has ended. */
static void run_rows(const loop_plan *p, char **data, const int64_t *row, const int64_t *stride, int64_t rows,
                     int64_t n)
{
    bool one_run = true;
    for (int k = 0; k < p->n; k++) {
        one_run = one_run && row[k] == n * stride[k];
    }
    for (int64_t r = 0; r < (one_run ? 1 : rows); r++) {
        p->body(p->context, data, stride, one_run ? rows * n : n);
        for (int k = 0; k < p->n; k++) {
            data[k] += row[k] * p->size[k];
        }
    }
}

/* The patch that starts at `at`. */
static void run_patch(const loop_plan *p, const position *at, int64_t rows, int64_t columns)
{
    uint64_t buffer[CD_MAX_OPERANDS - 1][PATCH];
    const int last = p->ndim - 1;
    char *data[CD_MAX_OPERANDS];
    int64_t row[CD_MAX_OPERANDS], stride[CD_MAX_OPERANDS];
    for (int k = 0; k < p->n; k++) {
        data[k] = p->crossed[k] ? (char *)buffer[k - 1] : at->data[k];
        row[k] = p->crossed[k] ? columns : p->stride[last - 1][k];
        stride[k] = p->crossed[k] ? 1 : p->stride[last][k];
        if (p->crossed[k]) {
            transpose(data[k], at->data[k], p->size[k], p->stride[last][k], rows, columns);
        }
    }
    run_rows(p, data, row, stride, rows, columns);
}

/* How many steps dimension d has, and how long they are. */
static int64_t steps(const loop_plan *p, int d, int64_t *length)
{
    *length = d == p->ndim - 1 ? p->columns : d == p->ndim - 2 ? p->rows : 1;
    return cdk_ceil_div(p->shape[d], *length);
}

/* Patch number i, counted along the last dimension first. */
static void go_to_patch(const loop_plan *p, position *at, int64_t i)
{
    for (int k = 0; k < p->n; k++) {
        at->data[k] = p->data[k];
    }
    for (int d = p->ndim - 1; d >= 0; d--) {
        int64_t length, count = steps(p, d, &length);
        at->index[d] = i % count * length;
        i /= count;
        shift(p, at, d, at->index[d]);
    }
}

static int64_t patch_count(const loop_plan *p)
{
    int64_t count = 1, length;
    for (int d = 0; d < p->ndim; d++) {
        count *= steps(p, d, &length);
    }
    return count;
}

static void run_patches(void *context, int64_t begin, int64_t end, int thread)
{
    const loop_plan *p = context;
    const int last = p->ndim - 1;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        position at;
        go_to_patch(p, &at, i);
        run_patch(p, &at, cdk_min(p->rows, p->shape[last - 1] - at.index[last - 1]),
                  cdk_min(p->columns, p->shape[last] - at.index[last]));
    }
}

cd_status cd_iterate(int n_operands, cd_tensor *const *operand, cd_run_body body, const void *context,
                     cd_error *err)
{
    loop_plan p = {.n = n_operands, .body = body, .context = context};
    const cd_tensor *out = operand[0];
    int64_t stride[CD_MAX_OPERANDS][CD_MAX_DIMS];
    for (int k = 0; k < n_operands; k++) {
        CD_TRY(cd_broadcast_strides(stride[k], operand[k], out->ndim, out->shape, err));
        p.data[k] = cd_tensor_data(operand[k]);
        p.size[k] = (int64_t)cd_dtype_size(operand[k]->dtype);
    }
    for (int d = 0; d < out->ndim; d++) {
        int64_t of_dim[CD_MAX_OPERANDS] = {0};
        for (int k = 0; k < n_operands; k++) {
            of_dim[k] = stride[k][d];
        }
        if (out->shape[d] != 1) {
            insert_dim(&p, out->shape[d], of_dim);
        }
    }
    if (p.ndim == 0) {
        int64_t none[CD_MAX_OPERANDS] = {0};
        insert_dim(&p, 1, none);
    }
    if (cd_tensor_numel(out) > 0) {
        merge_dims(&p);
        find_crossed(&p);
        if (p.any_crossed) {
            cd_parallel_for(patch_count(&p), GRAIN / PATCH, run_patches, &p);
        } else {
            cd_parallel_for(cd_tensor_numel(out), GRAIN, run_range, &p);
        }
    }
    return CD_OK;
}
