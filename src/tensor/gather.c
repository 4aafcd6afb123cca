#include "tensor/gather.h"

#include "base/parallel.h"

/* Elements a thread should at least work on. */
#define GRAIN 16384

/* Elements of the index are taken a row of its last dimension at a time, or the columns first .. end - 1 of
 * one. */
typedef struct along {
    const cd_tensor *x, *index;
    int dim;
    const int64_t *position;
    void *data, *y;
    int64_t rows, columns, step, column_step; /* steps in x: of a position, and from column to column */
    void (*run)(const struct along *a, int64_t row, int64_t end_row, int64_t first, int64_t end);
} along;

/* Offset in x of the first element of a row, but for its positions. */
static int64_t row_offset(const along *a, int64_t row)
{
    int64_t offset = 0;
    for (int d = a->index->ndim - 2; d >= 0; d--) {
        offset += d == a->dim ? 0 : row % a->index->shape[d] * a->x->stride[d];
        row /= a->index->shape[d];
    }
    return offset;
}

#define DEFINE_ALONG(name, type, statement)                                                       \
    static void name(const along *a, int64_t row, int64_t end_row, int64_t first, int64_t end)    \
    {                                                                                             \
        const int64_t step = a->step, column_step = a->column_step;                               \
        for (; row < end_row; row++) {                                                            \
            const int64_t *position = a->position + row * a->columns;                             \
            type *x = (type *)a->data + row_offset(a, row), *y = (type *)a->y + row * a->columns; \
            for (int64_t i = first; i < end; i++) {                                               \
                type *at = x + position[i] * step + i * column_step;                              \
                statement;                                                                        \
            }                                                                                     \
        }                                                                                         \
    }

DEFINE_ALONG(gather_1, uint8_t, y[i] = *at)
DEFINE_ALONG(gather_4, uint32_t, y[i] = *at)
DEFINE_ALONG(gather_8, uint64_t, y[i] = *at)
DEFINE_ALONG(scatter_1, uint8_t, *at = y[i])
DEFINE_ALONG(scatter_4, uint32_t, *at = y[i])
DEFINE_ALONG(scatter_8, uint64_t, *at = y[i])
DEFINE_ALONG(scatter_add_u8, uint8_t, *at = (uint8_t)(*at + y[i]))
DEFINE_ALONG(scatter_add_i32, int32_t, *at += y[i])
DEFINE_ALONG(scatter_add_i64, int64_t, *at += y[i])
DEFINE_ALONG(scatter_add_f32, float, *at += y[i])
DEFINE_ALONG(scatter_add_f64, double, *at += y[i])

typedef void along_run(const along *a, int64_t row, int64_t end_row, int64_t first, int64_t end);

static void rows_range(void *context, int64_t begin, int64_t end, int thread)
{
    const along *a = context;
    (void)thread;
    a->run(a, begin, end, 0, a->columns);
}

static void columns_range(void *context, int64_t begin, int64_t end, int thread)
{
    const along *a = context;
    (void)thread;
    a->run(a, 0, a->rows, begin, end);
}

static along along_of(const cd_tensor *x, const cd_tensor *y, const cd_tensor *index, int dim, along_run *run)
{
    const int last = index->ndim - 1;
    along a = {.x = x, .index = index, .dim = dim, .run = run, .rows = 1, .columns = 1};
    a.position = cd_tensor_data(index);
    a.data = cd_tensor_data(x);
    a.y = cd_tensor_data(y);
    a.step = x->ndim > 0 ? x->stride[dim] : 0;
    a.columns = last >= 0 ? index->shape[last] : 1;
    a.column_step = last < 0 || last == dim ? 0 : x->stride[last];
    for (int d = 0; d < last; d++) {
        a.rows *= index->shape[d];
    }
    return a;
}

/* Types that are only moved, by size. */
static along_run *of_size(size_t size, along_run *one, along_run *four, along_run *eight)
{
    return size == 1 ? one : size == 4 ? four : eight;
}

void cd_gather(cd_tensor *y, const cd_tensor *x, const cd_tensor *positions, int dim)
{
    along a = along_of(x, y, positions, dim, of_size(cd_dtype_size(x->dtype), gather_1, gather_4, gather_8));
    cd_parallel_for(a.rows, GRAIN / (a.columns + 1) + 1, rows_range, &a);
}

/* Rows of another dimension than dim go to different elements; along dim itself threads share the columns
 * out. */
void cd_scatter(cd_tensor *x, const cd_tensor *y, const cd_tensor *positions, int dim, bool adding)
{
    static along_run *const add[CD_DTYPES] = {
        [CD_BOOL] = scatter_1,        [CD_UINT8] = scatter_add_u8,    [CD_INT32] = scatter_add_i32,
        [CD_INT64] = scatter_add_i64, [CD_FLOAT32] = scatter_add_f32, [CD_FLOAT64] = scatter_add_f64};
    along_run *move = of_size(cd_dtype_size(x->dtype), scatter_1, scatter_4, scatter_8);
    along a = along_of(x, y, positions, dim, adding ? add[x->dtype] : move);
    if (dim == positions->ndim - 1) {
        cd_parallel_for(a.rows, GRAIN / (a.columns + 1) + 1, rows_range, &a);
    } else {
        cd_parallel_for(a.columns, GRAIN / (a.rows + 1) + 1, columns_range, &a);
    }
}
