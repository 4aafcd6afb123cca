/* 3 x 3 kernels of depthwise convolutions on strips, see kernels/isa.h. Included once for each instruction
 * set, after its vectors (kernels/vec.h), DEPTHWISE3_PIXELS and channels_template.h.
 *
 * A few rows at a time, vector after vector: what lies together in memory is read and written together.
 * `rows`, `stride` and `pixels` are constants at every call, so that taps without an output vanish. Local
 * arrays are indexed by constants only, which lets compilers keep them in registers. */

/* Where there are registers for them, outputs of two rows are computed at once, which share inputs and
 * weights; then it is the next vector's turn. Otherwise a vector goes through all rows of a strip, with its
 * weights (or sums) in registers. */
#if DEPTHWISE3_PIXELS > 4
#define STRIP_ROWS_AT_ONCE 2
#define STRIP_MANY_ROWS 0
#else
#define STRIP_ROWS_AT_ONCE 1
#define STRIP_MANY_ROWS 1
#endif

#define STRIP_EACH_ROW(X) X(0) X(1) X(2) X(3) X(4)
#define STRIP_EACH_COLUMN(X, r) \
    X(r, 0)                     \
    X(r, 1)                     \
    X(r, 2)                     \
    X(r, 3) X(r, 4) X(r, 5) X(r, 6) X(r, 7) X(r, 8) X(r, 9) X(r, 10) X(r, 11) X(r, 12) X(r, 13) X(r, 14)
/* Outputs of two rows: X(output, row, pixel). */
#define STRIP_EACH_OUTPUT(X) \
    X(0, 0, 0)               \
    X(1, 0, 1)               \
    X(2, 0, 2)               \
    X(3, 0, 3)               \
    X(4, 0, 4)               \
    X(5, 0, 5) X(6, 0, 6) X(7, 1, 0) X(8, 1, 1) X(9, 1, 2) X(10, 1, 3) X(11, 1, 4) X(12, 1, 5) X(13, 1, 6)
#define STRIP_EACH_TAP(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define STRIP_OUTPUTS 14
#define STRIP_TAPS 9

#define STRIP_LAST_ROW ((rows - 1) * stride + 2)
#define STRIP_LAST_COLUMN ((pixels - 1) * stride + 2)
#define STRIP_HAS(row, i) (rows > (row) && pixels > (i))
/* Whether input (r, j) reaches output row `row` by column s of the kernel, which output that is, and by which
 * tap. */
#define STRIP_REACHES(row, r, j, s)                                                  \
    (rows > (row) && (r) >= (row)*stride && (r) <= (row)*stride + 2 && (j) >= (s) && \
     ((j) - (s)) % stride == 0 && ((j) - (s)) / stride < pixels)
#define STRIP_OUTPUT(row, r, j, s) (STRIP_REACHES(row, r, j, s) ? 7 * (row) + ((j) - (s)) / stride : 0)
#define STRIP_TAP(row, r, j, s) (STRIP_REACHES(row, r, j, s) ? 3 * ((r) - (row)*stride) + (s) : 0)

#define STRIP_INPUT(j)                            \
    ((j) == 0 ? (strip->left ? x - pixel : zeros) \
              : ((j) == STRIP_LAST_COLUMN && !strip->right ? zeros : x + ((j)-1) * pixel))
/* STRIP_MULTIPLY(output, tap) wherever input (r, j), v, goes. */
#define STRIP_GOES(row, r, j, s)                                            \
    if (STRIP_REACHES(row, r, j, s)) {                                      \
        STRIP_MULTIPLY(STRIP_OUTPUT(row, r, j, s), STRIP_TAP(row, r, j, s)) \
    }
#define STRIP_COLUMN(r, j)                                 \
    if ((j) <= STRIP_LAST_COLUMN) {                        \
        VEC v = channels_load(STRIP_INPUT(j), part, mask); \
        VEC_KEEP(v);                                       \
        STRIP_GOES(0, r, j, 0)                             \
        STRIP_GOES(0, r, j, 1)                             \
        STRIP_GOES(0, r, j, 2)                             \
        STRIP_GOES(1, r, j, 0)                             \
        STRIP_GOES(1, r, j, 1)                             \
        STRIP_GOES(1, r, j, 2)                             \
    }
#define STRIP_FETCH(r, j)                      \
    if ((j) < pixels * stride) {               \
        CDK_PREFETCH(x + (j)*pixel + x_ahead); \
    }
/* Row r of what is read; the last ones are read for the first time. */
#define STRIP_ROW(r)                                                            \
    if ((r) <= STRIP_LAST_ROW && row + (r) >= 0 && row + (r) < strip->x_rows) { \
        const float *x = strip->x + (row + (r)) * strip->x_row + c;             \
        STRIP_EACH_COLUMN(STRIP_COLUMN, r)                                      \
        if ((r) > STRIP_LAST_ROW - rows * stride && x_ahead) {                  \
            STRIP_EACH_COLUMN(STRIP_FETCH, r)                                   \
        }                                                                       \
    }

/* One function for each shape of strips, rows at once, and whole or the last part of a vector of channels, so
 * that the few integers it needs are in registers: X(name, stride, pixels, rows). */
#if DEPTHWISE3_PIXELS > 4
#define STRIP_WIDTHS 4
#define STRIP_WIDEST(X, name, stride, rows) X(name##_widest, stride, DEPTHWISE3_PIXELS, rows)
#define STRIP_EACH_SHAPE(X, name) STRIP_EACH_STRIDE(X, name##_one, 1) STRIP_EACH_STRIDE(X, name##_two, 2)
#else
#define STRIP_WIDTHS 3
#define STRIP_WIDEST(X, name, stride, rows)
#define STRIP_EACH_SHAPE(X, name) STRIP_EACH_STRIDE(X, name##_one, 1)
#endif
#define STRIP_EACH_STRIDE(X, name, rows) \
    STRIP_EACH_WIDTH(X, name##_by_1, 1, rows) STRIP_EACH_WIDTH(X, name##_by_2, 2, rows)
#define STRIP_EACH_WIDTH(X, name, stride, rows) \
    X(name##_1, stride, 1, rows)                \
    X(name##_2, stride, 2, rows) X(name##_4, stride, 4, rows) STRIP_WIDEST(X, name, stride, rows)
#define STRIP_KERNEL(name, stride, pixels, rows)                                                  \
    static VEC_TARGET void name(const STRIP_TASK *task, int64_t h, int64_t end, int64_t c)        \
    {                                                                                             \
        STRIP_VECTOR(task, h, end, c, stride, pixels, rows, 0, VEC_MAKE_MASK(VEC_WIDTH));         \
    }                                                                                             \
    static VEC_TARGET void name##_part(const STRIP_TASK *task, int64_t h, int64_t end, int64_t c) \
    {                                                                                             \
        STRIP_VECTOR(task, h, end, c, stride, pixels, rows, 1,                                    \
                     VEC_MAKE_MASK((int)(task->strip.channels - c)));                             \
    }
#define STRIP_ENTRY(name, stride, pixels, rows) {name, name##_part},
/* [rows - 1][stride - 1][width][whole or part] */
#define STRIP_TABLE(name)                   \
    {                                       \
        STRIP_EACH_SHAPE(STRIP_ENTRY, name) \
    }

static inline int strip_shape(const cdk_strip *strip, int rows)
{
    return ((rows - 1) * 2 + strip->stride - 1) * STRIP_WIDTHS + (strip->pixels > 4 ? 3 : strip->pixels / 2);
}

/* Elements from what channels c are computed from to what is fetched into the cache meanwhile, or 0: the next
 * line, where it is long until the next vector's turn; else the next strip, `step` elements away. */
static inline ptrdiff_t strip_ahead(const cdk_strip *strip, int64_t c, ptrdiff_t step)
{
    if (STRIP_MANY_ROWS) {
        return c + CDK_LINE_FLOATS < strip->channels ? CDK_LINE_FLOATS : step - c;
    }
    return strip->fetch ? step : 0;
}

/* All vectors of the first rows, then of the next ones: at most `at_once` rows, or all where a vector goes
 * through many. */
#define STRIP_RUN(kernels, task, at_once)                                                         \
    {                                                                                             \
        const int64_t channels = (task)->strip.channels, whole = channels - channels % VEC_WIDTH; \
        int64_t end;                                                                              \
        for (int64_t h = 0; h < (task)->strip.rows; h = end) {                                    \
            const int64_t left = (task)->strip.rows - h;                                          \
            const int rows = left < (at_once) ? 1 : (at_once);                                    \
            const STRIP_FUNCTION *kernel = (kernels)[strip_shape(&(task)->strip, rows)];          \
            end = STRIP_MANY_ROWS ? h + left : h + rows;                                          \
            for (int64_t c = 0; c < whole; c += VEC_WIDTH) {                                      \
                kernel[0](task, h, end, c);                                                       \
            }                                                                                     \
            if (whole < channels) {                                                               \
                kernel[1](task, h, end, whole);                                                   \
            }                                                                                     \
        }                                                                                         \
    }

/* y = x convolved with w. */

#define STRIP_TASK cdk_depthwise3
#define STRIP_FUNCTION depthwise3_function
#define STRIP_VECTOR depthwise3_vector
#define STRIP_MULTIPLY(output, tap) a[output] = VEC_FMA(v, w[tap], a[output]);

#define DEPTHWISE3_WEIGHT(t) w[t] = channels_load(task->w + (t)*task->w_tap + c, part, mask);
#define DEPTHWISE3_BIAS(output, row, i) a[output] = bias;
#define DEPTHWISE3_BOUND(output, row, i) a[output] = VEC_MIN(high, VEC_MAX(low, a[output]));
#define DEPTHWISE3_PLACE(row, i) ((row)*task->y_row + (i)*pixel)
#define DEPTHWISE3_AHEAD(output, row, i)                                     \
    if (STRIP_HAS(row, i)) {                                                 \
        CDK_PREFETCH_FAR(task->ahead[0] + place + DEPTHWISE3_PLACE(row, i)); \
        CDK_PREFETCH_FAR(task->ahead[1] + place + DEPTHWISE3_PLACE(row, i)); \
    }
#define DEPTHWISE3_STORE(output, row, i)                                                             \
    if (STRIP_HAS(row, i)) {                                                                         \
        channels_store(y + DEPTHWISE3_PLACE(row, i), a[output], part, mask, CDK_ACTIVATION_NONE, 0); \
        if (y_ahead) {                                                                               \
            CDK_PREFETCH(y + DEPTHWISE3_PLACE(row, i) + y_ahead);                                    \
        }                                                                                            \
    }
#define DEPTHWISE3_STREAM(output, row, i)                    \
    if (STRIP_HAS(row, i)) {                                 \
        VEC_STREAM(y + DEPTHWISE3_PLACE(row, i), a[output]); \
    }
#define DEPTHWISE3_MOMENTS(output, row, i)             \
    if (STRIP_HAS(row, i)) {                           \
        const VEC d = VEC_ADD(a[output], minus_shift); \
        sum = VEC_ADD(sum, d);                         \
        squares = VEC_FMA(d, d, squares);              \
    }

typedef void (*depthwise3_function)(const cdk_depthwise3 *, int64_t, int64_t, int64_t);

/* One vector of channels, from channel c on, of rows h to `end`. */
VEC_INLINE void depthwise3_vector(const cdk_depthwise3 *task, int64_t h, int64_t end, int64_t c,
                                  const int stride, const int pixels, const int rows, const int part,
                                  VEC_MASK mask)
{
    const cdk_strip *strip = &task->strip;
    const ptrdiff_t pixel = strip->pixel, x_ahead = strip_ahead(strip, c, pixels * stride * pixel),
                    y_ahead = strip_ahead(strip, c, pixels * pixel);
    const float *zeros = strip->zeros + c;
    const VEC bias = task->bias ? channels_load(task->bias + c, part, mask) : VEC_ZERO();
    const cdk_piece *piece = &task->piece;
    int starts = piece->starts_part && h == 0;
    VEC sum = VEC_ZERO(), squares = VEC_ZERO(), minus_shift = VEC_ZERO(), w[STRIP_TAPS];
    if (piece->sum && !starts) {
        minus_shift = channels_load(piece->minus_shift + c, part, mask);
    }
    STRIP_EACH_TAP(DEPTHWISE3_WEIGHT)
    do {
        const int64_t row = strip->first + h * stride;
        const ptrdiff_t place = h * task->y_row + c;
        float *y = task->y + place;
        VEC a[STRIP_OUTPUTS];
        if (task->ahead[0]) {
            STRIP_EACH_OUTPUT(DEPTHWISE3_AHEAD)
        }
        STRIP_EACH_OUTPUT(DEPTHWISE3_BIAS)
        STRIP_EACH_ROW(STRIP_ROW)
        if (task->bounded) {
            const VEC low = VEC_SET1(task->low), high = VEC_SET1(task->high);
            STRIP_EACH_OUTPUT(DEPTHWISE3_BOUND)
        }
        if (!part && task->stream) {
            STRIP_EACH_OUTPUT(DEPTHWISE3_STREAM)
        } else {
            STRIP_EACH_OUTPUT(DEPTHWISE3_STORE)
        }
        if (piece->sum) {
            if (starts) {
                minus_shift = VEC_SUB(VEC_ZERO(), a[0]);
                starts = 0;
            }
            STRIP_EACH_OUTPUT(DEPTHWISE3_MOMENTS)
        }
        h += rows;
    } while (STRIP_MANY_ROWS && h < end);
    if (piece->sum) {
        channels_store(piece->minus_shift + c, minus_shift, part, mask, CDK_ACTIVATION_NONE, 0);
        channels_add(piece->sum + c, sum, part, mask);
        channels_add(piece->squares + c, squares, part, mask);
    }
}

STRIP_EACH_SHAPE(STRIP_KERNEL, depthwise3)

/* Lines are written past the caches if they are written whole; then row by row, for neighbouring lines have
 * to follow each other closely. */
static VEC_TARGET void depthwise3(const cdk_depthwise3 *caller_task)
{
    static const depthwise3_function kernels[][2] = STRIP_TABLE(depthwise3);
    cdk_depthwise3 task = *caller_task;
    task.stream = task.stream && VEC_WIDTH % CDK_LINE_FLOATS == 0 &&
                  task.strip.channels % CDK_LINE_FLOATS == 0 && task.strip.pixel % CDK_LINE_FLOATS == 0 &&
                  (uintptr_t)task.y % (CDK_LINE_FLOATS * sizeof(float)) == 0;
    STRIP_RUN(kernels, &task, task.stream ? 1 : STRIP_ROWS_AT_ONCE)
}

#undef STRIP_TASK
#undef STRIP_FUNCTION
#undef STRIP_VECTOR
#undef STRIP_MULTIPLY
#undef DEPTHWISE3_WEIGHT
#undef DEPTHWISE3_BIAS
#undef DEPTHWISE3_BOUND
#undef DEPTHWISE3_PLACE
#undef DEPTHWISE3_AHEAD
#undef DEPTHWISE3_STORE
#undef DEPTHWISE3_STREAM
#undef DEPTHWISE3_MOMENTS

/* The gradient of w: what the rows give is added to the sums of the rows before. */

#define STRIP_TASK cdk_dots3
#define STRIP_FUNCTION dots3_function
#define STRIP_VECTOR dots3_vector
#define STRIP_MULTIPLY(output, tap) sum[tap] = VEC_FMA(v, dy[output], sum[tap]);

#define DOTS3_LOAD(t) sum[t] = channels_load(task->sum + (t)*task->sum_tap + c, part, mask);
#define DOTS3_STORE(t) \
    channels_store(task->sum + (t)*task->sum_tap + c, sum[t], part, mask, CDK_ACTIVATION_NONE, 0);
#define DOTS3_PLACE(row, i) (gradient + (row)*task->dy_row + (i)*pixel)
#define DOTS3_GRADIENT(output, row, i)                               \
    if (STRIP_HAS(row, i)) {                                         \
        dy[output] = channels_load(DOTS3_PLACE(row, i), part, mask); \
        if (dy_ahead) {                                              \
            CDK_PREFETCH(DOTS3_PLACE(row, i) + dy_ahead);            \
        }                                                            \
    }
#define DOTS3_BIAS(output, row, i)            \
    if (STRIP_HAS(row, i)) {                  \
        dy_sum = VEC_ADD(dy_sum, dy[output]); \
    }

typedef void (*dots3_function)(const cdk_dots3 *, int64_t, int64_t, int64_t);

VEC_INLINE void dots3_vector(const cdk_dots3 *task, int64_t h, int64_t end, int64_t c, const int stride,
                             const int pixels, const int rows, const int part, VEC_MASK mask)
{
    const cdk_strip *strip = &task->strip;
    const ptrdiff_t pixel = strip->pixel, x_ahead = strip_ahead(strip, c, pixels * stride * pixel),
                    dy_ahead = strip_ahead(strip, c, pixels * pixel);
    const float *zeros = strip->zeros + c;
    VEC sum[STRIP_TAPS], dy_sum = VEC_ZERO();
    STRIP_EACH_TAP(DOTS3_LOAD)
    do {
        const int64_t row = strip->first + h * stride;
        const float *gradient = task->dy + h * task->dy_row + c;
        VEC dy[STRIP_OUTPUTS];
        STRIP_EACH_OUTPUT(DOTS3_GRADIENT)
        STRIP_EACH_ROW(STRIP_ROW)
        if (task->dy_sum) {
            STRIP_EACH_OUTPUT(DOTS3_BIAS)
        }
        h += rows;
    } while (STRIP_MANY_ROWS && h < end);
    STRIP_EACH_TAP(DOTS3_STORE)
    if (task->dy_sum) {
        channels_add(task->dy_sum + c, dy_sum, part, mask);
    }
}

STRIP_EACH_SHAPE(STRIP_KERNEL, dots3)

static VEC_TARGET void dots3(const cdk_dots3 *task)
{
    static const dots3_function kernels[][2] = STRIP_TABLE(dots3);
    STRIP_RUN(kernels, task, STRIP_ROWS_AT_ONCE)
}

#undef STRIP_ROWS_AT_ONCE
#undef STRIP_MANY_ROWS
#undef STRIP_EACH_ROW
#undef STRIP_EACH_COLUMN
#undef STRIP_EACH_OUTPUT
#undef STRIP_EACH_TAP
#undef STRIP_OUTPUTS
#undef STRIP_TAPS
#undef STRIP_LAST_ROW
#undef STRIP_LAST_COLUMN
#undef STRIP_HAS
#undef STRIP_REACHES
#undef STRIP_OUTPUT
#undef STRIP_TAP
#undef STRIP_INPUT
#undef STRIP_GOES
#undef STRIP_COLUMN
#undef STRIP_FETCH
#undef STRIP_ROW
#undef STRIP_WIDTHS
#undef STRIP_WIDEST
#undef STRIP_EACH_SHAPE
#undef STRIP_EACH_STRIDE
#undef STRIP_EACH_WIDTH
#undef STRIP_KERNEL
#undef STRIP_ENTRY
#undef STRIP_TABLE
#undef STRIP_RUN
#undef STRIP_TASK
#undef STRIP_FUNCTION
#undef STRIP_VECTOR
#undef STRIP_MULTIPLY
#undef DOTS3_LOAD
#undef DOTS3_STORE
#undef DOTS3_PLACE
#undef DOTS3_GRADIENT
#undef DOTS3_BIAS
