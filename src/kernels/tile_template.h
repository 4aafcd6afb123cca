/* The register tile of kernels/isa.h for one vector type; included once for each tile kind.
 *
 * Set before inclusion: TILE_NAME (suffix of the names), TILE_ROWS (largest number of rows, at most 14),
 * TILE_VECTORS (1 or 2 vectors side by side), and a level's vectors (kernels/vec.h). With TILE_LANEWISE
 * defined lane j of a row multiplies x[.. + j] (one vector, not `bounded`). TILE_FINISHES, how the function
 * is declared that every row calls at the end of a tile, may say that it is not to be inlined.
 *
 * The accumulators are named variables, not an array: compilers at -O2 keep an array in memory. `rows` and
 * `bounded` are constants at every call, so that rows that do not exist vanish. Rows are addressed from a
 * base for every three of them, which leaves enough integer registers.
 */

#define TILE_JOIN_(a, b) a##_##b
#define TILE_JOIN(a, b) TILE_JOIN_(a, b)
#define TILE_FN(name) TILE_JOIN(name, TILE_NAME)

#define TILE_EACH_ROW(X) \
    X(0, base0, 0)       \
    X(1, base0, 1)       \
    X(2, base0, 2)       \
    X(3, base3, 0)       \
    X(4, base3, 1)       \
    X(5, base3, 2)       \
    X(6, base6, 0)       \
    X(7, base6, 1)       \
    X(8, base6, 2) X(9, base9, 0) X(10, base9, 1) X(11, base9, 2) X(12, base12, 0) X(13, base12, 1)

#ifdef TILE_LANEWISE
#define TILE_X(p) VEC_LOAD(p)
#else
#define TILE_X(p) VEC_SET1(*(p))
#endif

#define TILE_DECLARE(i, base, offset) VEC a##i = VEC_ZERO(), b##i = VEC_ZERO();
#define TILE_STEP(i, base, offset)                                      \
    if (rows > i) {                                                     \
        const VEC x_i = TILE_X((const float *)(base + offset * x_row)); \
        a##i = VEC_FMA(x_i, w0, a##i);                                  \
        if (TILE_VECTORS > 1) {                                         \
            b##i = VEC_FMA(x_i, w1, b##i);                              \
        }                                                               \
    }
#define TILE_ADVANCE(i, base, offset) \
    if (rows > i && offset == 0) {    \
        base += x_step;               \
    }
#define TILE_BIAS(i, base, offset) \
    a##i = VEC_ADD(a##i, bias0);   \
    b##i = VEC_ADD(b##i, bias1);
#define TILE_FINISH(i, base, offset)                                          \
    if (rows > i) {                                                           \
        TILE_FN(finish)(tile->y + i * tile->y_row, a##i, b##i, tile, stream); \
    }

VEC_INLINE VEC TILE_FN(activate)(VEC v, cdk_activation activation)
{
    if (activation != CDK_ACTIVATION_NONE) {
        v = VEC_MAX(VEC_ZERO(), v);
    }
    if (activation == CDK_ACTIVATION_RELU6) {
        v = VEC_MIN(VEC_SET1(6.0f), v);
    }
    return v;
}

VEC_INLINE void TILE_FN(finish_vector)(float *y, VEC v, int lanes, const cdk_tile *tile, int stream)
{
    if (lanes >= VEC_WIDTH) {
        if (tile->accumulate) {
            v = VEC_ADD(v, VEC_LOAD(y));
        }
        v = TILE_FN(activate)(v, tile->activation);
        if (stream) {
            VEC_STREAM(y, v);
        } else {
            VEC_STORE(y, v);
        }
    } else if (lanes > 0) {
        const VEC_MASK mask = VEC_MAKE_MASK(lanes);
        if (tile->accumulate) {
            v = VEC_ADD(v, VEC_LOAD_MASK(y, mask));
        }
        VEC_STORE_MASK(y, mask, TILE_FN(activate)(v, tile->activation));
    }
}

#ifndef TILE_FINISHES
#define TILE_FINISHES VEC_INLINE
#endif

TILE_FINISHES void TILE_FN(finish)(float *y, VEC a, VEC b, const cdk_tile *tile, int stream)
{
    TILE_FN(finish_vector)(y, a, tile->lanes, tile, stream);
    if (TILE_VECTORS > 1) {
        TILE_FN(finish_vector)(y + VEC_WIDTH, b, tile->lanes - VEC_WIDTH, tile, stream);
    }
}

VEC_INLINE VEC TILE_FN(load_part)(const float *p, int lanes)
{
    return lanes >= VEC_WIDTH ? VEC_LOAD(p) : lanes > 0 ? VEC_LOAD_MASK(p, VEC_MAKE_MASK(lanes)) : VEC_ZERO();
}

VEC_INLINE void TILE_FN(tile)(const cdk_tile *tile, const int rows, const int bounded)
{
    const ptrdiff_t size = sizeof(float);
    const ptrdiff_t x_row = tile->x_row * size, x_step = tile->x_step * size, w_step = tile->w_step;
    const int second = tile->lanes > VEC_WIDTH ? tile->lanes - VEC_WIDTH : 0;
    const VEC_MASK mask0 = VEC_MAKE_MASK(tile->lanes < VEC_WIDTH ? tile->lanes : VEC_WIDTH);
    const VEC_MASK mask1 = VEC_MAKE_MASK(second);
    /* The hardware does not see a stream in the order a tile reads its rows. The data needed next come little
     * by little, so that fetching and computing overlap. */
    const char *ahead = (const char *)(tile->ahead ? tile->ahead : tile->w);
    const ptrdiff_t ahead_step = tile->ahead ? tile->ahead_step * size : 0;
    TILE_EACH_ROW(TILE_DECLARE)
    for (int64_t run = 0; run < tile->runs; run++) {
        const char *base0 = (const char *)(tile->x + tile->x_run[run]);
        const char *base3 = base0 + 3 * x_row, *base6 = base3 + 3 * x_row;
        const char *base9 = base6 + 3 * x_row, *base12 = base9 + 3 * x_row;
        const float *w = tile->w + tile->w_run[run] * tile->w_unit;
        for (int64_t t = tile->length; t > 0; t--) {
            const VEC w0 = bounded ? VEC_LOAD_MASK(w, mask0) : VEC_LOAD(w);
            const VEC w1 = TILE_VECTORS < 2 ? w0
                           : bounded        ? VEC_LOAD_MASK(w + VEC_WIDTH, mask1)
                                            : VEC_LOAD(w + VEC_WIDTH);
            CDK_PREFETCH(ahead);
            ahead += ahead_step;
            TILE_EACH_ROW(TILE_STEP)
            TILE_EACH_ROW(TILE_ADVANCE)
            w += w_step;
            (void)w1;
        }
    }
    if (tile->bias) {
        const VEC bias0 = TILE_FN(load_part)(tile->bias, tile->lanes);
        const VEC bias1 = TILE_VECTORS > 1 ? TILE_FN(load_part)(tile->bias + VEC_WIDTH, second) : bias0;
        TILE_EACH_ROW(TILE_BIAS)
    }
    /* Only whole cache lines are worth it. */
    const int stream = tile->stream && TILE_VECTORS * VEC_WIDTH % CDK_LINE_FLOATS == 0 &&
                       tile->y_row % CDK_LINE_FLOATS == 0 &&
                       (uintptr_t)tile->y % (CDK_LINE_FLOATS * size) == 0;
    TILE_EACH_ROW(TILE_FINISH)
    (void)mask0;
    (void)mask1;
}

#define TILE_KERNEL(rows)                                                       \
    static VEC_TARGET void TILE_JOIN(TILE_FN(tile), rows)(const cdk_tile *tile) \
    {                                                                           \
        if (tile->w_bounded && tile->lanes < TILE_VECTORS * VEC_WIDTH) {        \
            TILE_FN(tile)(tile, rows, 1);                                       \
        } else {                                                                \
            TILE_FN(tile)(tile, rows, 0);                                       \
        }                                                                       \
    }

TILE_KERNEL(1)
#if TILE_ROWS >= 2
TILE_KERNEL(2)
#endif
#if TILE_ROWS >= 3
TILE_KERNEL(3)
#endif
#if TILE_ROWS >= 4
TILE_KERNEL(4)
#endif
#if TILE_ROWS >= 5
TILE_KERNEL(5)
#endif
#if TILE_ROWS >= 6
TILE_KERNEL(6)
#endif
#if TILE_ROWS >= 7
TILE_KERNEL(7)
#endif
#if TILE_ROWS >= 8
TILE_KERNEL(8)
#endif
#if TILE_ROWS >= 9
TILE_KERNEL(9)
#endif
#if TILE_ROWS >= 10
TILE_KERNEL(10)
#endif
#if TILE_ROWS >= 11
TILE_KERNEL(11)
#endif
#if TILE_ROWS >= 12
TILE_KERNEL(12)
#endif
#if TILE_ROWS >= 13
TILE_KERNEL(13)
#endif
#if TILE_ROWS >= 14
TILE_KERNEL(14)
#endif

static const cdk_tile_kernel TILE_FN(tiles)[TILE_ROWS] = {
    TILE_JOIN(TILE_FN(tile), 1),
#if TILE_ROWS >= 2
    TILE_JOIN(TILE_FN(tile), 2),
#endif
#if TILE_ROWS >= 3
    TILE_JOIN(TILE_FN(tile), 3),
#endif
#if TILE_ROWS >= 4
    TILE_JOIN(TILE_FN(tile), 4),
#endif
#if TILE_ROWS >= 5
    TILE_JOIN(TILE_FN(tile), 5),
#endif
#if TILE_ROWS >= 6
    TILE_JOIN(TILE_FN(tile), 6),
#endif
#if TILE_ROWS >= 7
    TILE_JOIN(TILE_FN(tile), 7),
#endif
#if TILE_ROWS >= 8
    TILE_JOIN(TILE_FN(tile), 8),
#endif
#if TILE_ROWS >= 9
    TILE_JOIN(TILE_FN(tile), 9),
#endif
#if TILE_ROWS >= 10
    TILE_JOIN(TILE_FN(tile), 10),
#endif
#if TILE_ROWS >= 11
    TILE_JOIN(TILE_FN(tile), 11),
#endif
#if TILE_ROWS >= 12
    TILE_JOIN(TILE_FN(tile), 12),
#endif
#if TILE_ROWS >= 13
    TILE_JOIN(TILE_FN(tile), 13),
#endif
#if TILE_ROWS >= 14
    TILE_JOIN(TILE_FN(tile), 14),
#endif
};

#undef TILE_JOIN_
#undef TILE_JOIN
#undef TILE_FN
#undef TILE_EACH_ROW
#undef TILE_X
#undef TILE_LANEWISE
#undef TILE_DECLARE
#undef TILE_STEP
#undef TILE_ADVANCE
#undef TILE_BIAS
#undef TILE_FINISH
#undef TILE_KERNEL
#undef TILE_NAME
#undef TILE_ROWS
#undef TILE_VECTORS
