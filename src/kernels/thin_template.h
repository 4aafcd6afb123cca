/* Rows of at most four columns: a tile would leave most lanes empty, so here the lanes run along the
 * reduction. Included once for each instruction set, after its vectors (kernels/vec.h). Three pixels times
 * four columns are twelve named accumulators. */

#include <math.h>

#define THIN_EACH(X) \
    X(0, 0) X(0, 1) X(0, 2) X(0, 3) X(1, 0) X(1, 1) X(1, 2) X(1, 3) X(2, 0) X(2, 1) X(2, 2) X(2, 3)
#define THIN_DECLARE(i, k) VEC a##i##k = VEC_ZERO();
#define THIN_STEP(i, k)                         \
    if (pixels > i && columns > k) {            \
        a##i##k = VEC_FMA(x##i, w##k, a##i##k); \
    }
#define THIN_FINISH(i)                                              \
    if (pixels > i) {                                               \
        float sums[CDK_THIN_COLUMNS];                               \
        VEC_SUM4(sums, a##i##0, a##i##1, a##i##2, a##i##3);         \
        for (int k = 0; k < columns; k++) {                         \
            y[i * tile->y_row + k] = thin_finish(sums[k], k, tile); \
        }                                                           \
    }
/* One vector of the reduction; LOAD is whole or masked. */
#define THIN_VECTOR(LOAD)                                                 \
    {                                                                     \
        const VEC x0 = LOAD(p), x1 = pixels > 1 ? LOAD(p + x_row) : x0;   \
        const VEC x2 = pixels > 2 ? LOAD(p + 2 * x_row) : x0;             \
        const VEC w0 = LOAD(w), w1 = columns > 1 ? LOAD(w + w_step) : w0; \
        const VEC w2 = columns > 2 ? LOAD(w + 2 * w_step) : w0;           \
        const VEC w3 = columns > 3 ? LOAD(w + 3 * w_step) : w0;           \
        THIN_EACH(THIN_STEP)                                              \
        (void)x1;                                                         \
        (void)x2;                                                         \
        (void)w1;                                                         \
        (void)w2;                                                         \
        (void)w3;                                                         \
    }
#define THIN_LOAD_PART(from) VEC_LOAD_MASK(from, mask)

/* Without branches, which the signs of real data would make unpredictable; NaN stays NaN. */
static inline float thin_finish(float sum, int k, const cdk_tile *tile)
{
    const float low = tile->activation == CDK_ACTIVATION_NONE ? -INFINITY : 0.0f;
    const float high = tile->activation == CDK_ACTIVATION_RELU6 ? 6.0f : INFINITY;
    sum += tile->bias ? tile->bias[k] : 0.0f;
    sum = low > sum ? low : sum;
    return high < sum ? high : sum;
}

VEC_INLINE void thin_pixels(const cdk_tile *tile, float *y, const float *x, const float *ahead,
                            const int pixels, const int columns)
{
    const ptrdiff_t x_row = tile->x_row, w_step = tile->w_step;
    const int rest = (int)(tile->length % VEC_WIDTH);
    const VEC_MASK mask = VEC_MAKE_MASK(rest);
    THIN_EACH(THIN_DECLARE)
    for (int64_t run = 0; run < tile->runs; run++) {
        const float *p = x + tile->x_run[run], *w = tile->w + tile->w_run[run];
        for (int64_t t = tile->length / VEC_WIDTH; t > 0; t--) {
            CDK_PREFETCH(ahead);
            ahead += tile->ahead_step;
            THIN_VECTOR(VEC_LOAD)
            p += VEC_WIDTH;
            w += VEC_WIDTH;
        }
        if (rest > 0) {
            THIN_VECTOR(THIN_LOAD_PART)
        }
    }
    THIN_FINISH(0)
    THIN_FINISH(1)
    THIN_FINISH(2)
    (void)mask;
}

VEC_INLINE void thin_columns(const cdk_tile *tile, int64_t n, const int columns)
{
    const float *x = tile->x, *ahead = tile->ahead ? tile->ahead : tile->w;
    float *y = tile->y;
    const ptrdiff_t fetched = tile->runs * (tile->length / VEC_WIDTH) * tile->ahead_step;
    int64_t left = n;
    for (; left >= CDK_THIN_PIXELS; left -= CDK_THIN_PIXELS) {
        thin_pixels(tile, y, x, ahead, CDK_THIN_PIXELS, columns);
        y += CDK_THIN_PIXELS * tile->y_row;
        x += CDK_THIN_PIXELS * tile->x_row;
        ahead += tile->ahead ? fetched : 0;
    }
    for (; left > 0; left--) {
        thin_pixels(tile, y, x, ahead, 1, columns);
        y += tile->y_row;
        x += tile->x_row;
    }
}

static VEC_TARGET void thin(const cdk_tile *tile, int64_t n)
{
    switch (tile->lanes) {
    case 1:
        thin_columns(tile, n, 1);
        break;
    case 2:
        thin_columns(tile, n, 2);
        break;
    case 3:
        thin_columns(tile, n, 3);
        break;
    default:
        thin_columns(tile, n, 4);
    }
}

#undef THIN_EACH
#undef THIN_DECLARE
#undef THIN_STEP
#undef THIN_FINISH
#undef THIN_VECTOR
#undef THIN_LOAD_PART
