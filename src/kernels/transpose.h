/* Transposition of float32 matrices that lie in rows.
 *
 *     y[c y_row + r] = x[r x_row + c],  r < rows, c < columns
 *
 * y must not overlap x. Runs on the calling thread.
 */
#ifndef CANDELA_KERNELS_TRANSPOSE_H
#define CANDELA_KERNELS_TRANSPOSE_H

#include <stddef.h>
#include <stdint.h>

void cdk_transpose(float *y, ptrdiff_t y_row, const float *x, ptrdiff_t x_row, int64_t rows, int64_t columns);

/* The same, element by element. */
void cdk_transpose_naive(float *y, ptrdiff_t y_row, const float *x, ptrdiff_t x_row, int64_t rows,
                         int64_t columns);

#endif
