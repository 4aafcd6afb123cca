/* The inner loops of normalisation, plain C that compilers turn into vector instructions: included for one
 * float type by normalisation_level.h with T, LOOP(name), and BY_VECTORS where sums over spans are those of
 * normalisation_spans.h.
 */

/* Loops of one chunk. sums and the like have `width` elements, rows are `width` long. */

static VEC_TARGET void LOOP(add_rows)(T *restrict sums, const T *restrict x, int64_t rows, int64_t width)
{
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < width; c++) {
            sums[c] += x[r * width + c];
        }
    }
}

/* Sums of distances and of squared distances from mean. */
static VEC_TARGET void LOOP(add_distances)(T *restrict d1, T *restrict d2, const T *restrict mean,
                                           const T *restrict x, int64_t rows, int64_t width)
{
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < width; c++) {
            T d = x[r * width + c] - mean[c];
            d1[c] += d;
            d2[c] += d * d;
        }
    }
}

static VEC_TARGET void LOOP(add_products)(T *restrict s1, T *restrict s2, const T *restrict mean,
                                          const T *restrict dy, const T *restrict x, int64_t rows,
                                          int64_t width)
{
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < width; c++) {
            T g = dy[r * width + c];
            s1[c] += g;
            s2[c] += g * (x[r * width + c] - mean[c]);
        }
    }
}

/* Written so that NaN passes both comparisons. */
static VEC_TARGET void LOOP(affine_rows)(T *y, const T *x, const T *scale, const T *shift, T low, T high,
                                         int64_t rows, int64_t width)
{
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < width; c++) {
            T v = scale[c] * x[r * width + c] + shift[c];
            v = v < low ? low : v;
            y[r * width + c] = v > high ? high : v;
        }
    }
}

static VEC_TARGET void LOOP(gradient_rows)(T *restrict dx, const T *restrict dy, const T *restrict x,
                                           const T *restrict mean, const T *restrict a, const T *restrict b,
                                           const T *restrict d, int64_t rows, int64_t width)
{
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < width; c++) {
            dx[r * width + c] = a[c] * dy[r * width + c] + b[c] * (x[r * width + c] - mean[c]) + d[c];
        }
    }
}

#if !BY_VECTORS
#define ZERO_LANES(lane)              \
    for (int k = 0; k < LANES; k++) { \
        (lane)[k] = 0;                \
    }

/* The sum of LANES partial sums, by halves. */
static inline CDK_ALWAYS_INLINE VEC_TARGET double LOOP(sum_of_lanes)(T *lane)
{
    for (int half = LANES / 2; half > 4; half /= 2) {
        for (int k = 0; k < half; k++) {
            lane[k] += lane[k + half];
        }
    }
    double sum[8];
    for (int k = 0; k < 8; k++) {
        sum[k] = lane[k];
    }
    return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

/* Spans: neighbours of one channel. Sums run in LANES partial sums and, from one
 * span to the next, in double. */

static VEC_TARGET void LOOP(add_span)(double *restrict sum, const T *restrict x, int64_t n)
{
    T lane[LANES];
    ZERO_LANES(lane)
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (int k = 0; k < LANES; k++) {
            lane[k] += x[i + k];
        }
    }
    for (int k = 0; i < n; i++, k++) {
        lane[k] += x[i];
    }
    *sum += LOOP(sum_of_lanes)(lane);
}

/* first += sum of dy, second += sum of dy (x - mean). */
static VEC_TARGET void LOOP(add_span_products)(double *restrict first, double *restrict second,
                                               const T *restrict dy, const T *restrict x, T mean, int64_t n)
{
    T lane1[LANES], lane2[LANES];
    ZERO_LANES(lane1)
    ZERO_LANES(lane2)
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (int k = 0; k < LANES; k++) {
            T g = dy[i + k];
            lane1[k] += g;
            lane2[k] += g * (x[i + k] - mean);
        }
    }
    for (int k = 0; i < n; i++, k++) {
        lane1[k] += dy[i];
        lane2[k] += dy[i] * (x[i] - mean);
    }
    *first += LOOP(sum_of_lanes)(lane1);
    *second += LOOP(sum_of_lanes)(lane2);
}

/* d1 += sum of distances from mean, d2 += sum of their squares. */
static VEC_TARGET void LOOP(add_span_distances)(double *restrict d1, double *restrict d2, const T *restrict x,
                                                T mean, int64_t n)
{
    T lane1[LANES], lane2[LANES];
    ZERO_LANES(lane1)
    ZERO_LANES(lane2)
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (int k = 0; k < LANES; k++) {
            T d = x[i + k] - mean;
            lane1[k] += d;
            lane2[k] += d * d;
        }
    }
    for (int k = 0; i < n; i++, k++) {
        T d = x[i] - mean;
        lane1[k] += d;
        lane2[k] += d * d;
    }
    *d1 += LOOP(sum_of_lanes)(lane1);
    *d2 += LOOP(sum_of_lanes)(lane2);
}

#endif

static VEC_TARGET void LOOP(affine_span)(T *y, const T *x, T scale, T shift, T low, T high, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        T v = scale * x[i] + shift;
        v = v < low ? low : v;
        y[i] = v > high ? high : v;
    }
}

static VEC_TARGET void LOOP(gradient_span)(T *restrict dx, const T *restrict dy, const T *restrict x, T mean,
                                           T a, T b, T d, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        dx[i] = a * dy[i] + b * (x[i] - mean) + d;
    }
}

/* Rows that are normalised by themselves. */

static VEC_TARGET void LOOP(normalise_row)(T *restrict y, const T *restrict x, const T *restrict weight,
                                           const T *restrict bias, T mean, T rstd, T offset, int64_t n)
{
    if (weight == NULL && bias == NULL) {
        for (int64_t i = 0; i < n; i++) {
            y[i] = (x[i] - mean) * rstd + offset;
        }
    } else if (bias == NULL) {
        for (int64_t i = 0; i < n; i++) {
            y[i] = ((x[i] - mean) * rstd + offset) * weight[i];
        }
    } else if (weight == NULL) {
        for (int64_t i = 0; i < n; i++) {
            y[i] = ((x[i] - mean) * rstd + offset) + bias[i];
        }
    } else {
        for (int64_t i = 0; i < n; i++) {
            y[i] = ((x[i] - mean) * rstd + offset) * weight[i] + bias[i];
        }
    }
}

#if !BY_VECTORS
/* first += sum of dy weight, second += sum of dy weight (x - mean); weight may be NULL. */
static VEC_TARGET void LOOP(add_weighted_products)(double *restrict first, double *restrict second,
                                                   const T *restrict dy, const T *restrict x,
                                                   const T *restrict weight, T mean, int64_t n)
{
    T lane1[LANES], lane2[LANES];
    ZERO_LANES(lane1)
    ZERO_LANES(lane2)
    int64_t i = 0;
    if (weight == NULL) {
        LOOP(add_span_products)(first, second, dy, x, mean, n);
        return;
    }
    for (; i + LANES <= n; i += LANES) {
        for (int k = 0; k < LANES; k++) {
            T g = dy[i + k] * weight[i + k];
            lane1[k] += g;
            lane2[k] += g * (x[i + k] - mean);
        }
    }
    for (int k = 0; i < n; i++, k++) {
        T g = dy[i] * weight[i];
        lane1[k] += g;
        lane2[k] += g * (x[i] - mean);
    }
    *first += LOOP(sum_of_lanes)(lane1);
    *second += LOOP(sum_of_lanes)(lane2);
}
#endif

/* dx = a dy weight + b (x - mean) + d, by = mean, a, b, d; weight may be NULL. */
static VEC_TARGET void LOOP(gradient_row)(T *restrict dx, const T *restrict dy, const T *restrict x,
                                          const T *restrict weight, const T *by, int64_t n)
{
    const T mean = by[0], a = by[1], b = by[2], d = by[3];
    if (weight == NULL) {
        LOOP(gradient_span)(dx, dy, x, mean, a, b, d, n);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        dx[i] = a * (dy[i] * weight[i]) + b * (x[i] - mean) + d;
    }
}

static VEC_TARGET void LOOP(add_weight_gradients)(T *restrict dweight, T *restrict dbias,
                                                  const T *restrict dy, const T *restrict x, T mean, T rstd,
                                                  int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        dweight[i] += dy[i] * ((x[i] - mean) * rstd);
        dbias[i] += dy[i];
    }
}

#undef ZERO_LANES
