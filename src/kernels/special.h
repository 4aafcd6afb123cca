/* Functions of mathematics that have no vector form: each number by itself, in double precision, by the C
 * library where it has the function. Threads share the elements. */
#ifndef CANDELA_KERNELS_SPECIAL_H
#define CANDELA_KERNELS_SPECIAL_H

#include <stdint.h>

/* digamma(x) = d log Gamma(x) / dx: -Inf (Inf) at 0 (-0), NaN at negative integers. */
double cdk_digamma(double x);

/* The n'th derivative of digamma, n >= 1: (-1)^(n+1) n! sum over k >= 0 of 1 / (x + k)^(n+1). */
double cdk_polygamma(double x, double n);

/* x with erf(x) = y, -1 <= y <= 1, else NaN. */
double cdk_erfinv(double y);

/* Modified Bessel functions of the first kind, of order 0 and 1. */
double cdk_i0(double x);
double cdk_i1(double x);

/* y[i] = f(x[i], parameter). */
typedef double cdk_special(double x, double parameter);
void cdk_special_run(double *y, cdk_special *f, double parameter, const double *x, int64_t n);

#endif
