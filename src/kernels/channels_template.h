/* Kernels that work on every channel by itself, vectorised over channels; see kernels/isa.h.
 * Included once for each instruction set, after TILE_TARGET and the VEC operations of tile_template.h. */

#define PIXELS_AT_ONCE 6

static inline CDK_ALWAYS_INLINE TILE_TARGET VEC channels_load(const float *p, const int part, VEC_MASK mask)
{
    return part ? VEC_LOAD_MASK(p, mask) : VEC_LOAD(p);
}

static inline CDK_ALWAYS_INLINE TILE_TARGET void
channels_store(float *p, VEC v, const int part, VEC_MASK mask, cdk_activation activation, int stream)
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

/* One vector of channels of `pixels` (at most six, a constant) neighbouring pixels. */
static inline CDK_ALWAYS_INLINE TILE_TARGET void depthwise_pixels(const cdk_depthwise *row, float *y,
                                                                  const float *x, const float *w, VEC bias,
                                                                  const int pixels, const int part,
                                                                  VEC_MASK mask)
{
    const ptrdiff_t x_pixel = row->x_pixel, y_pixel = row->y_pixel;
    const int stream = row->stream && VEC_WIDTH % CDK_LINE_FLOATS == 0 && y_pixel % CDK_LINE_FLOATS == 0 &&
                       (uintptr_t)y % (CDK_LINE_FLOATS * sizeof(float)) == 0;
    VEC a0 = bias, a1 = bias, a2 = bias, a3 = bias, a4 = bias, a5 = bias;
    for (int64_t tap = 0; tap < row->taps; tap++) {
        const float *p = x + row->x_tap[tap];
        const VEC w_tap = channels_load(w + row->w_tap[tap], part, mask);
        a0 = VEC_FMA(channels_load(p, part, mask), w_tap, a0);
        if (pixels > 1) {
            a1 = VEC_FMA(channels_load(p + x_pixel, part, mask), w_tap, a1);
            a2 = VEC_FMA(channels_load(p + 2 * x_pixel, part, mask), w_tap, a2);
            a3 = VEC_FMA(channels_load(p + 3 * x_pixel, part, mask), w_tap, a3);
            a4 = VEC_FMA(channels_load(p + 4 * x_pixel, part, mask), w_tap, a4);
            a5 = VEC_FMA(channels_load(p + 5 * x_pixel, part, mask), w_tap, a5);
            CDK_PREFETCH(p + PIXELS_AT_ONCE * x_pixel);
            CDK_PREFETCH(p + (PIXELS_AT_ONCE + 3) * x_pixel);
        }
    }
    channels_store(y, a0, part, mask, row->activation, stream);
    if (pixels > 1) {
        channels_store(y + y_pixel, a1, part, mask, row->activation, stream);
        channels_store(y + 2 * y_pixel, a2, part, mask, row->activation, stream);
        channels_store(y + 3 * y_pixel, a3, part, mask, row->activation, stream);
        channels_store(y + 4 * y_pixel, a4, part, mask, row->activation, stream);
        channels_store(y + 5 * y_pixel, a5, part, mask, row->activation, stream);
    }
}

static inline CDK_ALWAYS_INLINE TILE_TARGET void depthwise_vector(const cdk_depthwise *row, int64_t i,
                                                                  int64_t c, const int pixels, const int part,
                                                                  VEC_MASK mask)
{
    const VEC bias = row->bias ? channels_load(row->bias + c, part, mask) : VEC_ZERO();
    depthwise_pixels(row, row->y + i * row->y_pixel + c, row->x + i * row->x_pixel + c, row->w + c, bias,
                     pixels, part, mask);
}

/* All channels of pixel i and the following ones: memory is read in the order it lies. */
static inline CDK_ALWAYS_INLINE TILE_TARGET void depthwise_channels(const cdk_depthwise *row, int64_t i,
                                                                    const int pixels)
{
    const VEC_MASK whole = VEC_MAKE_MASK(VEC_WIDTH);
    int64_t c = 0;
    for (; c + VEC_WIDTH <= row->channels; c += VEC_WIDTH) {
        depthwise_vector(row, i, c, pixels, 0, whole);
    }
    if (c < row->channels) {
        depthwise_vector(row, i, c, pixels, 1, VEC_MAKE_MASK((int)(row->channels - c)));
    }
}

static TILE_TARGET void depthwise(const cdk_depthwise *row)
{
    int64_t i = 0;
    for (; i + PIXELS_AT_ONCE <= row->pixels; i += PIXELS_AT_ONCE) {
        depthwise_channels(row, i, PIXELS_AT_ONCE);
    }
    for (; i < row->pixels; i++) {
        depthwise_channels(row, i, 1);
    }
}

static inline CDK_ALWAYS_INLINE TILE_TARGET void dot_channels(float *sum, const float *x, ptrdiff_t x_pixel,
                                                              const float *y, ptrdiff_t y_pixel,
                                                              int64_t pixels, const int part, VEC_MASK mask)
{
    VEC even = VEC_ZERO(), odd = VEC_ZERO();
    int64_t i = 0;
    for (; i + 2 <= pixels; i += 2) {
        even = VEC_FMA(channels_load(x, part, mask), channels_load(y, part, mask), even);
        odd = VEC_FMA(channels_load(x + x_pixel, part, mask), channels_load(y + y_pixel, part, mask), odd);
        x += 2 * x_pixel;
        y += 2 * y_pixel;
    }
    if (i < pixels) {
        even = VEC_FMA(channels_load(x, part, mask), channels_load(y, part, mask), even);
    }
    even = VEC_ADD(VEC_ADD(even, odd), channels_load(sum, part, mask));
    channels_store(sum, even, part, mask, CDK_ACTIVATION_NONE, 0);
}

static TILE_TARGET void channel_dot(float *sum, const float *x, ptrdiff_t x_pixel, const float *y,
                                    ptrdiff_t y_pixel, int64_t pixels, int64_t channels)
{
    const VEC_MASK whole = VEC_MAKE_MASK(VEC_WIDTH);
    int64_t c = 0;
    for (; c + VEC_WIDTH <= channels; c += VEC_WIDTH) {
        dot_channels(sum + c, x + c, x_pixel, y + c, y_pixel, pixels, 0, whole);
    }
    if (c < channels) {
        dot_channels(sum + c, x + c, x_pixel, y + c, y_pixel, pixels, 1, VEC_MAKE_MASK((int)(channels - c)));
    }
}

static inline CDK_ALWAYS_INLINE TILE_TARGET void sum_channels(float *sum, const float *x, ptrdiff_t x_pixel,
                                                              int64_t pixels, const int part, VEC_MASK mask)
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

static TILE_TARGET void channel_sum(float *sum, const float *x, ptrdiff_t x_pixel, int64_t pixels,
                                    int64_t channels)
{
    const VEC_MASK whole = VEC_MAKE_MASK(VEC_WIDTH);
    int64_t c = 0;
    for (; c + VEC_WIDTH <= channels; c += VEC_WIDTH) {
        sum_channels(sum + c, x + c, x_pixel, pixels, 0, whole);
    }
    if (c < channels) {
        sum_channels(sum + c, x + c, x_pixel, pixels, 1, VEC_MAKE_MASK((int)(channels - c)));
    }
}

#undef PIXELS_AT_ONCE
