/* Rows of one channel a lane whose pixels are neighbours and share what they read: a column of x is loaded
 * once and multiplied by the weights of all the pixels that read it, where a tile loads it for each of them.
 * Included once for each instruction set, behind its tile `lanewise`.
 *
 * Set before inclusion: SLIDE_PIXELS, 14 where there are 32 registers, else 6: as many accumulators as leave
 * room for seven weights and a column. Accumulators and weights are named variables, for the same reason as
 * those of tiles; which pixels read a column is a constant of every line. */

#define SLIDE_TAPS 7

#define SLIDE_EACH_PIXEL(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13)
#define SLIDE_EACH_COLUMN(X) \
    X(0)                     \
    X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19)
/* The pixels and taps that meet in a column. */
#define SLIDE_AT_0(X) X(0, 0)
#define SLIDE_AT_1(X) X(0, 1) X(1, 0)
#define SLIDE_AT_2(X) X(0, 2) X(1, 1) X(2, 0)
#define SLIDE_AT_3(X) X(0, 3) X(1, 2) X(2, 1) X(3, 0)
#define SLIDE_AT_4(X) X(0, 4) X(1, 3) X(2, 2) X(3, 1) X(4, 0)
#define SLIDE_AT_5(X) X(0, 5) X(1, 4) X(2, 3) X(3, 2) X(4, 1) X(5, 0)
#define SLIDE_AT_6(X) X(0, 6) X(1, 5) X(2, 4) X(3, 3) X(4, 2) X(5, 1) X(6, 0)
#define SLIDE_AT_7(X) X(1, 6) X(2, 5) X(3, 4) X(4, 3) X(5, 2) X(6, 1) X(7, 0)
#define SLIDE_AT_8(X) X(2, 6) X(3, 5) X(4, 4) X(5, 3) X(6, 2) X(7, 1) X(8, 0)
#define SLIDE_AT_9(X) X(3, 6) X(4, 5) X(5, 4) X(6, 3) X(7, 2) X(8, 1) X(9, 0)
#define SLIDE_AT_10(X) X(4, 6) X(5, 5) X(6, 4) X(7, 3) X(8, 2) X(9, 1) X(10, 0)
#define SLIDE_AT_11(X) X(5, 6) X(6, 5) X(7, 4) X(8, 3) X(9, 2) X(10, 1) X(11, 0)
#define SLIDE_AT_12(X) X(6, 6) X(7, 5) X(8, 4) X(9, 3) X(10, 2) X(11, 1) X(12, 0)
#define SLIDE_AT_13(X) X(7, 6) X(8, 5) X(9, 4) X(10, 3) X(11, 2) X(12, 1) X(13, 0)
#define SLIDE_AT_14(X) X(8, 6) X(9, 5) X(10, 4) X(11, 3) X(12, 2) X(13, 1)
#define SLIDE_AT_15(X) X(9, 6) X(10, 5) X(11, 4) X(12, 3) X(13, 2)
#define SLIDE_AT_16(X) X(10, 6) X(11, 5) X(12, 4) X(13, 3)
#define SLIDE_AT_17(X) X(11, 6) X(12, 5) X(13, 4)
#define SLIDE_AT_18(X) X(12, 6) X(13, 5)
#define SLIDE_AT_19(X) X(13, 6)

#define SLIDE_DECLARE(i) VEC a##i = VEC_ZERO();
#define SLIDE_STEP(i, k)                    \
    if (i < SLIDE_PIXELS && k < taps) {     \
        a##i = VEC_FMA(column, w##k, a##i); \
    }
#define SLIDE_COLUMN(j)                 \
    if (j < SLIDE_PIXELS + taps - 1) {  \
        const VEC column = VEC_LOAD(x); \
        CDK_PREFETCH(ahead);            \
        ahead += ahead_step;            \
        x += x_step;                    \
        SLIDE_AT_##j(SLIDE_STEP)        \
    }
/* `n` neighbouring taps of all pixels; n is a constant. */
#define SLIDE_CHUNK(n)                                              \
    case n: {                                                       \
        const int taps = n;                                         \
        const VEC w0 = VEC_LOAD(w);                                 \
        const VEC w1 = n > 1 ? VEC_LOAD(w + w_step) : w0;           \
        const VEC w2 = n > 2 ? VEC_LOAD(w + 2 * w_step) : w0;       \
        const VEC w3 = n > 3 ? VEC_LOAD(w + 3 * w_step) : w0;       \
        const VEC w4 = n > 4 ? VEC_LOAD(w + 4 * w_step) : w0;       \
        const VEC w5 = n > 5 ? VEC_LOAD(w + 5 * w_step) : w0;       \
        const VEC w6 = n > 6 ? VEC_LOAD(w + 6 * w_step) : w0;       \
        SLIDE_EACH_COLUMN(SLIDE_COLUMN)                             \
        x -= (SLIDE_PIXELS - 1) * x_step;                           \
        w += n * w_step;                                            \
        (void)w1, (void)w2, (void)w3, (void)w4, (void)w5, (void)w6; \
        break;                                                      \
    }
#define SLIDE_BIAS(i) a##i = VEC_ADD(a##i, bias);
#define SLIDE_FINISH(i)                                                       \
    if (i < SLIDE_PIXELS) {                                                   \
        finish_lanewise(tile->y + i * tile->y_row, a##i, a##i, tile, stream); \
    }

static VEC_TARGET void slide(cdk_tile *tile)
{
    const ptrdiff_t x_step = tile->x_step, w_step = tile->w_step;
    const float *ahead = tile->ahead ? tile->ahead : tile->w;
    const ptrdiff_t ahead_step = tile->ahead ? tile->ahead_step : 0;
    SLIDE_EACH_PIXEL(SLIDE_DECLARE)
    for (int64_t run = 0; run < tile->runs; run++) {
        const float *x = tile->x + tile->x_run[run], *w = tile->w + tile->w_run[run] * tile->w_unit;
        const int64_t chunks = (tile->length + SLIDE_TAPS - 1) / SLIDE_TAPS;
        for (int64_t left = tile->length, chunk = chunks; chunk > 0; chunk--) {
            const int64_t now = (left + chunk - 1) / chunk;
            left -= now;
            switch (now) {
                SLIDE_CHUNK(1)
                SLIDE_CHUNK(2)
                SLIDE_CHUNK(3)
                SLIDE_CHUNK(4)
                SLIDE_CHUNK(5)
                SLIDE_CHUNK(6)
                SLIDE_CHUNK(7)
            default:
                break;
            }
        }
    }
    if (tile->bias) {
        const VEC bias = load_part_lanewise(tile->bias, tile->lanes);
        SLIDE_EACH_PIXEL(SLIDE_BIAS)
    }
    /* Only whole cache lines are worth it. */
    const int stream = tile->stream && VEC_WIDTH % CDK_LINE_FLOATS == 0 &&
                       tile->y_row % CDK_LINE_FLOATS == 0 &&
                       (uintptr_t)tile->y % (CDK_LINE_FLOATS * sizeof(float)) == 0;
    SLIDE_EACH_PIXEL(SLIDE_FINISH)
    tile->ahead = tile->ahead ? ahead : NULL;
}

#undef SLIDE_TAPS
#undef SLIDE_EACH_PIXEL
#undef SLIDE_EACH_COLUMN
#undef SLIDE_AT_0
#undef SLIDE_AT_1
#undef SLIDE_AT_2
#undef SLIDE_AT_3
#undef SLIDE_AT_4
#undef SLIDE_AT_5
#undef SLIDE_AT_6
#undef SLIDE_AT_7
#undef SLIDE_AT_8
#undef SLIDE_AT_9
#undef SLIDE_AT_10
#undef SLIDE_AT_11
#undef SLIDE_AT_12
#undef SLIDE_AT_13
#undef SLIDE_AT_14
#undef SLIDE_AT_15
#undef SLIDE_AT_16
#undef SLIDE_AT_17
#undef SLIDE_AT_18
#undef SLIDE_AT_19
#undef SLIDE_DECLARE
#undef SLIDE_STEP
#undef SLIDE_COLUMN
#undef SLIDE_CHUNK
#undef SLIDE_BIAS
#undef SLIDE_FINISH
