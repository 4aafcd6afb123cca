/* The convolutions of conv.h for double, as plain sums: for checks of gradients, not for speed.
 * Layouts and shapes are those of conv.h. Each adds to its result, which the caller has set. */
#ifndef CANDELA_KERNELS_CONV_DOUBLE_H
#define CANDELA_KERNELS_CONV_DOUBLE_H

#include "kernels/conv.h"

void cdk_conv_add_double(double *y, const double *x, const double *w, const cdk_conv *conv);
void cdk_conv_add_input_double(double *dx, const double *dy, const double *w, const cdk_conv *conv);
void cdk_conv_add_weight_double(double *dw, const double *dy, const double *x, const cdk_conv *conv);

/* rows[pixel][channel] = bias[channel], or 0 where bias is NULL. */
void cdk_fill_rows_double(double *rows, const double *bias, int64_t pixels, int64_t channels);
/* sums[channel] = sum over pixels. */
void cdk_sum_rows_double(double *sums, const double *rows, int64_t pixels, int64_t channels);

#endif
