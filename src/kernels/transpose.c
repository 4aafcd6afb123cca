#include "kernels/transpose.h"

#include "kernels/isa.h"
#include "kernels/sizes.h"

#ifdef __SSE__
#include <xmmintrin.h>
#endif

void cdk_transpose_naive(float *y, ptrdiff_t y_row, const float *x, ptrdiff_t x_row, int64_t rows,
                         int64_t columns)
{
    for (int64_t c = 0; c < columns; c++) {
        for (int64_t r = 0; r < rows; r++) {
            y[c * y_row + r] = x[r * x_row + c];
        }
    }
}

#define SQUARE 4

static inline void transpose_square(float *y, ptrdiff_t y_row, const float *x, ptrdiff_t x_row)
{
#ifdef __SSE__
    __m128 a = _mm_loadu_ps(x), b = _mm_loadu_ps(x + x_row);
    __m128 c = _mm_loadu_ps(x + 2 * x_row), d = _mm_loadu_ps(x + 3 * x_row);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    _mm_storeu_ps(y, a);
    _mm_storeu_ps(y + y_row, b);
    _mm_storeu_ps(y + 2 * y_row, c);
    _mm_storeu_ps(y + 3 * y_row, d);
#else
    cdk_transpose_naive(y, y_row, x, x_row, SQUARE, SQUARE);
#endif
}

/* Columns of a whole number of squares. */
static void transpose_columns(float *y, ptrdiff_t y_row, const float *x, ptrdiff_t x_row, int64_t rows,
                              int64_t columns)
{
    const int64_t whole = rows / SQUARE * SQUARE;
    for (int64_t r = 0; r < whole; r += SQUARE) {
        for (int64_t c = 0; c < columns; c += SQUARE) {
            transpose_square(y + c * y_row + r, y_row, x + r * x_row + c, x_row);
        }
    }
    cdk_transpose_naive(y + whole, y_row, x + whole * x_row, x_row, rows - whole, columns);
}

/* A cache line of every row at a time. */
void cdk_transpose(float *y, ptrdiff_t y_row, const float *x, ptrdiff_t x_row, int64_t rows, int64_t columns)
{
    const int64_t whole = columns / SQUARE * SQUARE;
    for (int64_t c = 0; c < whole; c += CDK_LINE_FLOATS) {
        transpose_columns(y + c * y_row, y_row, x + c, x_row, rows, cdk_min(CDK_LINE_FLOATS, whole - c));
    }
    cdk_transpose_naive(y + whole * y_row, y_row, x + whole, x_row, rows, columns - whole);
}
