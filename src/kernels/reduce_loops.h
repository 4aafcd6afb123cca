/* Sums and extremes of floats, for one level: included by reduce.c after the vectors. Every element has its
 * place in the order of additions, whatever the level. */
#include "kernels/elementwise.h"

#if VEC_WIDTH == 1

VEC_INLINE double CDK_AT(sum_row)(const float *x, int64_t n)
{
    double s[FLOAT_LANES];
    int64_t i = 0;
    for (int k = 0; k < FLOAT_LANES; k++) {
        s[k] = 0;
    }
    for (; i < n; i++) {
        s[i % FLOAT_LANES] += (double)x[i];
    }
    for (int half = FLOAT_LANES / 2; half > 0; half /= 2) {
        for (int k = 0; k < half; k++) {
            s[k] += s[k + half];
        }
    }
    return s[0];
}

#else

#define WIDE_LANES (VEC_WIDTH / 2)
#define WIDE_SUMS (FLOAT_LANES / WIDE_LANES)

VEC_INLINE double CDK_AT(sum_row)(const float *x, int64_t n)
{
    WIDE s[WIDE_SUMS];
    double lane[WIDE_LANES];
    int64_t i = 0;
    for (int k = 0; k < WIDE_SUMS; k++) {
        s[k] = WIDE_SET1(0);
    }
    for (; i + FLOAT_LANES <= n; i += FLOAT_LANES) {
        for (int k = 0; k < WIDE_SUMS; k += 2) {
            const VEC v = VEC_LOAD(x + i + k * WIDE_LANES);
            s[k] = s[k] + WIDE_LOW(v);
            s[k + 1] = s[k + 1] + WIDE_HIGH(v);
        }
    }
    for (int k = 0; k < WIDE_SUMS && i < n; k += 2, i += VEC_WIDTH) {
        const VEC v = CDK_AT(load_run)(x, i, n);
        s[k] = s[k] + WIDE_LOW(v);
        s[k + 1] = s[k + 1] + WIDE_HIGH(v);
    }
    for (int half = WIDE_SUMS / 2; half > 0; half /= 2) {
        for (int k = 0; k < half; k++) {
            s[k] = s[k] + s[k + half];
        }
    }
    memcpy(lane, &s[0], sizeof lane);
    for (int half = WIDE_LANES / 2; half > 0; half /= 2) {
        for (int k = 0; k < half; k++) {
            lane[k] += lane[k + half];
        }
    }
    return lane[0];
}

#undef WIDE_LANES
#undef WIDE_SUMS
#endif

/* y[r] = sum of row r of n elements, of which element i goes to lane i % FLOAT_LANES; lanes are added by
 * halves */
static VEC_TARGET void CDK_AT(sum_rows)(double *y, const float *x, int64_t rows, int64_t n)
{
    for (int64_t r = 0; r < rows; r++, x += n) {
        y[r] = CDK_AT(sum_row)(x, n);
    }
}

/* y[j] = sum over n rows, `step` elements apart */
static VEC_TARGET void CDK_AT(sum_columns)(double *restrict y, const float *restrict x, int64_t n,
                                           int64_t columns, int64_t step)
{
    int64_t i = 0;
    for (int64_t j = 0; j < columns; j++) {
        y[j] = 0;
    }
    for (; i + 4 <= n; i += 4, x += 4 * step) {
        for (int64_t j = 0; j < columns; j++) {
            const double first = (double)x[j] + (double)x[j + step];
            y[j] += first + ((double)x[j + 2 * step] + (double)x[j + 3 * step]);
        }
    }
    for (; i < n; i++, x += step) {
        for (int64_t j = 0; j < columns; j++) {
            y[j] += (double)x[j];
        }
    }
}

/* y[j] = the largest, or smallest, over n rows; a NaN stays */
#define EXTREME_COLUMNS_OF(name, relation)                                                      \
    static VEC_TARGET void CDK_AT(name)(double *restrict y, const float *restrict x, int64_t n, \
                                        int64_t columns, int64_t step)                          \
    {                                                                                           \
        float best[COLUMNS];                                                                    \
        for (int64_t j = 0; j < columns; j++) {                                                 \
            best[j] = x[j];                                                                     \
        }                                                                                       \
        for (int64_t i = 1; i < n; i++) {                                                       \
            const float *restrict row = x + i * step;                                           \
            for (int64_t j = 0; j < columns; j++) {                                             \
                best[j] = ((row[j] relation best[j]) | (row[j] != row[j])) ? row[j] : best[j];  \
            }                                                                                   \
        }                                                                                       \
        for (int64_t j = 0; j < columns; j++) {                                                 \
            y[j] = best[j];                                                                     \
        }                                                                                       \
    }

EXTREME_COLUMNS_OF(largest_columns, >)
EXTREME_COLUMNS_OF(smallest_columns, <)

#define EXTREME_ROWS_OF(name, relation)                                                            \
    static VEC_TARGET void CDK_AT(name)(double *y, const float *x, int64_t rows, int64_t n)        \
    {                                                                                              \
        for (int64_t r = 0; r < rows; r++, x += n) {                                               \
            float best[FLOAT_LANES];                                                               \
            int64_t i = 0;                                                                         \
            for (int k = 0; k < FLOAT_LANES; k++) {                                                \
                best[k] = x[0];                                                                    \
            }                                                                                      \
            for (; i + FLOAT_LANES <= n; i += FLOAT_LANES) {                                       \
                for (int k = 0; k < FLOAT_LANES; k++) {                                            \
                    const float v = x[i + k];                                                      \
                    best[k] = ((v relation best[k]) | (v != v)) ? v : best[k];                     \
                }                                                                                  \
            }                                                                                      \
            for (; i < n; i++) {                                                                   \
                best[0] = ((x[i] relation best[0]) | (x[i] != x[i])) ? x[i] : best[0];             \
            }                                                                                      \
            for (int k = 1; k < FLOAT_LANES; k++) {                                                \
                best[0] = ((best[k] relation best[0]) | (best[k] != best[k])) ? best[k] : best[0]; \
            }                                                                                      \
            y[r] = best[0];                                                                        \
        }                                                                                          \
    }

EXTREME_ROWS_OF(largest_rows, >)
EXTREME_ROWS_OF(smallest_rows, <)

#undef EXTREME_COLUMNS_OF
#undef EXTREME_ROWS_OF
