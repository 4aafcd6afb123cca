/* 3 x 3 kernels of depthwise convolutions on strips, see kernels/isa.h. Included once for each instruction
 * set, after its vectors (kernels/vec.h), DEPTHWISE3_PIXELS and channels_template.h.
 *
 * A few rows at a time, vector after vector: what lies together in memory is read and written together.
 *
 * The functions are inlined with constants for the shape (strides, pixels, rows) and for every row, column
 * and tap, so that taps without an output vanish and local arrays, which only constants index, stay in
 * registers. Compilers at -O2 do not unroll loops that far: the calls are written out. */

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

/* Outputs of two rows of at most seven pixels, and taps. */
#define STRIP_OUTPUTS 14
#define STRIP_TAPS 9

/* f(..., row, pixel) for every output, f(..., tap) for every tap, f(..., column) for every column of an input
 * row. */
#define STRIP_EACH_PIXEL(f, row, ...) \
    f(__VA_ARGS__, row, 0);           \
    f(__VA_ARGS__, row, 1);           \
    f(__VA_ARGS__, row, 2);           \
    f(__VA_ARGS__, row, 3);           \
    f(__VA_ARGS__, row, 4);           \
    f(__VA_ARGS__, row, 5);           \
    f(__VA_ARGS__, row, 6)
#define STRIP_EACH_OUTPUT(f, ...)        \
    STRIP_EACH_PIXEL(f, 0, __VA_ARGS__); \
    STRIP_EACH_PIXEL(f, 1, __VA_ARGS__)
#define STRIP_EACH_TAP(f, ...) \
    f(__VA_ARGS__, 0);         \
    f(__VA_ARGS__, 1);         \
    f(__VA_ARGS__, 2);         \
    f(__VA_ARGS__, 3);         \
    f(__VA_ARGS__, 4);         \
    f(__VA_ARGS__, 5);         \
    f(__VA_ARGS__, 6);         \
    f(__VA_ARGS__, 7);         \
    f(__VA_ARGS__, 8)
#define STRIP_EACH_COLUMN(f, ...)   \
    STRIP_EACH_TAP(f, __VA_ARGS__); \
    f(__VA_ARGS__, 9);              \
    f(__VA_ARGS__, 10);             \
    f(__VA_ARGS__, 11);             \
    f(__VA_ARGS__, 12);             \
    f(__VA_ARGS__, 13);             \
    f(__VA_ARGS__, 14)

/* What is constant in a kernel, and one vector of channels, from channel c on. */
typedef struct strip_part {
    int stride, pixels, rows;
    int part;     /* only the lanes of mask */
    int gradient; /* outputs are given and taps summed; else the other way round */
    VEC_MASK mask;
    const cdk_strip *strip;
    int64_t c;
    ptrdiff_t x_ahead; /* elements to what is fetched meanwhile, or 0 */
} strip_part;

VEC_INLINE int strip_has(const strip_part *k, const int row, const int i)
{
    return k->rows > row && k->pixels > i;
}

/* Input v of row r and column j counts in output row `row` by column s of the kernel: in which output, and by
 * which tap, is known at compile time. */
VEC_INLINE void strip_multiply(const strip_part *k, VEC *outputs, VEC *taps, VEC v, const int r, const int j,
                               const int row, const int s)
{
    const int i = (j - s) / k->stride, q = r - row * k->stride;
    if (k->rows > row && q >= 0 && q <= 2 && j >= s && (j - s) % k->stride == 0 && i < k->pixels) {
        if (k->gradient) {
            taps[3 * q + s] = VEC_FMA(v, outputs[7 * row + i], taps[3 * q + s]);
        } else {
            outputs[7 * row + i] = VEC_FMA(v, taps[3 * q + s], outputs[7 * row + i]);
        }
    }
}

VEC_INLINE void strip_column(const strip_part *k, VEC *outputs, VEC *taps, const float *x, const int r,
                             const int j)
{
    const int last = (k->pixels - 1) * k->stride + 2;
    if (j <= last) {
        const float *zeros = k->strip->zeros + k->c;
        VEC v = channels_load(j == 0                          ? (k->strip->left ? x - k->strip->pixel : zeros)
                              : j == last && !k->strip->right ? zeros
                                                              : x + (j - 1) * k->strip->pixel,
                              k->part, k->mask);
        VEC_KEEP(v);
        strip_multiply(k, outputs, taps, v, r, j, 0, 0);
        strip_multiply(k, outputs, taps, v, r, j, 0, 1);
        strip_multiply(k, outputs, taps, v, r, j, 0, 2);
        strip_multiply(k, outputs, taps, v, r, j, 1, 0);
        strip_multiply(k, outputs, taps, v, r, j, 1, 1);
        strip_multiply(k, outputs, taps, v, r, j, 1, 2);
    }
}

VEC_INLINE void strip_fetch(const strip_part *k, const float *x, const int j)
{
    if (j < k->pixels * k->stride) {
        CDK_PREFETCH(x + j * k->strip->pixel + k->x_ahead);
    }
}

/* Row r of what outputs from input row `first` on read; the last ones are read for the first time. */
VEC_INLINE void strip_row(const strip_part *k, VEC *outputs, VEC *taps, const int64_t first, const int r)
{
    const int last = (k->rows - 1) * k->stride + 2;
    if (r <= last && first + r >= 0 && first + r < k->strip->x_rows) {
        const float *x = k->strip->x + (first + r) * k->strip->x_row + k->c;
        STRIP_EACH_COLUMN(strip_column, k, outputs, taps, x, r);
        if (r > last - k->rows * k->stride && k->x_ahead) {
            STRIP_EACH_COLUMN(strip_fetch, k, x);
        }
    }
}

VEC_INLINE void strip_rows(const strip_part *k, VEC *outputs, VEC *taps, const int64_t h)
{
    const int64_t first = k->strip->first + h * k->stride;
    strip_row(k, outputs, taps, first, 0);
    strip_row(k, outputs, taps, first, 1);
    strip_row(k, outputs, taps, first, 2);
    strip_row(k, outputs, taps, first, 3);
    strip_row(k, outputs, taps, first, 4);
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

/* One vector of channels, from channel c on, of rows h to `end`. task is a cdk_depthwise3 or a cdk_dots3. */
typedef void (*strip_kernel)(const void *task, int64_t h, int64_t end, int64_t c);

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
#define STRIP_KERNEL(vector, name, stride, pixels, rows)                                                  \
    static VEC_TARGET void name(const void *task, int64_t h, int64_t end, int64_t c)                      \
    {                                                                                                     \
        const strip_part k = {stride, pixels, rows, .part = 0, .mask = VEC_MAKE_MASK(VEC_WIDTH), .c = c}; \
        vector(task, k, h, end);                                                                          \
    }                                                                                                     \
    static VEC_TARGET void name##_part(const void *task, int64_t h, int64_t end, int64_t c)               \
    {                                                                                                     \
        const strip_part k = {stride, pixels, rows, .part = 1, .c = c};                                   \
        vector(task, k, h, end);                                                                          \
    }
#define STRIP_ENTRY(name, stride, pixels, rows) {name, name##_part},

/* All vectors of the first rows, then of the next ones: at most `at_once` rows, or all where a vector goes
 * through many. kernels: [rows - 1][stride - 1][width][whole or part] */
static void strip_run(const strip_kernel (*kernels)[2], const void *task, const cdk_strip *strip, int at_once)
{
    const int64_t channels = strip->channels, whole = channels - channels % VEC_WIDTH;
    const int width = strip->pixels > 4 ? 3 : strip->pixels / 2;
    int64_t end;
    for (int64_t h = 0; h < strip->rows; h = end) {
        const int64_t left = strip->rows - h;
        const int rows = left < at_once ? 1 : at_once;
        const strip_kernel *kernel = kernels[((rows - 1) * 2 + strip->stride - 1) * STRIP_WIDTHS + width];
        end = STRIP_MANY_ROWS ? h + left : h + rows;
        for (int64_t c = 0; c < whole; c += VEC_WIDTH) {
            kernel[0](task, h, end, c);
        }
        if (whole < channels) {
            kernel[1](task, h, end, whole);
        }
    }
}

/* y = x convolved with w. */

VEC_INLINE void depthwise3_weight(const strip_part *k, const cdk_depthwise3 *task, VEC *w, const int tap)
{
    w[tap] = channels_load(task->w + tap * task->w_tap + k->c, k->part, k->mask);
}

VEC_INLINE void depthwise3_begin(VEC *a, VEC bias, const int row, const int i)
{
    a[7 * row + i] = bias;
}

VEC_INLINE void depthwise3_bound(VEC *a, VEC low, VEC high, const int row, const int i)
{
    a[7 * row + i] = VEC_MIN(high, VEC_MAX(low, a[7 * row + i]));
}

/* Elements from the first output to this one. */
VEC_INLINE ptrdiff_t depthwise3_place(const cdk_depthwise3 *task, const int row, const int i)
{
    return row * task->y_row + i * task->strip.pixel;
}

VEC_INLINE void depthwise3_ahead(const strip_part *k, const cdk_depthwise3 *task, const ptrdiff_t place,
                                 const int row, const int i)
{
    if (strip_has(k, row, i)) {
        CDK_PREFETCH_FAR(task->ahead[0] + place + depthwise3_place(task, row, i));
        CDK_PREFETCH_FAR(task->ahead[1] + place + depthwise3_place(task, row, i));
    }
}

VEC_INLINE void depthwise3_store(const strip_part *k, const cdk_depthwise3 *task, const VEC *a, float *y,
                                 const ptrdiff_t y_ahead, const int row, const int i)
{
    if (strip_has(k, row, i)) {
        channels_store(y + depthwise3_place(task, row, i), a[7 * row + i], k->part, k->mask,
                       CDK_ACTIVATION_NONE, 0);
        if (y_ahead) {
            CDK_PREFETCH(y + depthwise3_place(task, row, i) + y_ahead);
        }
    }
}

VEC_INLINE void depthwise3_stream(const strip_part *k, const cdk_depthwise3 *task, const VEC *a, float *y,
                                  const int row, const int i)
{
    if (strip_has(k, row, i)) {
        VEC_STREAM(y + depthwise3_place(task, row, i), a[7 * row + i]);
    }
}

/* Sums of d and d d for d = y + minus_shift. */
typedef struct strip_sums {
    VEC minus_shift, sum, squares;
} strip_sums;

VEC_INLINE void depthwise3_add(const strip_part *k, strip_sums *sums, const VEC *a, const int row,
                               const int i)
{
    if (strip_has(k, row, i)) {
        const VEC d = VEC_ADD(a[7 * row + i], sums->minus_shift);
        sums->sum = VEC_ADD(sums->sum, d);
        sums->squares = VEC_FMA(d, d, sums->squares);
    }
}

VEC_INLINE void depthwise3_write(const strip_part *k, const cdk_depthwise3 *task, VEC *a, float *y,
                                 const ptrdiff_t y_ahead)
{
    if (task->bounded) {
        const VEC low = VEC_SET1(task->low), high = VEC_SET1(task->high);
        STRIP_EACH_OUTPUT(depthwise3_bound, a, low, high);
    }
    if (!k->part && task->stream) {
        STRIP_EACH_OUTPUT(depthwise3_stream, k, task, a, y);
    } else {
        STRIP_EACH_OUTPUT(depthwise3_store, k, task, a, y, y_ahead);
    }
}

VEC_INLINE void depthwise3_vector(const cdk_depthwise3 *task, strip_part shape, int64_t h, int64_t end)
{
    const cdk_strip *strip = &task->strip;
    const ptrdiff_t step = shape.pixels * strip->pixel, y_ahead = strip_ahead(strip, shape.c, step);
    const cdk_piece *piece = &task->piece;
    strip_part *k = &shape;
    strip_sums sums = {VEC_ZERO(), VEC_ZERO(), VEC_ZERO()};
    VEC w[STRIP_TAPS], bias;
    int starts = piece->starts_part && h == 0;
    k->strip = strip;
    k->x_ahead = strip_ahead(strip, k->c, step * k->stride);
    k->mask = k->part ? VEC_MAKE_MASK((int)(strip->channels - k->c)) : k->mask;
    bias = task->bias ? channels_load(task->bias + k->c, k->part, k->mask) : VEC_ZERO();
    if (piece->sum && !starts) {
        sums.minus_shift = channels_load(piece->minus_shift + k->c, k->part, k->mask);
    }
    STRIP_EACH_TAP(depthwise3_weight, k, task, w);
    do {
        const ptrdiff_t place = h * task->y_row + k->c;
        VEC a[STRIP_OUTPUTS];
        if (task->ahead[0]) {
            STRIP_EACH_OUTPUT(depthwise3_ahead, k, task, place);
        }
        STRIP_EACH_OUTPUT(depthwise3_begin, a, bias);
        strip_rows(k, a, w, h);
        depthwise3_write(k, task, a, task->y + place, y_ahead);
        if (piece->sum) {
            if (starts) {
                sums.minus_shift = VEC_SUB(VEC_ZERO(), a[0]);
                starts = 0;
            }
            STRIP_EACH_OUTPUT(depthwise3_add, k, &sums, a);
        }
        h += k->rows;
    } while (STRIP_MANY_ROWS && h < end);
    if (piece->sum) {
        channels_store(piece->minus_shift + k->c, sums.minus_shift, k->part, k->mask, CDK_ACTIVATION_NONE, 0);
        channels_add(piece->sum + k->c, sums.sum, k->part, k->mask);
        channels_add(piece->squares + k->c, sums.squares, k->part, k->mask);
    }
}

#define DEPTHWISE3_KERNEL(...) STRIP_KERNEL(depthwise3_vector, __VA_ARGS__)
STRIP_EACH_SHAPE(DEPTHWISE3_KERNEL, depthwise3)

/* Lines are written past the caches if they are written whole; then row by row, for neighbouring lines have
 * to follow each other closely. */
static VEC_TARGET void depthwise3(const cdk_depthwise3 *caller_task)
{
    static const strip_kernel kernels[][2] = {STRIP_EACH_SHAPE(STRIP_ENTRY, depthwise3)};
    cdk_depthwise3 task = *caller_task;
    task.stream = task.stream && VEC_WIDTH % CDK_LINE_FLOATS == 0 &&
                  task.strip.channels % CDK_LINE_FLOATS == 0 && task.strip.pixel % CDK_LINE_FLOATS == 0 &&
                  (uintptr_t)task.y % (CDK_LINE_FLOATS * sizeof(float)) == 0;
    strip_run(kernels, &task, &task.strip, task.stream ? 1 : STRIP_ROWS_AT_ONCE);
}

/* The gradient of w: what the rows give is added to the sums of the rows before. */

VEC_INLINE void dots3_load(const strip_part *k, const cdk_dots3 *task, VEC *sum, const int tap)
{
    sum[tap] = channels_load(task->sum + tap * task->sum_tap + k->c, k->part, k->mask);
}

VEC_INLINE void dots3_store(const strip_part *k, const cdk_dots3 *task, const VEC *sum, const int tap)
{
    channels_store(task->sum + tap * task->sum_tap + k->c, sum[tap], k->part, k->mask, CDK_ACTIVATION_NONE,
                   0);
}

VEC_INLINE void dots3_gradient(const strip_part *k, const cdk_dots3 *task, VEC *dy, const float *from,
                               const ptrdiff_t dy_ahead, const int row, const int i)
{
    if (strip_has(k, row, i)) {
        dy[7 * row + i] = channels_load(from + row * task->dy_row + i * task->strip.pixel, k->part, k->mask);
        if (dy_ahead) {
            CDK_PREFETCH(from + row * task->dy_row + i * task->strip.pixel + dy_ahead);
        }
    }
}

VEC_INLINE void dots3_add(const strip_part *k, VEC *dy_sum, const VEC *dy, const int row, const int i)
{
    if (strip_has(k, row, i)) {
        *dy_sum = VEC_ADD(*dy_sum, dy[7 * row + i]);
    }
}

VEC_INLINE void dots3_vector(const cdk_dots3 *task, strip_part shape, int64_t h, int64_t end)
{
    const cdk_strip *strip = &task->strip;
    const ptrdiff_t step = shape.pixels * strip->pixel, dy_ahead = strip_ahead(strip, shape.c, step);
    strip_part *k = &shape;
    VEC sum[STRIP_TAPS], dy_sum = VEC_ZERO();
    k->gradient = 1;
    k->strip = strip;
    k->x_ahead = strip_ahead(strip, k->c, step * k->stride);
    k->mask = k->part ? VEC_MAKE_MASK((int)(strip->channels - k->c)) : k->mask;
    STRIP_EACH_TAP(dots3_load, k, task, sum);
    do {
        const float *from = task->dy + h * task->dy_row + k->c;
        VEC dy[STRIP_OUTPUTS];
        STRIP_EACH_OUTPUT(dots3_gradient, k, task, dy, from, dy_ahead);
        strip_rows(k, dy, sum, h);
        if (task->dy_sum) {
            STRIP_EACH_OUTPUT(dots3_add, k, &dy_sum, dy);
        }
        h += k->rows;
    } while (STRIP_MANY_ROWS && h < end);
    STRIP_EACH_TAP(dots3_store, k, task, sum);
    if (task->dy_sum) {
        channels_add(task->dy_sum + k->c, dy_sum, k->part, k->mask);
    }
}

#define DOTS3_KERNEL(...) STRIP_KERNEL(dots3_vector, __VA_ARGS__)
STRIP_EACH_SHAPE(DOTS3_KERNEL, dots3)

static VEC_TARGET void dots3(const cdk_dots3 *task)
{
    static const strip_kernel kernels[][2] = {STRIP_EACH_SHAPE(STRIP_ENTRY, dots3)};
    strip_run(kernels, task, &task->strip, STRIP_ROWS_AT_ONCE);
}

#undef STRIP_ROWS_AT_ONCE
#undef STRIP_MANY_ROWS
#undef STRIP_OUTPUTS
#undef STRIP_TAPS
#undef STRIP_EACH_PIXEL
#undef STRIP_EACH_OUTPUT
#undef STRIP_EACH_TAP
#undef STRIP_EACH_COLUMN
#undef STRIP_WIDTHS
#undef STRIP_WIDEST
#undef STRIP_EACH_SHAPE
#undef STRIP_EACH_STRIDE
#undef STRIP_EACH_WIDTH
#undef STRIP_KERNEL
#undef STRIP_ENTRY
#undef DEPTHWISE3_KERNEL
#undef DOTS3_KERNEL
