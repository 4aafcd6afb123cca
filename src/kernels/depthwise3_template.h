/* 3 x 3 kernels of depthwise convolutions on strips, see kernels/isa.h. Included once for each instruction
 * set, after TILE_TARGET, DEPTHWISE3_PIXELS, the VEC operations of tile_template.h and channels_template.h.
 *
 * A vector of channels is taken through all rows of a strip before the next one: what the rows share stays in
 * the first cache, the weights (or the sums over all pixels) in registers. `stride` and `pixels` are
 * constants at every call, so that taps without an output vanish. Local arrays are indexed by constants only,
 * which lets compilers keep them in registers. */

#define STRIP_EACH_COLUMN(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define STRIP_EACH_PIXEL(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6)
#define STRIP_LAST_COLUMN ((pixels - 1) * stride + 2)
/* The output that column j reaches by column s of the kernel, and whether there is one. */
#define STRIP_OUTPUT(j, s) ((j) >= (s) ? ((j) - (s)) / stride : 0)
#define STRIP_HAS_OUTPUT(j, s) ((j) >= (s) && ((j) - (s)) % stride == 0 && STRIP_OUTPUT(j, s) < pixels)
#define STRIP_INPUT(j)                        \
    ((j) == 0 ? (strip->left ? x - C : zeros) \
              : ((j) == STRIP_LAST_COLUMN && !strip->right ? zeros : x + ((j)-1) * C))
/* STRIP_TAP(j, s) for column j of a row, with its input v. */
#define STRIP_COLUMN(j)                                          \
    if ((j) <= STRIP_LAST_COLUMN) {                              \
        const VEC v = channels_load(STRIP_INPUT(j), part, mask); \
        STRIP_TAP(j, 0)                                          \
        STRIP_TAP(j, 1)                                          \
        STRIP_TAP(j, 2)                                          \
    }
/* A line ahead, what this row reads first: for the next vector, or for the next strip. */
#define STRIP_AHEAD(next_strip) (c + CDK_LINE_FLOATS < C ? CDK_LINE_FLOATS : (next_strip)-c)
#define STRIP_FETCH(j)                   \
    if ((j) < pixels * stride) {         \
        CDK_PREFETCH(x + (j)*C + ahead); \
    }
/* Row r of the kernel at row `row` of x. */
#define STRIP_ROW(r)                                                \
    if (row + (r) >= 0 && row + (r) < strip->x_rows) {              \
        const float *x = strip->x + (row + (r)) * strip->x_row + c; \
        STRIP_KERNEL_ROW(r)                                         \
        STRIP_EACH_COLUMN(STRIP_COLUMN)                             \
        if ((r) > 2 - stride) {                                     \
            STRIP_EACH_COLUMN(STRIP_FETCH)                          \
        }                                                           \
    }

/* Strips are 1, 2, 4 or DEPTHWISE3_PIXELS outputs wide. */
#if DEPTHWISE3_PIXELS > 4
#define STRIP_WIDEST(compute, stride)             \
    case DEPTHWISE3_PIXELS:                       \
        compute(task, stride, DEPTHWISE3_PIXELS); \
        break;
#else
#define STRIP_WIDEST(compute, stride)
#endif
#define STRIP_EACH_SIZE(compute, stride) \
    switch (task->strip.pixels) {        \
        STRIP_WIDEST(compute, stride)    \
    case 4:                              \
        compute(task, stride, 4);        \
        break;                           \
    case 2:                              \
        compute(task, stride, 2);        \
        break;                           \
    default:                             \
        compute(task, stride, 1);        \
    }

#define STRIP_EACH_SHAPE(compute)   \
    if (task->strip.stride == 1) {  \
        STRIP_EACH_SIZE(compute, 1) \
    } else {                        \
        STRIP_EACH_SIZE(compute, 2) \
    }

/* y = x convolved with w: every input is loaded once for all outputs of the row that read it. */

#define STRIP_KERNEL_ROW(r) const VEC w_row[3] = {w[3 * (r)], w[3 * (r) + 1], w[3 * (r) + 2]};
#define STRIP_TAP(j, s)                                                      \
    if (STRIP_HAS_OUTPUT(j, s)) {                                            \
        a[STRIP_OUTPUT(j, s)] = VEC_FMA(v, w_row[s], a[STRIP_OUTPUT(j, s)]); \
    }
#define STRIP_WEIGHT(t) w[t] = channels_load(task->w + (t)*C + c, part, mask);
#define STRIP_BIAS(i) a[i] = bias;
#define STRIP_BOUND(i) a[i] = VEC_MIN(high, VEC_MAX(low, a[i]));
#define STRIP_STORE(i)                                                            \
    if (pixels > (i)) {                                                           \
        channels_store(y + (i)*C, a[i], part, mask, CDK_ACTIVATION_NONE, stream); \
        if (!stream) {                                                            \
            CDK_PREFETCH(y + (i)*C + y_ahead);                                    \
        }                                                                         \
    }

#define STRIP_MOMENTS(i)                          \
    if (pixels > (i)) {                           \
        const VEC d = VEC_ADD(a[i], minus_shift); \
        sum = VEC_ADD(sum, d);                    \
        squares = VEC_FMA(d, d, squares);         \
    }

static inline CDK_ALWAYS_INLINE TILE_TARGET void depthwise3_vector(const cdk_depthwise3 *task, int64_t c,
                                                                   const int stride, const int pixels,
                                                                   const int stream, const int part,
                                                                   VEC_MASK mask)
{
    const cdk_strip *strip = &task->strip;
    const int64_t C = strip->channels;
    const ptrdiff_t ahead = STRIP_AHEAD(pixels * stride * C), y_ahead = STRIP_AHEAD(pixels * C);
    const float *zeros = strip->zeros + c;
    const VEC bias = task->bias ? channels_load(task->bias + c, part, mask) : VEC_ZERO();
    const VEC low = VEC_SET1(task->low), high = VEC_SET1(task->high);
    const cdk_piece *piece = &task->piece;
    VEC sum = VEC_ZERO(), squares = VEC_ZERO(), minus_shift = VEC_ZERO();
    VEC w[9];
    if (piece->sum && !piece->starts_part) {
        minus_shift = channels_load(piece->minus_shift + c, part, mask);
    }
    STRIP_EACH_PIXEL(STRIP_WEIGHT)
    STRIP_WEIGHT(7)
    STRIP_WEIGHT(8)
    for (int64_t h = 0; h < strip->rows; h++) {
        const int64_t row = strip->first + h * stride;
        float *y = task->y + h * task->y_row + c;
        VEC a[7];
        STRIP_EACH_PIXEL(STRIP_BIAS)
        STRIP_ROW(0)
        STRIP_ROW(1)
        STRIP_ROW(2)
        if (task->bounded) {
            STRIP_EACH_PIXEL(STRIP_BOUND)
        }
        STRIP_EACH_PIXEL(STRIP_STORE)
        if (piece->sum) {
            if (piece->starts_part && h == 0) {
                minus_shift = VEC_SUB(VEC_ZERO(), a[0]);
            }
            STRIP_EACH_PIXEL(STRIP_MOMENTS)
        }
    }
    if (piece->sum) {
        channels_add(piece->sum + c, sum, part, mask);
        channels_add(piece->squares + c, squares, part, mask);
        if (piece->starts_part) {
            channels_store(piece->minus_shift + c, minus_shift, part, mask, CDK_ACTIVATION_NONE, 0);
        }
    }
}

static inline CDK_ALWAYS_INLINE TILE_TARGET void depthwise3_strip(const cdk_depthwise3 *caller_task,
                                                                  const int stride, const int pixels)
{
    /* A copy of our own, for compilers to see that stores do not change it. */
    const cdk_depthwise3 own = *caller_task, *task = &own;
    const int64_t channels = own.strip.channels;
    if (own.stream && VEC_WIDTH % CDK_LINE_FLOATS == 0 && channels % CDK_LINE_FLOATS == 0 &&
        (uintptr_t)own.y % (CDK_LINE_FLOATS * sizeof(float)) == 0) {
        for (int64_t c = 0; c < channels; c += VEC_WIDTH) {
            depthwise3_vector(task, c, stride, pixels, 1, 0, VEC_MAKE_MASK(VEC_WIDTH));
        }
    } else {
        CHANNELS_EACH_VECTOR(channels, depthwise3_vector(task, c, stride, pixels, 0, part, mask))
    }
}

static TILE_TARGET void depthwise3(const cdk_depthwise3 *task)
{
    STRIP_EACH_SHAPE(depthwise3_strip)
}

#undef STRIP_KERNEL_ROW
#undef STRIP_TAP
#undef STRIP_WEIGHT
#undef STRIP_BIAS
#undef STRIP_BOUND
#undef STRIP_STORE
#undef STRIP_MOMENTS

/* The gradient of w: sums over all pixels of a strip. Where registers allow, even and odd pixels have sums of
 * their own: more additions that need not wait for each other. */

#define DOTS3_SETS (DEPTHWISE3_PIXELS > 4 ? 2 : 1)
#define STRIP_KERNEL_ROW(r) VEC *const sum_row = sum + 3 * (r), *const odd_row = odd + 3 * (r);
#define STRIP_TAP(j, s)                                                  \
    if (STRIP_HAS_OUTPUT(j, s)) {                                        \
        if (STRIP_OUTPUT(j, s) % DOTS3_SETS == 1) {                      \
            odd_row[s] = VEC_FMA(v, dy[STRIP_OUTPUT(j, s)], odd_row[s]); \
        } else {                                                         \
            sum_row[s] = VEC_FMA(v, dy[STRIP_OUTPUT(j, s)], sum_row[s]); \
        }                                                                \
    }
#define DOTS3_EACH_TAP(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define DOTS3_START(t) sum[t] = odd[t] = VEC_ZERO();
#define DOTS3_GRADIENT(i)                                    \
    if (pixels > (i)) {                                      \
        dy[i] = channels_load(gradient + (i)*C, part, mask); \
        CDK_PREFETCH(gradient + (i)*C + dy_ahead);           \
    }
#define DOTS3_ADD(t) channels_add(task->sum + (t)*C + c, VEC_ADD(sum[t], odd[t]), part, mask);

static inline CDK_ALWAYS_INLINE TILE_TARGET void dots3_vector(const cdk_dots3 *task, int64_t c,
                                                              const int stride, const int pixels,
                                                              const int part, VEC_MASK mask)
{
    const cdk_strip *strip = &task->strip;
    const int64_t C = strip->channels;
    const ptrdiff_t ahead = STRIP_AHEAD(pixels * stride * C), dy_ahead = STRIP_AHEAD(pixels * C);
    const float *zeros = strip->zeros + c;
    VEC sum[9], odd[9];
    DOTS3_EACH_TAP(DOTS3_START)
    for (int64_t h = 0; h < strip->rows; h++) {
        const int64_t row = strip->first + h * stride;
        const float *gradient = task->dy + h * task->dy_row + c;
        VEC dy[7];
        STRIP_EACH_PIXEL(DOTS3_GRADIENT)
        STRIP_ROW(0)
        STRIP_ROW(1)
        STRIP_ROW(2)
    }
    DOTS3_EACH_TAP(DOTS3_ADD)
}

static inline CDK_ALWAYS_INLINE TILE_TARGET void dots3_strip(const cdk_dots3 *caller_task, const int stride,
                                                             const int pixels)
{
    const cdk_dots3 own = *caller_task, *task = &own;
    CHANNELS_EACH_VECTOR(own.strip.channels, dots3_vector(task, c, stride, pixels, part, mask))
}

static TILE_TARGET void dots3(const cdk_dots3 *task)
{
    STRIP_EACH_SHAPE(dots3_strip)
}

#undef STRIP_EACH_COLUMN
#undef STRIP_EACH_PIXEL
#undef STRIP_LAST_COLUMN
#undef STRIP_OUTPUT
#undef STRIP_HAS_OUTPUT
#undef STRIP_INPUT
#undef STRIP_COLUMN
#undef STRIP_AHEAD
#undef STRIP_FETCH
#undef STRIP_ROW
#undef STRIP_WIDEST
#undef STRIP_EACH_SIZE
#undef STRIP_EACH_SHAPE
#undef STRIP_KERNEL_ROW
#undef STRIP_TAP
#undef DOTS3_SETS
#undef DOTS3_EACH_TAP
#undef DOTS3_START
#undef DOTS3_GRADIENT
#undef DOTS3_ADD
