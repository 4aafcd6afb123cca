/* The 3 x 3 kernel of depthwise convolutions, see kernels/isa.h: a piece of a row, where every input is
 * loaded once for all outputs of the row that read it. Included once for each instruction set, after
 * TILE_TARGET, DEPTHWISE3_PIXELS, the VEC operations of tile_template.h and channels_template.h.
 *
 * `stride` and `pixels` are constants at every call, so that taps without an output vanish. Local arrays are
 * indexed by constants only, which lets compilers keep them in registers. */

#define DEPTHWISE3_EACH_COLUMN(X) \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define DEPTHWISE3_OUTPUT(j, s) ((j) >= (s) ? ((j) - (s)) / stride : 0)
/* Column j of the input times column s of the kernel. */
#define DEPTHWISE3_TAP(j, r, s)                                                                \
    if ((j) >= (s) && ((j) - (s)) % stride == 0 && DEPTHWISE3_OUTPUT(j, s) < pixels) {         \
        a[DEPTHWISE3_OUTPUT(j, s)] = VEC_FMA(v, w[3 * (r) + (s)], a[DEPTHWISE3_OUTPUT(j, s)]); \
    }
#define DEPTHWISE3_LOAD(j, r)                                                        \
    {                                                                                \
        const VEC v = channels_load(row->x[(r)*row->columns + (j)] + c, part, mask); \
        DEPTHWISE3_TAP(j, r, 0)                                                      \
        DEPTHWISE3_TAP(j, r, 1)                                                      \
        DEPTHWISE3_TAP(j, r, 2)                                                      \
    }
#define DEPTHWISE3_COLUMN(j)               \
    if ((j) < (pixels - 1) * stride + 3) { \
        DEPTHWISE3_LOAD(j, 0)              \
        DEPTHWISE3_LOAD(j, 1)              \
        DEPTHWISE3_LOAD(j, 2)              \
    }
/* The lowest rows are new to the cache: those of the next pixels are fetched. */
#define DEPTHWISE3_FETCH(j)                                            \
    if ((j) < pixels * stride) {                                       \
        CDK_PREFETCH(row->x[2 * row->columns + (j)] + c + row->ahead); \
        if (stride > 1) {                                              \
            CDK_PREFETCH(row->x[row->columns + (j)] + c + row->ahead); \
        }                                                              \
    }
#define DEPTHWISE3_EACH_PIXEL(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6)
#define DEPTHWISE3_BIAS(i) a[i] = bias;
#define DEPTHWISE3_STORE(i)                                                                       \
    if (pixels > (i)) {                                                                           \
        channels_store(row->y + (i)*row->y_pixel + c, a[i], part, mask, row->activation, stream); \
    }
#define DEPTHWISE3_WEIGHT(t) w[t] = channels_load(row->w + (t)*row->channels + c, part, mask);

static inline CDK_ALWAYS_INLINE TILE_TARGET void depthwise3_vector(const cdk_depthwise3 *row, int64_t c,
                                                                   const int stride, const int pixels,
                                                                   const int stream, const int part,
                                                                   VEC_MASK mask)
{
    const VEC bias = row->bias ? channels_load(row->bias + c, part, mask) : VEC_ZERO();
    VEC a[7], w[9];
    DEPTHWISE3_EACH_PIXEL(DEPTHWISE3_BIAS)
    DEPTHWISE3_EACH_PIXEL(DEPTHWISE3_WEIGHT)
    DEPTHWISE3_WEIGHT(7)
    DEPTHWISE3_WEIGHT(8)
    DEPTHWISE3_EACH_COLUMN(DEPTHWISE3_COLUMN)
    DEPTHWISE3_EACH_COLUMN(DEPTHWISE3_FETCH)
    DEPTHWISE3_EACH_PIXEL(DEPTHWISE3_STORE)
}

static inline CDK_ALWAYS_INLINE TILE_TARGET void depthwise3_pixels(const cdk_depthwise3 *row,
                                                                   const int stride, const int pixels)
{
    const int stream = row->stream && VEC_WIDTH % CDK_LINE_FLOATS == 0 &&
                       row->y_pixel % CDK_LINE_FLOATS == 0 &&
                       (uintptr_t)row->y % (CDK_LINE_FLOATS * sizeof(float)) == 0;
    CHANNELS_EACH_VECTOR(row->channels, depthwise3_vector(row, c, stride, pixels, stream, part, mask))
}

static inline CDK_ALWAYS_INLINE TILE_TARGET void depthwise3_strided(const cdk_depthwise3 *row,
                                                                    const int stride)
{
    switch (row->pixels) {
    case 1:
        depthwise3_pixels(row, stride, 1);
        break;
    case 2:
        depthwise3_pixels(row, stride, 2);
        break;
    case 3:
        depthwise3_pixels(row, stride, 3);
        break;
#if DEPTHWISE3_PIXELS > 4
    case 5:
        depthwise3_pixels(row, stride, 5);
        break;
    case 6:
        depthwise3_pixels(row, stride, 6);
        break;
    case 7:
        depthwise3_pixels(row, stride, 7);
        break;
#endif
    default:
        depthwise3_pixels(row, stride, 4);
    }
}

static TILE_TARGET void depthwise3(const cdk_depthwise3 *row)
{
    if (row->stride == 1) {
        depthwise3_strided(row, 1);
    } else {
        depthwise3_strided(row, 2);
    }
}

#undef DEPTHWISE3_EACH_COLUMN
#undef DEPTHWISE3_OUTPUT
#undef DEPTHWISE3_TAP
#undef DEPTHWISE3_LOAD
#undef DEPTHWISE3_COLUMN
#undef DEPTHWISE3_FETCH
#undef DEPTHWISE3_EACH_PIXEL
#undef DEPTHWISE3_BIAS
#undef DEPTHWISE3_STORE
#undef DEPTHWISE3_WEIGHT
