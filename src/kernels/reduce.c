/* Before all others: loops are to become vector code. */
#include "kernels/levels.h"

#include "kernels/reduce.h"

#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"

/* Elements of x one piece reads, and columns it keeps sums of: half of the first cache. */
#define PIECE 32768
#define COLUMNS 2048
#define LANES 8

/* Partial results of a row of floats. */
#define FLOAT_LANES 16

#define CDK_TEMPLATE "kernels/reduce_loops.h"
#define CDK_WITH_AVX512
#include "kernels/each_level.h"

/* One piece: y[0 .. columns) over n rows of x, rows `step` elements apart. */
typedef void (*piece_run)(void *y, const void *x, int64_t n, int64_t columns, int64_t step);

#define ADD(a, v) ((a) + (v))
#define MULTIPLY(a, v) ((a) * (v))
#define LARGER(a, v) ((v) > (a) || (v) != (v) ? (v) : (a))
#define SMALLER(a, v) ((v) < (a) || (v) != (v) ? (v) : (a))

/* calc is the type computed in: unsigned for sums of integers, where wrapping around is defined. */
#define DEFINE_PIECE(name, type, calc, start, combine)                                 \
    static void name(void *y, const void *x, int64_t n, int64_t columns, int64_t step) \
    {                                                                                  \
        calc *sum = y;                                                                 \
        const type *row = x;                                                           \
        if (columns == 1 && step == 1) {                                               \
            calc lane[LANES];                                                          \
            int64_t whole = n / LANES * LANES;                                         \
            for (int k = 0; k < LANES; k++) {                                          \
                lane[k] = start;                                                       \
            }                                                                          \
            for (int64_t i = 0; i < whole; i += LANES) {                               \
                for (int k = 0; k < LANES; k++) {                                      \
                    const calc v = (calc)row[i + k];                                   \
                    lane[k] = combine(lane[k], v);                                     \
                }                                                                      \
            }                                                                          \
            for (int64_t i = whole; i < n; i++) {                                      \
                const calc v = (calc)row[i];                                           \
                lane[0] = combine(lane[0], v);                                         \
            }                                                                          \
            for (int k = 1; k < LANES; k++) {                                          \
                lane[0] = combine(lane[0], lane[k]);                                   \
            }                                                                          \
            sum[0] = lane[0];                                                          \
            return;                                                                    \
        }                                                                              \
        for (int64_t j = 0; j < columns; j++) {                                        \
            sum[j] = start;                                                            \
        }                                                                              \
        for (int64_t i = 0; i < n; i++, row += step) {                                 \
            for (int64_t j = 0; j < columns; j++) {                                    \
                const calc v = (calc)row[j];                                           \
                sum[j] = combine(sum[j], v);                                           \
            }                                                                          \
        }                                                                              \
    }

#define DEFINE_PIECES(s, type, calc, extreme, lowest, highest) \
    DEFINE_PIECE(sum_##s, type, calc, 0, ADD)                  \
    DEFINE_PIECE(product_##s, type, calc, 1, MULTIPLY)         \
    DEFINE_PIECE(largest_##s, type, extreme, lowest, LARGER)   \
    DEFINE_PIECE(smallest_##s, type, extreme, highest, SMALLER)

#define INFINITE (1e308 * 10)
DEFINE_PIECES(u8, uint8_t, uint64_t, int64_t, INT64_MIN, INT64_MAX)
DEFINE_PIECES(i32, int32_t, uint64_t, int64_t, INT64_MIN, INT64_MAX)
DEFINE_PIECES(i64, int64_t, uint64_t, int64_t, INT64_MIN, INT64_MAX)
DEFINE_PIECES(f32, float, double, double, -INFINITE, INFINITE)
DEFINE_PIECES(f64, double, double, double, -INFINITE, INFINITE)

/* Floats: rows and columns have loops of their own, for each level. */
#define FLOAT_PIECE(reduction)                                                                       \
    static void reduction##_floats(void *y, const void *x, int64_t n, int64_t columns, int64_t step) \
    {                                                                                                \
        if (n == 0) {                                                                                \
            reduction##_f32(y, x, n, columns, step);                                                 \
        } else if (columns == 1 && step == 1) {                                                      \
            CDK_FOR_CPU_512(reduction##_rows)(y, x, 1, n);                                           \
        } else {                                                                                     \
            CDK_FOR_CPU_512(reduction##_columns)(y, x, n, columns, step);                            \
        }                                                                                            \
    }

FLOAT_PIECE(sum)
FLOAT_PIECE(largest)
FLOAT_PIECE(smallest)

#define PIECES(s)                                       \
    {                                                   \
        sum_##s, product_##s, largest_##s, smallest_##s \
    }
static const piece_run pieces[CD_DTYPES][CDK_REDUCTIONS] = {
    [CD_BOOL] = PIECES(u8),
    [CD_UINT8] = PIECES(u8),
    [CD_INT32] = PIECES(i32),
    [CD_INT64] = PIECES(i64),
    [CD_FLOAT32] = {sum_floats, product_f32, largest_floats, smallest_floats},
    [CD_FLOAT64] = PIECES(f64),
};

typedef struct {
    piece_run run;
    char *y; /* [outer][chunks][inner] of 8 bytes */
    const char *x;
    int64_t size, n, inner, rows, chunks, blocks;
} reduce_work;

/* Items are rows that lie side by side. */
static void reduce_rows(void *context, int64_t begin, int64_t end, int thread)
{
    const reduce_work *w = context;
    (void)thread;
    if (w->run == sum_floats && w->n > 0) {
        const float *x = (const float *)(const void *)w->x + begin * w->n;
        CDK_FOR_CPU_512(sum_rows)((double *)(void *)w->y + begin, x, end - begin, w->n);
        return;
    }
    for (int64_t item = begin; item < end; item++) {
        w->run(w->y + item * 8, w->x + item * w->n * w->size, w->n, 1, 1);
    }
}

/* Items are (outer, chunk of rows, block of columns). */
static void reduce_range(void *context, int64_t begin, int64_t end, int thread)
{
    const reduce_work *w = context;
    (void)thread;
    for (int64_t item = begin; item < end; item++) {
        int64_t column = item % w->blocks * COLUMNS, chunk = item / w->blocks % w->chunks;
        int64_t o = item / w->blocks / w->chunks, row = chunk * w->rows;
        int64_t columns = w->inner - column < COLUMNS ? w->inner - column : COLUMNS;
        int64_t rows = w->n - row < w->rows ? w->n - row : w->rows;
        char *y = w->y + ((o * w->chunks + chunk) * w->inner + column) * 8;
        w->run(y, w->x + ((o * w->n + row) * w->inner + column) * w->size, rows, columns, w->inner);
    }
}

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

cd_status cdk_reduce(void *y, cdk_reduction reduction, const void *x, cd_dtype type, int64_t outer, int64_t n,
                     int64_t inner, cd_error *err)
{
    int64_t width = inner < COLUMNS ? inner : COLUMNS;
    reduce_work w = {.run = pieces[type][reduction],
                     .y = y,
                     .x = x,
                     .size = (int64_t)cd_dtype_size(type),
                     .n = n,
                     .inner = inner};
    if (outer == 0 || inner == 0) {
        return CD_OK;
    }
    w.rows = width < PIECE ? PIECE / width : 1;
    w.chunks = n > w.rows ? divide_up(n, w.rows) : 1;
    w.blocks = divide_up(inner, COLUMNS);
    int64_t elements = (n > 0 ? n : 1) * inner * outer, items = outer * w.chunks * w.blocks;
    void *partial = NULL;
    if (w.chunks > 1) {
        size_t nbytes;
        CD_TRY(cd_memory_size(&nbytes, (size_t)(outer * w.chunks), (size_t)inner, 8, err));
        CD_TRY(cd_memory_alloc(&partial, nbytes, err));
        w.y = partial;
    }
    cd_parallel_for(items, divide_up(PIECE, divide_up(elements, items)),
                    inner == 1 && w.chunks == 1 ? reduce_rows : reduce_range, &w);
    cd_status status = CD_OK;
    if (w.chunks > 1) {
        cd_dtype sums = cd_dtype_widest(type);
        status = cdk_reduce(y, reduction, partial, sums, outer, w.chunks, inner, err);
    }
    cd_memory_free(partial);
    return status;
}

/* ---- position of the extreme ---- */

typedef struct {
    void *value;
    int64_t *index;
    const void *x;
    int64_t n, inner, blocks;
} extreme_work;

typedef void (*extreme_run)(const extreme_work *w, int64_t o, int64_t column, int64_t columns);

#define EXTREME_COLUMNS 512

#define DEFINE_EXTREME(name, type, relation)                                            \
    static void name(const extreme_work *w, int64_t o, int64_t column, int64_t columns) \
    {                                                                                   \
        const type *x = (const type *)w->x + o * w->n * w->inner + column;              \
        type *value = w->value;                                                         \
        type best[EXTREME_COLUMNS];                                                     \
        int32_t at[EXTREME_COLUMNS];                                                    \
        int64_t first = o * w->inner + column;                                          \
        for (int64_t j = 0; j < columns; j++) {                                         \
            best[j] = x[j];                                                             \
            at[j] = 0;                                                                  \
        }                                                                               \
        for (int32_t i = 1; i < w->n; i++) {                                            \
            const type *row = x + i * w->inner;                                         \
            for (int64_t j = 0; j < columns; j++) {                                     \
                const type v = row[j], b = best[j];                                     \
                const int wins = ((v relation b) | (v != v)) & (b == b);                \
                best[j] = wins ? v : b;                                                 \
                at[j] = wins ? i : at[j];                                               \
            }                                                                           \
        }                                                                               \
        for (int64_t j = 0; j < columns; j++) {                                         \
            w->index[first + j] = at[j] + 1;                                            \
            if (value != NULL) {                                                        \
                value[first + j] = best[j];                                             \
            }                                                                           \
        }                                                                               \
    }

/* `columns` rows of n elements that lie side by side, from row `first` on; one row after the other. */
#define DEFINE_ROW_EXTREME(name, type, relation)                                            \
    static void name(const extreme_work *w, int64_t first, int64_t column, int64_t columns) \
    {                                                                                       \
        const type *x = (const type *)w->x + first * w->n;                                  \
        type *value = w->value;                                                             \
        (void)column;                                                                       \
        for (int64_t o = first; o < first + columns; o++, x += w->n) {                      \
            type best = x[0];                                                               \
            int64_t at = 0;                                                                 \
            for (int64_t i = 1; i < w->n; i++) {                                            \
                const type v = x[i];                                                        \
                const int wins = ((v relation best) | (v != v)) & (best == best);           \
                best = wins ? v : best;                                                     \
                at = wins ? i : at;                                                         \
            }                                                                               \
            w->index[o] = at + 1;                                                           \
            if (value != NULL) {                                                            \
                value[o] = best;                                                            \
            }                                                                               \
        }                                                                                   \
    }

/* The same for short rows: many at once, element by element. */
#define SHORT_ROW 32
#define DEFINE_SHORT_EXTREME(name, type, relation)                                          \
    static void name(const extreme_work *w, int64_t first, int64_t column, int64_t columns) \
    {                                                                                       \
        const int64_t n = w->n;                                                             \
        type *value = w->value;                                                             \
        type best[EXTREME_COLUMNS];                                                         \
        int32_t at[EXTREME_COLUMNS];                                                        \
        (void)column;                                                                       \
        for (int64_t o = first, rows; o < first + columns; o += rows) {                     \
            const type *x = (const type *)w->x + o * n;                                     \
            rows = first + columns - o;                                                     \
            rows = rows < EXTREME_COLUMNS ? rows : EXTREME_COLUMNS;                         \
            for (int64_t j = 0; j < rows; j++) {                                            \
                best[j] = x[j * n];                                                         \
                at[j] = 1;                                                                  \
            }                                                                               \
            for (int32_t i = 1; i < n; i++) {                                               \
                for (int64_t j = 0; j < rows; j++) {                                        \
                    const type v = x[j * n + i], b = best[j];                               \
                    const int wins = ((v relation b) | (v != v)) & (b == b);                \
                    best[j] = wins ? v : b;                                                 \
                    at[j] = wins ? i + 1 : at[j];                                           \
                }                                                                           \
            }                                                                               \
            for (int64_t j = 0; j < rows; j++) {                                            \
                w->index[o + j] = at[j];                                                    \
            }                                                                               \
            for (int64_t j = 0; j < rows && value != NULL; j++) {                           \
                value[o + j] = best[j];                                                     \
            }                                                                               \
        }                                                                                   \
    }

#define DEFINE_EXTREMES(s, type)                 \
    DEFINE_EXTREME(first_max_##s, type, >)       \
    DEFINE_EXTREME(first_min_##s, type, <)       \
    DEFINE_ROW_EXTREME(row_max_##s, type, >)     \
    DEFINE_ROW_EXTREME(row_min_##s, type, <)     \
    DEFINE_SHORT_EXTREME(short_max_##s, type, >) \
    DEFINE_SHORT_EXTREME(short_min_##s, type, <)

DEFINE_EXTREMES(u8, uint8_t)
DEFINE_EXTREMES(i32, int32_t)
DEFINE_EXTREMES(i64, int64_t)
DEFINE_EXTREMES(f32, float)
DEFINE_EXTREMES(f64, double)

#define EXTREMES(s)                                                                          \
    {                                                                                        \
        first_max_##s, first_min_##s, row_max_##s, row_min_##s, short_max_##s, short_min_##s \
    }
static const extreme_run extremes[CD_DTYPES][6] = {
    [CD_BOOL] = EXTREMES(u8),   [CD_UINT8] = EXTREMES(u8),    [CD_INT32] = EXTREMES(i32),
    [CD_INT64] = EXTREMES(i64), [CD_FLOAT32] = EXTREMES(f32), [CD_FLOAT64] = EXTREMES(f64),
};

typedef struct {
    extreme_work w;
    extreme_run run;
} extreme_job;

static void extreme_range(void *context, int64_t begin, int64_t end, int thread)
{
    const extreme_job *job = context;
    (void)thread;
    if (job->w.inner == 1) {
        job->run(&job->w, begin, 0, end - begin);
        return;
    }
    for (int64_t item = begin; item < end; item++) {
        int64_t column = item % job->w.blocks * EXTREME_COLUMNS;
        int64_t left = job->w.inner - column;
        job->run(&job->w, item / job->w.blocks, column, left < EXTREME_COLUMNS ? left : EXTREME_COLUMNS);
    }
}

void cdk_arg_extreme(void *value, int64_t *index, int smallest, const void *x, cd_dtype type, int64_t outer,
                     int64_t n, int64_t inner)
{
    extreme_job job = {
        {value, index, x, n, inner, divide_up(inner, EXTREME_COLUMNS)},
        extremes[type][(smallest != 0) + 2 * (inner == 1) + 2 * (inner == 1 && n <= SHORT_ROW)]};
    int64_t width = inner < EXTREME_COLUMNS ? inner : EXTREME_COLUMNS;
    cd_parallel_for(outer * job.w.blocks, PIECE / (n * width + 1) + 1, extreme_range, &job);
}

/* ---- cumulative sums and products ---- */

typedef void (*cumulate_run)(void *y, const void *x, int64_t n, int64_t step);

#define DEFINE_CUMULATE(name, type, calc, start, combine)             \
    static void name(void *y, const void *x, int64_t n, int64_t step) \
    {                                                                 \
        calc total = start;                                           \
        for (int64_t i = 0; i < n; i++) {                             \
            const calc v = (calc)((const type *)x)[i * step];         \
            total = combine(total, v);                                \
            ((type *)y)[i * step] = (type)total;                      \
        }                                                             \
    }

#define DEFINE_CUMULATES(s, type, calc)             \
    DEFINE_CUMULATE(cumsum_##s, type, calc, 0, ADD) \
    DEFINE_CUMULATE(cumprod_##s, type, calc, 1, MULTIPLY)

DEFINE_CUMULATES(i64, int64_t, uint64_t)
DEFINE_CUMULATES(i32, int32_t, uint64_t)
DEFINE_CUMULATES(u8, uint8_t, uint64_t)
DEFINE_CUMULATES(f32, float, double)
DEFINE_CUMULATES(f64, double, double)

static const cumulate_run cumulates[CD_DTYPES][2] = {
    [CD_BOOL] = {cumsum_u8, cumprod_u8},      [CD_UINT8] = {cumsum_u8, cumprod_u8},
    [CD_INT32] = {cumsum_i32, cumprod_i32},   [CD_INT64] = {cumsum_i64, cumprod_i64},
    [CD_FLOAT32] = {cumsum_f32, cumprod_f32}, [CD_FLOAT64] = {cumsum_f64, cumprod_f64},
};

void cdk_cumulate(void *y, int product, const void *x, cd_dtype type, int64_t outer, int64_t n, int64_t inner)
{
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t j = 0; j < inner; j++) {
            int64_t at = (o * n * inner + j) * (int64_t)cd_dtype_size(type);
            cumulates[type][product != 0]((char *)y + at, (const char *)x + at, n, inner);
        }
    }
}

/* ---- gradients ---- */

/* dx[k] = sum over i >= k of dy[i] times the product of x[0..i] without x[k] */
static void cumprod_row_gradient(double *dx, const double *dy, const double *x, int64_t n, int64_t step)
{
    double before = 1;
    for (int64_t k = 0; k < n; k++) {
        double product = before, sum = 0;
        for (int64_t i = k; i < n; i++) {
            product *= i > k ? x[i * step] : 1;
            sum += dy[i * step] * product;
        }
        dx[k * step] = sum;
        before *= x[k * step];
    }
}

/* Where row number `row` of the outer * inner rows begins. */
static int64_t row_start(int64_t row, cdk_middle s)
{
    return row / s.inner * s.n * s.inner + row % s.inner;
}

void cdk_cumprod_gradient(double *dx, const double *dy, const double *x, cdk_middle shape)
{
    for (int64_t row = 0; row < shape.outer * shape.inner; row++) {
        int64_t at = row_start(row, shape);
        cumprod_row_gradient(dx + at, dy + at, x + at, shape.n, shape.inner);
    }
}

#define DEFINE_CUMSUM_GRADIENT(T, suffix)                                              \
    static void cumsum_gradient_##suffix(void *to, const void *from, cdk_middle shape) \
    {                                                                                  \
        for (int64_t row = 0; row < shape.outer * shape.inner; row++) {                \
            T *dx = (T *)to + row_start(row, shape);                                   \
            const T *dy = (const T *)from + row_start(row, shape);                     \
            double sum = 0;                                                            \
            for (int64_t i = shape.n - 1; i >= 0; i--) {                               \
                sum += dy[i * shape.inner];                                            \
                dx[i * shape.inner] = (T)sum;                                          \
            }                                                                          \
        }                                                                              \
    }

DEFINE_CUMSUM_GRADIENT(float, f32)
DEFINE_CUMSUM_GRADIENT(double, f64)

cdk_cumsum_gradient_run *const cdk_cumsum_gradient[CD_DTYPES] = CDK_FLOATS(cumsum_gradient);

/* From the products of what lies before and behind an element. */
static void product_row_gradient(double *dx, double dy, const double *x, int64_t n, int64_t step)
{
    double before = 1, behind = 1;
    for (int64_t i = 0; i < n; i++) {
        dx[i * step] = before * dy;
        before *= x[i * step];
    }
    for (int64_t i = n - 1; i >= 0; i--) {
        dx[i * step] *= behind;
        behind *= x[i * step];
    }
}

void cdk_product_gradient(double *dx, const double *dy, const double *x, cdk_middle shape)
{
    for (int64_t row = 0; row < shape.outer * shape.inner; row++) {
        int64_t at = row_start(row, shape);
        product_row_gradient(dx + at, dy[row], x + at, shape.n, shape.inner);
    }
}

#define DEFINE_RETURN(T, suffix)                                                                   \
    static void return_found_##suffix(void *to, const int64_t *index, const void *from, int64_t m, \
                                      cdk_middle shape)                                            \
    {                                                                                              \
        T *dx = to;                                                                                \
        const T *dy = from;                                                                        \
        memset(dx, 0, (size_t)(shape.outer * shape.n * shape.inner) * sizeof *dx);                 \
        for (int64_t i = 0; i < shape.outer * m * shape.inner; i++) {                              \
            int64_t o = i / (m * shape.inner), j = i % shape.inner;                                \
            dx[(o * shape.n + index[i] - 1) * shape.inner + j] += dy[i];                           \
        }                                                                                          \
    }

DEFINE_RETURN(float, f32)
DEFINE_RETURN(double, f64)

cdk_return_found_run *const cdk_return_found[CD_DTYPES] = CDK_FLOATS(return_found);
