#include "tensor/elements.h"

#include <string.h>

#include "base/half.h"
#include "base/interrupt.h"
#include "base/parallel.h"
#include "kernels/by_dtype.h"
#include "kernels/sizes.h"
#include "kernels/stream.h"
#include "kernels/transpose.h"

/* Elements one thread should at least copy: below this, starting threads costs more than it saves. */
#define COPY_GRAIN 65536
/* From so many elements on the user may stop it. */
#define LONG_COPY ((int64_t)1 << 24)

typedef void (*copy_run)(char *dst, int64_t dst_step, const char *src, int64_t src_step, int64_t n);

typedef struct {
    cd_dtype from, to;
    copy_run run; /* NULL where one of them is only stored */
} copy_types;

#define TO_NUMBER(type, value) ((type)(value))
/* A negative float has no value as an unsigned byte in C; through int64_t it wraps as users expect. */
#define TO_BYTE(type, value) ((type)(int64_t)(value))
#define TO_BOOL(type, value) ((type)((value) != 0))

/* A number of elements that compilers turn into vector code. */
#define BLOCK 16

#define DEFINE_COPY(from_name, from, to_name, to, convert)                                                   \
    static void copy_##from_name##_##to_name(char *dst, int64_t dst_step, const char *src, int64_t src_step, \
                                             int64_t n)                                                      \
    {                                                                                                        \
        to *d = (to *)dst;                                                                                   \
        const from *s = (const from *)src;                                                                   \
        int64_t i = 0;                                                                                       \
        for (; dst_step == 1 && src_step == 1 && i + BLOCK <= n; i += BLOCK) {                               \
            to block[BLOCK];                                                                                 \
            for (int k = 0; k < BLOCK; k++) {                                                                \
                block[k] = convert(to, s[i + k]);                                                            \
            }                                                                                                \
            memcpy(d + i, block, sizeof block);                                                              \
        }                                                                                                    \
        if (dst_step == 1 && src_step == 0 && n >= BLOCK) {                                                  \
            to block[BLOCK];                                                                                 \
            for (int k = 0; k < BLOCK; k++) {                                                                \
                block[k] = convert(to, s[0]);                                                                \
            }                                                                                                \
            for (; i + BLOCK <= n; i += BLOCK) {                                                             \
                memcpy(d + i, block, sizeof block);                                                          \
            }                                                                                                \
        }                                                                                                    \
        for (; i < n; i++) {                                                                                 \
            d[i * dst_step] = convert(to, s[i * src_step]);                                                  \
        }                                                                                                    \
    }

#define DEFINE_COPIES_FROM(name, type)               \
    DEFINE_COPY(name, type, bool, uint8_t, TO_BOOL)  \
    DEFINE_COPY(name, type, u8, uint8_t, TO_BYTE)    \
    DEFINE_COPY(name, type, i32, int32_t, TO_NUMBER) \
    DEFINE_COPY(name, type, i64, int64_t, TO_NUMBER) \
    DEFINE_COPY(name, type, f32, float, TO_NUMBER)   \
    DEFINE_COPY(name, type, f64, double, TO_NUMBER)

/* A float to an unsigned byte goes through int64_t: the direct conversion of a
 * negative value is undefined. */
DEFINE_COPIES_FROM(u8, uint8_t)
DEFINE_COPIES_FROM(i32, int32_t)
DEFINE_COPIES_FROM(i64, int64_t)
DEFINE_COPIES_FROM(f32, float)
DEFINE_COPIES_FROM(f64, double)

#define COPIES_FROM(name)                                                                              \
    {                                                                                                  \
        copy_##name##_bool, copy_##name##_u8, copy_##name##_i32, copy_##name##_i64, copy_##name##_f32, \
            copy_##name##_f64                                                                          \
    }

#define COMPUTED_TYPES (CD_FLOAT64 + 1)

static const copy_run copies[COMPUTED_TYPES][COMPUTED_TYPES] = {
    [CD_BOOL] = COPIES_FROM(u8),   [CD_UINT8] = COPIES_FROM(u8),    [CD_INT32] = COPIES_FROM(i32),
    [CD_INT64] = COPIES_FROM(i64), [CD_FLOAT32] = COPIES_FROM(f32), [CD_FLOAT64] = COPIES_FROM(f64),
};

/* Types that are only stored, from and to the type they are computed in. */
#define DEFINE_STORED(name, stored, computed, load, store)                                              \
    static void load_##name(char *dst, int64_t dst_step, const char *src, int64_t src_step, int64_t n)  \
    {                                                                                                   \
        for (int64_t i = 0; i < n; i++) {                                                               \
            ((computed *)dst)[i * dst_step] = load(((const stored *)src)[i * src_step]);                \
        }                                                                                               \
    }                                                                                                   \
    static void store_##name(char *dst, int64_t dst_step, const char *src, int64_t src_step, int64_t n) \
    {                                                                                                   \
        for (int64_t i = 0; i < n; i++) {                                                               \
            ((stored *)dst)[i * dst_step] = store(((const computed *)src)[i * src_step]);               \
        }                                                                                               \
    }

#define AS_INT(x) ((int32_t)(x))
#define AS_CHAR(x) ((int8_t)(x))
#define AS_SHORT(x) ((int16_t)(x))

DEFINE_STORED(i8, int8_t, int32_t, AS_INT, AS_CHAR)
DEFINE_STORED(i16, int16_t, int32_t, AS_INT, AS_SHORT)
DEFINE_STORED(f16, uint16_t, float, cd_half_to_float, cd_float_to_half)
DEFINE_STORED(bf16, uint16_t, float, cd_bfloat_to_float, cd_float_to_bfloat)

static const struct {
    copy_run load, store;
} stored_types[CD_DTYPES] = {[CD_INT8] = {load_i8, store_i8},
                             [CD_INT16] = {load_i16, store_i16},
                             [CD_FLOAT16] = {load_f16, store_f16},
                             [CD_BFLOAT16] = {load_bf16, store_bf16}};

/* n elements of src, `step` apart, in the type that dtype is computed in; in `buffer` where that is another
 * one. */
static const char *loaded(void *buffer, const char *src, int64_t *step, cd_dtype dtype, int64_t n)
{
    if (stored_types[dtype].load == NULL) {
        return src;
    }
    stored_types[dtype].load(buffer, 1, src, *step, n);
    *step = 1;
    return buffer;
}

#define STORED_PIECE 64

/* Through the types that both are computed in, piece by piece. */
static void copy_stored(const copy_types *t, char *dst, int64_t dst_step, const char *src, int64_t src_step,
                        int64_t n)
{
    const copy_run convert = copies[cd_dtype_computed(t->from)][cd_dtype_computed(t->to)];
    const copy_run store = stored_types[t->to].store;
    const int64_t from_size = (int64_t)cd_dtype_size(t->from), to_size = (int64_t)cd_dtype_size(t->to);
    int64_t in[STORED_PIECE], out[STORED_PIECE]; /* room for elements of any type */
    for (int64_t i = 0; i < n; i += STORED_PIECE) {
        const int64_t m = cdk_min(STORED_PIECE, n - i);
        int64_t step = src_step;
        const char *from = loaded(in, src + i * src_step * from_size, &step, t->from, m);
        char *to = dst + i * dst_step * to_size;
        if (store == NULL) {
            convert(to, dst_step, from, step, m);
        } else {
            convert((char *)out, 1, from, step, m);
            store(to, dst_step, (const char *)out, 1, m);
        }
    }
}

static void copy_elements(const copy_types *t, char *dst, int64_t dst_step, const char *src, int64_t src_step,
                          int64_t n)
{
    if (t->run != NULL) {
        t->run(dst, dst_step, src, src_step, n);
    } else {
        copy_stored(t, dst, dst_step, src, src_step, n);
    }
}

static copy_types types_of_copy(cd_dtype from, cd_dtype to)
{
    const bool computed = from < COMPUTED_TYPES && to < COMPUTED_TYPES;
    return (copy_types){from, to, computed ? copies[from][to] : NULL};
}

cd_status cd_broadcast_strides(int64_t *stride, const cd_tensor *src, int ndim, const int64_t *shape,
                               cd_error *err)
{
    char from[CD_SHAPE_TEXT], to[CD_SHAPE_TEXT];
    int lead = ndim - src->ndim;
    if (lead < 0) {
        return cd_fail(err, CD_ESHAPE, "shape %s cannot be broadcast to %s.",
                       cd_shape_text(from, src->ndim, src->shape), cd_shape_text(to, ndim, shape));
    }
    for (int i = 0; i < ndim; i++) {
        int64_t size = i < lead ? 1 : src->shape[i - lead];
        if (size != 1 && size != shape[i]) {
            return cd_fail(err, CD_ESHAPE, "shape %s cannot be broadcast to %s.",
                           cd_shape_text(from, src->ndim, src->shape), cd_shape_text(to, ndim, shape));
        }
        stride[i] = size == 1 ? 0 : src->stride[i - lead];
    }
    return CD_OK;
}

/* A copy seen as nested loops, the fastest dimension of dst innermost, neighbours merged where possible. The
 * strides of src may be negative. */
typedef struct {
    int ndim;
    int64_t shape[CD_MAX_DIMS], dst_stride[CD_MAX_DIMS], src_stride[CD_MAX_DIMS];
    char *dst;
    const char *src;
    int64_t dst_size, src_size;
    copy_types types;
    bool same;    /* dtype */
    bool streams; /* whole floats, too many for the caches */
} copy_plan;

static void insert_by_dst_stride(copy_plan *p, int64_t size, int64_t dst_stride, int64_t src_stride)
{
    int at = p->ndim++;
    while (at > 0 && p->dst_stride[at - 1] < dst_stride) {
        p->shape[at] = p->shape[at - 1];
        p->dst_stride[at] = p->dst_stride[at - 1];
        p->src_stride[at] = p->src_stride[at - 1];
        at--;
    }
    p->shape[at] = size;
    p->dst_stride[at] = dst_stride;
    p->src_stride[at] = src_stride;
}

static void merge_neighbours(copy_plan *p)
{
    int kept = 0;
    for (int i = 1; i < p->ndim; i++) {
        bool joins = p->dst_stride[kept] == p->dst_stride[i] * p->shape[i] &&
                     p->src_stride[kept] == p->src_stride[i] * p->shape[i];
        if (joins) {
            p->shape[kept] *= p->shape[i];
        } else {
            kept++;
            p->shape[kept] = p->shape[i];
        }
        p->dst_stride[kept] = p->dst_stride[i];
        p->src_stride[kept] = p->src_stride[i];
    }
    p->ndim = p->ndim > 0 ? kept + 1 : 0;
}

/* A transposition reads and writes best in pieces that fit the first cache: squares (16 floats are one cache
 * line), or long runs where there are only a few columns, such as the three of a picture. */
#define TILE 16
#define FEW_COLUMNS 8
#define LONG_RUN 512

static bool is_transposition(const copy_plan *p)
{
    if (p->ndim < 2 || p->src_stride[p->ndim - 1] <= 1 || p->src_stride[p->ndim - 2] != 1) {
        return false;
    }
    const int64_t columns = p->shape[p->ndim - 1];
    return p->shape[p->ndim - 2] >= (columns < FEW_COLUMNS ? TILE : TILE / 2);
}

static bool in_whole_rows(const copy_plan *p)
{
    return p->same && p->dst_size == (int64_t)sizeof(float) && p->dst_stride[p->ndim - 1] == 1 &&
           p->shape[p->ndim - 1] >= FEW_COLUMNS;
}

/* Rows r .. r + n and columns c .. c + width of src, along the rows. */
static void copy_piece(const copy_plan *p, char *dst, const char *src, int64_t r, int64_t n, int64_t c,
                       int64_t width)
{
    int64_t dst_row = p->dst_stride[p->ndim - 2], dst_column = p->dst_stride[p->ndim - 1];
    int64_t src_column = p->src_stride[p->ndim - 1];
    for (int64_t column = c; column < c + width; column++) {
        copy_elements(&p->types, dst + (r * dst_row + column * dst_column) * p->dst_size, dst_row,
                      src + (r + column * src_column) * p->src_size, 1, n);
    }
}

static void copy_transposed(const copy_plan *p, char *dst, const char *src)
{
    int64_t rows = p->shape[p->ndim - 2], columns = p->shape[p->ndim - 1];
    if (in_whole_rows(p)) {
        cdk_transpose((float *)dst, p->dst_stride[p->ndim - 2], (const float *)src,
                      p->src_stride[p->ndim - 1], columns, rows);
        return;
    }
    int64_t length = columns < FEW_COLUMNS ? LONG_RUN : TILE;
    for (int64_t r = 0; r < rows; r += length) {
        for (int64_t c = 0; c < columns; c += TILE) {
            copy_piece(p, dst, src, r, cdk_min(length, rows - r), c, cdk_min(TILE, columns - c));
        }
    }
}

/* Same bytes in the same order: from this many elements on it pays to say so. */
#define BYTES_RUN 16
/* And from so many on to write them past the caches. */
#define STREAM_RUN 512

static void copy_run_at(const copy_plan *p, char *dst, const char *src)
{
    int inner = p->ndim - 1;
    int64_t n = p->shape[inner];
    if (p->streams && n >= STREAM_RUN && p->dst_stride[inner] == 1 && p->src_stride[inner] == 1) {
        cdk_move_out(dst, src, n * p->dst_size);
    } else if (p->streams && n >= STREAM_RUN && p->dst_stride[inner] == 1 && p->src_stride[inner] == 0 &&
               p->dst_size == (int64_t)sizeof(float)) {
        float value;
        memcpy(&value, src, sizeof value);
        cdk_fill_out((float *)(void *)dst, value, n);
    } else if (p->same && n >= BYTES_RUN && p->dst_stride[inner] == 1 && p->src_stride[inner] == 1) {
        memcpy(dst, src, (size_t)(n * p->dst_size));
    } else {
        copy_elements(&p->types, dst, p->dst_stride[inner], src, p->src_stride[inner], n);
    }
}

/* Where item i of the outer dimensions lies (bytes). */
static void go_to_item(const copy_plan *p, int outer, int64_t i, char **dst, const char **src)
{
    int64_t dst_at = 0, src_at = 0;
    for (int d = outer - 1; d >= 0; d--) {
        int64_t index = i % p->shape[d];
        i /= p->shape[d];
        dst_at += index * p->dst_stride[d];
        src_at += index * p->src_stride[d];
    }
    *dst = p->dst + dst_at * p->dst_size;
    *src = p->src + src_at * p->src_size;
}

static void copy_range(void *context, int64_t begin, int64_t end, int thread)
{
    const copy_plan *p = context;
    const bool transposes = is_transposition(p);
    const int outer = p->ndim - (transposes ? 2 : 1), last = outer - 1;
    (void)thread;
    for (int64_t i = begin; i < end;) {
        char *dst;
        const char *src;
        int64_t n = outer > 0 ? cdk_min(end - i, p->shape[last] - i % p->shape[last]) : 1;
        go_to_item(p, outer, i, &dst, &src);
        for (int64_t k = 0; k < n; k++) {
            (transposes ? copy_transposed : copy_run_at)(p, dst, src);
            dst += outer > 0 ? p->dst_stride[last] * p->dst_size : 0;
            src += outer > 0 ? p->src_stride[last] * p->src_size : 0;
        }
        i += n;
    }
}

/* A part of the one run of a plan: threads share it. */
static void copy_part_of_run(void *context, int64_t begin, int64_t end, int thread)
{
    copy_plan part = *(const copy_plan *)context;
    (void)thread;
    part.shape[0] = end - begin;
    copy_run_at(&part, part.dst + begin * part.dst_stride[0] * part.dst_size,
                part.src + begin * part.src_stride[0] * part.src_size);
}

/* A transposed matrix by blocks of rows. */
typedef struct {
    const copy_plan *plan;
    int64_t rows; /* of a block */
} row_blocks;

static void copy_row_blocks(void *context, int64_t begin, int64_t end, int thread)
{
    const row_blocks *b = context;
    for (int64_t i = begin; i < end; i++) {
        copy_plan part = *b->plan;
        const int64_t row = i * b->rows;
        part.shape[0] = cdk_min(b->rows, part.shape[0] - row);
        part.dst += row * part.dst_stride[0] * part.dst_size;
        part.src += row * part.src_stride[0] * part.src_size;
        copy_range(&part, 0, 1, thread);
    }
}

#define ROWS_OF_BLOCK 256

static bool copied_by_row_blocks(copy_plan *p)
{
    if (p->ndim != 2 || !is_transposition(p) || p->shape[0] < 2 * ROWS_OF_BLOCK) {
        return false;
    }
    row_blocks b = {p, ROWS_OF_BLOCK};
    cd_parallel_chunks((p->shape[0] + b.rows - 1) / b.rows, 1, copy_row_blocks, &b);
    return true;
}

static void run_plan(copy_plan *p)
{
    if (p->ndim == 0) {
        copy_elements(&p->types, p->dst, 1, p->src, 1, 1);
        return;
    }
    merge_neighbours(p);
    if (p->ndim == 1) {
        cd_parallel_for(p->shape[0], COPY_GRAIN, copy_part_of_run, p);
        return;
    }
    if (copied_by_row_blocks(p)) {
        return;
    }
    int outer = p->ndim - (is_transposition(p) ? 2 : 1);
    int64_t items = 1, inner_items = 1;
    for (int d = 0; d < p->ndim; d++) {
        *(d < outer ? &items : &inner_items) *= p->shape[d];
    }
    int64_t grain = COPY_GRAIN / (inner_items > 0 ? inner_items : 1) + 1;
    cd_parallel_for(items, grain, copy_range, p);
}

cd_status cd_elements_copy(cd_tensor *dst, const cd_tensor *src, const bool *reversed, cd_error *err)
{
    int64_t src_stride[CD_MAX_DIMS];
    copy_plan plan = {0};
    CD_TRY(cd_broadcast_strides(src_stride, src, dst->ndim, dst->shape, err));
    if (cd_tensor_numel(dst) == 0) {
        return CD_OK;
    }
    plan.dst = cd_tensor_data(dst);
    plan.src = cd_tensor_data(src);
    plan.dst_size = (int64_t)cd_dtype_size(dst->dtype);
    plan.src_size = (int64_t)cd_dtype_size(src->dtype);
    plan.types = types_of_copy(src->dtype, dst->dtype);
    plan.same = src->dtype == dst->dtype;
    plan.streams = plan.same && plan.dst_size % (int64_t)sizeof(float) == 0 &&
                   cdk_streams(cd_tensor_numel(dst) * plan.dst_size);
    for (int i = 0; i < dst->ndim; i++) {
        if (reversed != NULL && reversed[i]) {
            plan.src += (dst->shape[i] - 1) * src_stride[i] * plan.src_size;
            src_stride[i] = -src_stride[i];
        }
        if (dst->shape[i] != 1) {
            insert_by_dst_stride(&plan, dst->shape[i], dst->stride[i], src_stride[i]);
        }
    }
    const bool is_long = cd_stoppable_begin(cd_tensor_numel(dst) >= LONG_COPY);
    run_plan(&plan);
    return cd_stoppable_end(is_long, CD_OK, err);
}

double cd_tensor_get(const cd_tensor *t, int64_t position)
{
    double value;
    int64_t at = 0;
    for (int d = t->ndim - 1; d >= 0; d--) {
        at += position % t->shape[d] * t->stride[d];
        position /= t->shape[d];
    }
    const char *element = (const char *)cd_tensor_data(t) + at * (int64_t)cd_dtype_size(t->dtype);
    const copy_types types = types_of_copy(t->dtype, CD_FLOAT64);
    copy_elements(&types, (char *)&value, 1, element, 1, 1);
    return value;
}

/* ---- sums over broadcast dimensions ---- */

/* Adds t, element by element in row-major order, to sum at its broadcast position. */
#define DEFINE_ADD(name, type)                                                          \
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

DEFINE_ADD(add_f32, float)
DEFINE_ADD(add_f64, double)

cd_status cd_elements_add(cd_tensor *sum, const cd_tensor *t, cd_error *err)
{
    static void (*const add[CD_DTYPES])(double *, const int64_t *, const cd_tensor *) = CDK_FLOATS(add);
    int64_t stride[CD_MAX_DIMS];
    CD_TRY(cd_broadcast_strides(stride, sum, t->ndim, t->shape, err));
    add[t->dtype](cd_tensor_data(sum), stride, t);
    return CD_OK;
}
