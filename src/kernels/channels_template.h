/* Kernels that work on every channel by itself, vectorised over channels; see kernels/isa.h.
 * Included once for each instruction set, after its vectors (kernels/vec.h). */

#define PIXELS_AT_ONCE 6

VEC_INLINE VEC channels_load(const float *p, const int part, VEC_MASK mask)
{
    return part ? VEC_LOAD_MASK(p, mask) : VEC_LOAD(p);
}

VEC_INLINE void channels_store(float *p, VEC v, const int part, VEC_MASK mask, cdk_activation activation,
                               int stream)
{
    if (activation != CDK_ACTIVATION_NONE) {
        v = VEC_MAX(VEC_ZERO(), v);
    }
    if (activation == CDK_ACTIVATION_RELU6) {
        v = VEC_MIN(VEC_SET1(6.0f), v);
    }
    if (part) {
        VEC_STORE_MASK(p, mask, v);
    } else if (stream) {
        VEC_STREAM(p, v);
    } else {
        VEC_STORE(p, v);
    }
}

/* `call` for each vector of `channels` channels, from channel c on; part and mask are constants to it. */
#define CHANNELS_EACH_VECTOR(channels, call)                          \
    {                                                                 \
        int64_t c = 0;                                                \
        for (; c + VEC_WIDTH <= (channels); c += VEC_WIDTH) {         \
            const int part = 0;                                       \
            const VEC_MASK mask = VEC_MAKE_MASK(VEC_WIDTH);           \
            call;                                                     \
        }                                                             \
        if (c < (channels)) {                                         \
            const int part = 1;                                       \
            const VEC_MASK mask = VEC_MAKE_MASK((int)((channels)-c)); \
            call;                                                     \
        }                                                             \
    }

#define DEPTHWISE_EACH(X) X(0) X(1) X(2) X(3) X(4) X(5)
#define DEPTHWISE_DECLARE(i) VEC a##i = bias;
#define DEPTHWISE_STEP(i)                                                        \
    if (pixels > i) {                                                            \
        a##i = VEC_FMA(channels_load(p + i * x_pixel, part, mask), w_tap, a##i); \
    }
#define DEPTHWISE_STORE(i)                                                          \
    if (pixels > i) {                                                               \
        channels_store(y + i * y_pixel, a##i, part, mask, row->activation, stream); \
    }

/* One vector of channels of `pixels` (at most six, a constant) neighbouring pixels. */
VEC_INLINE void depthwise_pixels(const cdk_depthwise *row, float *y, const float *x, const float *w, VEC bias,
                                 const int pixels, const int part, VEC_MASK mask)
{
    const ptrdiff_t x_pixel = row->x_pixel, y_pixel = row->y_pixel;
    const int stream = row->stream && VEC_WIDTH % CDK_LINE_FLOATS == 0 && y_pixel % CDK_LINE_FLOATS == 0 &&
                       (uintptr_t)y % (CDK_LINE_FLOATS * sizeof(float)) == 0;
    DEPTHWISE_EACH(DEPTHWISE_DECLARE)
    for (int64_t tap = 0; tap < row->taps; tap++) {
        const float *p = x + row->x_tap[tap];
        const VEC w_tap = channels_load(w + row->w_tap[tap], part, mask);
        DEPTHWISE_EACH(DEPTHWISE_STEP)
        if (pixels == PIXELS_AT_ONCE) {
            CDK_PREFETCH(p + PIXELS_AT_ONCE * x_pixel);
            CDK_PREFETCH(p + (PIXELS_AT_ONCE + 3) * x_pixel);
        }
    }
    DEPTHWISE_EACH(DEPTHWISE_STORE)
}

VEC_INLINE void depthwise_vector(const cdk_depthwise *row, int64_t i, int64_t c, const int pixels,
                                 const int part, VEC_MASK mask)
{
    const VEC bias = row->bias ? channels_load(row->bias + c, part, mask) : VEC_ZERO();
    depthwise_pixels(row, row->y + i * row->y_pixel + c, row->x + i * row->x_pixel + c, row->w + c, bias,
                     pixels, part, mask);
}

/* All channels of pixel i and the following ones: memory is read in the order it lies. */
VEC_INLINE void depthwise_channels(const cdk_depthwise *row, int64_t i, const int pixels)
{
    CHANNELS_EACH_VECTOR(row->channels, depthwise_vector(row, i, c, pixels, part, mask))
}

static VEC_TARGET void depthwise(const cdk_depthwise *row)
{
    int64_t i = 0;
    for (; i + PIXELS_AT_ONCE <= row->pixels; i += PIXELS_AT_ONCE) {
        depthwise_channels(row, i, PIXELS_AT_ONCE);
    }
    switch (row->pixels - i) {
    case 5:
        depthwise_channels(row, i, 5);
        break;
    case 4:
        depthwise_channels(row, i, 4);
        break;
    case 3:
        depthwise_channels(row, i, 3);
        break;
    case 2:
        depthwise_channels(row, i, 2);
        break;
    case 1:
        depthwise_channels(row, i, 1);
        break;
    default:
        break;
    }
}

/* Taps r, s of three rows by three columns. */
#define DOTS_EACH(X) X(0, 0) X(0, 1) X(0, 2) X(1, 0) X(1, 1) X(1, 2) X(2, 0) X(2, 1) X(2, 2)
#define DOTS_AT_ONCE 3
#define DOTS_DECLARE(r, s) VEC a##r##s = VEC_ZERO();
#define DOTS_STEP(r, s)                                                                 \
    if (rows > r && columns > s) {                                                      \
        a##r##s = VEC_FMA(channels_load(x##r + s * x_column, part, mask), dy, a##r##s); \
    }
#define DOTS_ADD(r, s)                                                                     \
    if (rows > r && columns > s) {                                                         \
        channels_add(sum + r * dots->sum_row + s * dots->sum_column, a##r##s, part, mask); \
    }

VEC_INLINE void channels_add(float *sum, VEC v, const int part, VEC_MASK mask)
{
    channels_store(sum, VEC_ADD(v, channels_load(sum, part, mask)), part, mask, CDK_ACTIVATION_NONE, 0);
}

/* One vector of channels, at most three by three taps, constants. */
VEC_INLINE void dots_vector(const cdk_channel_dots *dots, int64_t c, const int rows, const int columns,
                            const int part, VEC_MASK mask)
{
    const ptrdiff_t x_column = dots->x_column, x_pixel = dots->x_pixel, y_pixel = dots->y_pixel;
    const float *x0 = dots->x + c, *x1 = x0 + dots->x_row, *x2 = x1 + dots->x_row, *y = dots->y + c;
    float *sum = dots->sum + c;
    DOTS_EACH(DOTS_DECLARE)
    for (int64_t i = dots->pixels; i > 0; i--) {
        const VEC dy = channels_load(y, part, mask);
        CDK_PREFETCH((rows > 2 ? x2 : rows > 1 ? x1 : x0) + dots->x_ahead);
        CDK_PREFETCH(y + dots->y_ahead);
        DOTS_EACH(DOTS_STEP)
        x0 += x_pixel;
        x1 += x_pixel;
        x2 += x_pixel;
        y += y_pixel;
    }
    DOTS_EACH(DOTS_ADD)
}

VEC_INLINE void dots_taps(const cdk_channel_dots *dots, const int rows, const int columns){
    CHANNELS_EACH_VECTOR(dots->channels, dots_vector(dots, c, rows, columns, part, mask))}

VEC_INLINE void dots_rows(const cdk_channel_dots *dots, const int rows)
{
    if (dots->columns == 1) {
        dots_taps(dots, rows, 1);
    } else if (dots->columns == 2) {
        dots_taps(dots, rows, 2);
    } else {
        dots_taps(dots, rows, 3);
    }
}

static VEC_TARGET void dots_part(const cdk_channel_dots *dots)
{
    if (dots->rows == 1) {
        dots_rows(dots, 1);
    } else if (dots->rows == 2) {
        dots_rows(dots, 2);
    } else {
        dots_rows(dots, 3);
    }
}

static VEC_TARGET void channel_dots(const cdk_channel_dots *dots)
{
    for (int64_t r = 0; r < dots->rows; r += DOTS_AT_ONCE) {
        for (int64_t s = 0; s < dots->columns; s += DOTS_AT_ONCE) {
            cdk_channel_dots part = *dots;
            part.sum += r * dots->sum_row + s * dots->sum_column;
            part.x += r * dots->x_row + s * dots->x_column;
            part.rows = dots->rows - r < DOTS_AT_ONCE ? dots->rows - r : DOTS_AT_ONCE;
            part.columns = dots->columns - s < DOTS_AT_ONCE ? dots->columns - s : DOTS_AT_ONCE;
            dots_part(&part);
        }
    }
}

VEC_INLINE void sum_channels(float *sum, const float *x, ptrdiff_t x_pixel, int64_t pixels, const int part,
                             VEC_MASK mask)
{
    VEC even = VEC_ZERO(), odd = VEC_ZERO();
    int64_t i = 0;
    for (; i + 2 <= pixels; i += 2) {
        even = VEC_ADD(even, channels_load(x, part, mask));
        odd = VEC_ADD(odd, channels_load(x + x_pixel, part, mask));
        x += 2 * x_pixel;
    }
    if (i < pixels) {
        even = VEC_ADD(even, channels_load(x, part, mask));
    }
    even = VEC_ADD(VEC_ADD(even, odd), channels_load(sum, part, mask));
    channels_store(sum, even, part, mask, CDK_ACTIVATION_NONE, 0);
}

static VEC_TARGET void channel_sum(float *sum, const float *x, ptrdiff_t x_pixel, int64_t pixels,
                                   int64_t channels)
{
    CHANNELS_EACH_VECTOR(channels, sum_channels(sum + c, x + c, x_pixel, pixels, part, mask))
}

#define STATISTICS_EACH(X) X(0) X(1) X(2) X(3)
#define STATISTICS_LOAD(i)                                                   \
    VEC sum##i = VEC_ZERO(), squares##i = VEC_ZERO(), shift##i = VEC_ZERO(); \
    if (vectors > i) {                                                       \
        shift##i = channels_load(minus_shift + i * VEC_WIDTH, part, mask);   \
    }
#define STATISTICS_STEP(i)                                                             \
    if (vectors > i) {                                                                 \
        const VEC d = VEC_ADD(channels_load(x + i * VEC_WIDTH, part, mask), shift##i); \
        sum##i = VEC_ADD(sum##i, d);                                                   \
        squares##i = VEC_FMA(d, d, squares##i);                                        \
    }
#define STATISTICS_ADD(i)                                              \
    if (vectors > i) {                                                 \
        channels_add(sum + i * VEC_WIDTH, sum##i, part, mask);         \
        channels_add(squares + i * VEC_WIDTH, squares##i, part, mask); \
    }

/* `whole` (at most four, a constant) vectors of channels side by side; 0: the part of one that `mask`
 * tells. */
VEC_INLINE void statistics_vectors(float *sum, float *squares, const float *minus_shift, const float *x,
                                   ptrdiff_t x_pixel, int64_t pixels, const int whole, VEC_MASK mask)
{
    const int part = whole == 0, vectors = part ? 1 : whole;
    STATISTICS_EACH(STATISTICS_LOAD)
    for (int64_t i = 0; i < pixels; i++, x += x_pixel) {
        STATISTICS_EACH(STATISTICS_STEP)
    }
    STATISTICS_EACH(STATISTICS_ADD)
}

static VEC_TARGET void channel_statistics(float *sum, float *squares, const float *minus_shift,
                                          const float *x, ptrdiff_t x_pixel, int64_t pixels, int64_t channels)
{
    const VEC_MASK all = VEC_MAKE_MASK(VEC_WIDTH);
    int64_t c = 0;
    for (; c + 4 * VEC_WIDTH <= channels; c += 4 * VEC_WIDTH) {
        statistics_vectors(sum + c, squares + c, minus_shift + c, x + c, x_pixel, pixels, 4, all);
    }
    if (c + 2 * VEC_WIDTH <= channels) {
        statistics_vectors(sum + c, squares + c, minus_shift + c, x + c, x_pixel, pixels, 2, all);
        c += 2 * VEC_WIDTH;
    }
    if (c + VEC_WIDTH <= channels) {
        statistics_vectors(sum + c, squares + c, minus_shift + c, x + c, x_pixel, pixels, 1, all);
        c += VEC_WIDTH;
    }
    if (c < channels) {
        statistics_vectors(sum + c, squares + c, minus_shift + c, x + c, x_pixel, pixels, 0,
                           VEC_MAKE_MASK((int)(channels - c)));
    }
}

/* One step needs no permutation where lane j reads input j. */
static VEC_TARGET void spread(float *to, const cdk_spread *s)
{
    const VEC_MASK mask = VEC_MAKE_MASK(s->inputs);
    const int whole = s->inputs == VEC_WIDTH;
    const float *from = s->from;
    if (s->steps == 1 && s->index[VEC_WIDTH - 1] == VEC_WIDTH - 1) {
        for (int64_t i = 0; i < s->pixels; i++, from += s->pixel, to += VEC_WIDTH) {
            VEC_STORE(to, whole ? VEC_LOAD(from) : VEC_LOAD_MASK(from, mask));
        }
        return;
    }
    int32_t index[VEC_WIDTH * VEC_WIDTH];
    for (int64_t t = 0; t < s->steps; t++) {
        for (int j = 0; j < VEC_WIDTH; j++) {
            index[t * VEC_WIDTH + j] = (int32_t)((s->index[j] + t) % VEC_WIDTH);
        }
    }
    for (int64_t i = 0; i < s->pixels; i++, from += s->pixel) {
        const VEC v = VEC_LOAD_MASK(from, mask);
        for (int64_t t = 0; t < s->steps; t++, to += VEC_WIDTH) {
            VEC_STORE(to, VEC_PERMUTE(v, VEC_LOAD_INDEX(index + t * VEC_WIDTH)));
        }
    }
}

static VEC_TARGET void move_out(float *to, const float *from, int64_t n)
{
    int64_t i = 0;
    for (; i < n && (uintptr_t)(to + i) % (CDK_LINE_FLOATS * sizeof(float)) != 0; i++) {
        to[i] = from[i];
    }
    for (; i + CDK_LINE_FLOATS <= n; i += CDK_LINE_FLOATS) {
        for (int64_t j = 0; j < CDK_LINE_FLOATS; j += VEC_WIDTH) {
            VEC_STREAM(to + i + j, VEC_LOAD(from + i + j));
        }
    }
    for (; i < n; i++) {
        to[i] = from[i];
    }
}

#undef PIXELS_AT_ONCE
#undef DEPTHWISE_EACH
#undef DEPTHWISE_DECLARE
#undef DEPTHWISE_STEP
#undef DEPTHWISE_STORE
#undef DOTS_EACH
#undef DOTS_AT_ONCE
#undef DOTS_DECLARE
#undef DOTS_STEP
#undef DOTS_ADD
#undef STATISTICS_EACH
#undef STATISTICS_LOAD
#undef STATISTICS_STEP
#undef STATISTICS_ADD
