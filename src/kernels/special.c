#include "kernels/special.h"

#include <math.h>

#include "base/parallel.h"

#define PI 3.14159265358979323846

/* Terms B(2j) / (2j) of the asymptotic series of digamma, and B(2j) / (2j)! of Euler and Maclaurin's
 * formula. */
static const double digamma_terms[] = {1.0 / 12,  -1.0 / 120,     1.0 / 252, -1.0 / 240,
                                       1.0 / 132, -691.0 / 32760, 1.0 / 12};
static const double zeta_terms[] = {1.0 / 12,
                                    -1.0 / 720,
                                    1.0 / 30240,
                                    -1.0 / 1209600,
                                    1.0 / 47900160,
                                    -691.0 / 1307674368000.0,
                                    1.0 / 74724249600.0,
                                    -3617.0 / 10670622842880000.0};

#define COUNT(terms) (int)(sizeof(terms) / sizeof *(terms))

double cdk_digamma(double x)
{
    if (x == 0) {
        return copysign(INFINITY, -x);
    }
    if (x < 0) {
        double whole;
        return x == floor(x) ? NAN : cdk_digamma(1 - x) - PI / tan(PI * modf(x, &whole));
    }
    double sum = 0;
    for (; x < 10; x++) {
        sum -= 1 / x;
    }
    const double w = 1 / (x * x);
    double series = 0;
    for (int j = COUNT(digamma_terms) - 1; j >= 0; j--) {
        series = w * (series + digamma_terms[j]);
    }
    return sum + log(x) - 0.5 / x - series;
}

/* Hurwitz' zeta(s, q) for s > 1, q > 0: the first terms one by one, the rest by Euler and Maclaurin. */
static double positive_zeta(double s, double q)
{
    double sum = 0;
    for (; q < 12; q++) {
        sum += pow(q, -s);
    }
    const double power = pow(q, -s);
    double factor = s * power / q;
    sum += q * power / (s - 1) + power / 2;
    for (int j = 0; j < COUNT(zeta_terms); j++) {
        sum += zeta_terms[j] * factor;
        factor *= (s + 2 * j + 1) * (s + 2 * j + 2) / (q * q);
    }
    return sum;
}

/* For whole s, terms with a negative base are those of two positive series. */
static double zeta(double s, double q)
{
    if (q > 0) {
        return positive_zeta(s, q);
    }
    if (q == floor(q)) {
        return INFINITY;
    }
    const double above = q - floor(q); /* the first positive base; the negative ones are above - 1, ..., q */
    const double sign = fmod(s, 2) == 0 ? 1 : -1;
    return positive_zeta(s, above) + sign * (positive_zeta(s, 1 - above) - positive_zeta(s, 1 - q));
}

double cdk_polygamma(double x, double n)
{
    return (fmod(n, 2) == 0 ? -1 : 1) * tgamma(n + 1) * zeta(n + 1, x);
}

/* M. Giles (2010), Approximating the erfinv function: a first guess in terms of w = -log(1 - y^2). */
static double first_erfinv(double y)
{
    static const double inner[] = {2.81022636e-08,  3.43273939e-07, -3.5233877e-06,
                                   -4.39150654e-06, 0.00021858087,  -0.00125372503,
                                   -0.00417768164,  0.246640727,    1.50140941};
    static const double outer[] = {-0.000200214257, 0.000100950558, 0.00134934322,
                                   -0.00367342844,  0.00573950773,  -0.0076224613,
                                   0.00943887047,   1.00167406,     2.83297682};
    const double w = -log1p(-y * y);
    const double *terms = w < 5 ? inner : outer;
    const double t = w < 5 ? w - 2.5 : sqrt(w) - 3;
    double p = terms[0];
    for (int i = 1; i < COUNT(inner); i++) {
        p = p * t + terms[i];
    }
    return p * y;
}

/* Two steps of Halley's method, with the distance taken where it is exact. */
static double erfinv_above(double y)
{
    double x = first_erfinv(y);
    for (int step = 0; step < 2; step++) {
        const double distance = y <= 0.5 ? erf(x) - y : (1 - y) - erfc(x);
        const double newton = distance / (2 / sqrt(PI) * exp(-x * x));
        x -= newton / (1 + x * newton);
    }
    return x;
}

double cdk_erfinv(double y)
{
    const double size = fabs(y);
    if (!(size < 1)) {
        return size == 1 ? copysign(INFINITY, y) : NAN;
    }
    return copysign(erfinv_above(size), y);
}

/* The power series, whose terms are all positive: sum of (x/2)^(2k + order) / (k! (k + order)!). */
static double bessel_series(double x, int order)
{
    const double quarter = x * x / 4;
    double term = order == 0 ? 1 : x / 2, sum = term;
    for (int k = 1; term > sum * 1e-17; k++) {
        term *= quarter / ((double)k * (k + order));
        sum += term;
    }
    return sum;
}

/* exp(x) / sqrt(2 pi x) times the series of products of ((2k - 1)^2 - 4 order^2) / (8 k x). */
static double bessel_asymptotic(double x, int order)
{
    double term = 1, sum = 1;
    for (int k = 1; k < 60 && fabs(term) > 1e-17; k++) {
        term *= ((2.0 * k - 1) * (2.0 * k - 1) - 4.0 * order) / (8.0 * k * x);
        sum += term;
    }
    const double half = exp(x / 2);
    return half * (sum / sqrt(2 * PI * x)) * half;
}

static double bessel(double x, int order)
{
    return x < 30 ? bessel_series(x, order) : bessel_asymptotic(x, order);
}

double cdk_i0(double x)
{
    return isnan(x) ? x : isinf(x) ? INFINITY : bessel(fabs(x), 0);
}

double cdk_i1(double x)
{
    return isnan(x) || isinf(x) ? x : copysign(bessel(fabs(x), 1), x);
}

typedef struct {
    double *y;
    cdk_special *f;
    double parameter;
    const double *x;
} special_work;

static void special_body(void *context, int64_t begin, int64_t end, int thread)
{
    const special_work *w = context;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        w->y[i] = w->f(w->x[i], w->parameter);
    }
}

void cdk_special_run(double *y, cdk_special *f, double parameter, const double *x, int64_t n)
{
    special_work w = {y, f, parameter, x};
    cd_parallel_for(n, 1024, special_body, &w);
}
