#include "kernels/search.h"

#include <math.h>

#include "base/parallel.h"

/* ---- searchsorted ---- */

static bool goes_before(double element, double value, bool right)
{
    if (isnan(element)) {
        return right && isnan(value);
    }
    return isnan(value) || (right ? element <= value : element < value);
}

static int64_t count_before(const double *sequence, int64_t n, double value, bool right)
{
    int64_t low = 0, high = n;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (goes_before(sequence[middle], value, right)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

typedef struct {
    int64_t *index;
    const double *sequence, *value;
    const cdk_search *s;
} search_work;

static void search_body(void *context, int64_t begin, int64_t end, int thread)
{
    const search_work *w = context;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        w->index[i] =
            count_before(w->sequence + i / w->s->per_sequence * w->s->n, w->s->n, w->value[i], w->s->right);
    }
}

void cdk_searchsorted(int64_t *index, const double *sequence, const double *value, const cdk_search *s)
{
    search_work w = {index, sequence, value, s};
    cd_parallel_for(s->values, 1024, search_body, &w);
}

/* ---- along the middle dimension: one line of it after the other ---- */

typedef struct {
    void *y;
    const double *dy, *x, *of_y;
    bool smallest;
    cdk_middle shape;
    void (*line)(void *y, int64_t at, int64_t step, const void *work);
} line_work;

static void lines_body(void *context, int64_t begin, int64_t end, int thread)
{
    const line_work *w = context;
    const int64_t inner = w->shape.inner;
    (void)thread;
    for (int64_t line = begin; line < end; line++) {
        w->line(w->y, line / inner * w->shape.n * inner + line % inner, inner, w);
    }
}

static void each_line(line_work *w)
{
    const int64_t grain = 4096 / (w->shape.n + 1) + 1;
    cd_parallel_for(w->shape.outer * w->shape.inner, grain, lines_body, w);
}

static bool replaces(double x, double best, bool smallest)
{
    return isnan(x) || (!isnan(best) && (smallest ? x <= best : x >= best));
}

static void extreme_line(void *y, int64_t at, int64_t step, const void *work)
{
    const line_work *w = work;
    int64_t *index = y, found = 0;
    for (int64_t i = 0; i < w->shape.n; i++) {
        if (replaces(w->x[at + i * step], w->x[at + found * step], w->smallest)) {
            found = i;
        }
        index[at + i * step] = found + 1;
    }
}

void cdk_cumulated_extreme(int64_t *index, bool smallest, const double *x, cdk_middle shape)
{
    line_work w = {.y = index, .x = x, .smallest = smallest, .shape = shape, .line = extreme_line};
    each_line(&w);
}

static double log_of_sum(double a, double b)
{
    const double larger = a > b || isnan(a) ? a : b, smaller = a > b || isnan(a) ? b : a;
    return isinf(larger) && (larger < 0 || smaller < larger) ? larger
           : larger == smaller && isinf(larger)              ? larger
                                                             : larger + log1p(exp(smaller - larger));
}

static void logcumsumexp_line(void *y, int64_t at, int64_t step, const void *work)
{
    const line_work *w = work;
    double *sum = y, so_far = -INFINITY;
    for (int64_t i = 0; i < w->shape.n; i++) {
        so_far = log_of_sum(so_far, w->x[at + i * step]);
        sum[at + i * step] = so_far;
    }
}

void cdk_logcumsumexp(double *y, const double *x, cdk_middle shape)
{
    line_work w = {.y = y, .x = x, .shape = shape, .line = logcumsumexp_line};
    each_line(&w);
}

/* With r[i] = dy[i] + r[i + 1] exp(y[i] - y[i + 1]), whose exponents are never positive, dx[i] = r[i]
 * exp(x[i] - y[i]). */
static void logcumsumexp_gradient_line(void *dx, int64_t at, int64_t step, const void *work)
{
    const line_work *w = work;
    double *gradient = dx, rest = 0;
    for (int64_t i = w->shape.n - 1; i >= 0; i--) {
        const int64_t here = at + i * step;
        if (i < w->shape.n - 1 && rest != 0) {
            const double fall = w->of_y[here] - w->of_y[here + step];
            rest *= isnan(fall) && isinf(w->of_y[here]) ? 1 : exp(fall);
        }
        rest += w->dy[here];
        gradient[here] = isinf(w->x[here]) && w->x[here] < 0 ? 0 : rest * exp(w->x[here] - w->of_y[here]);
    }
}

void cdk_logcumsumexp_gradient(double *dx, const double *dy, const double *x, const double *y,
                               cdk_middle shape)
{
    line_work w = {.y = dx, .dy = dy, .x = x, .of_y = y, .shape = shape, .line = logcumsumexp_gradient_line};
    each_line(&w);
}

/* ---- integers ---- */

static int64_t divisor(int64_t a, int64_t b)
{
    uint64_t p = a < 0 ? 0 - (uint64_t)a : (uint64_t)a, q = b < 0 ? 0 - (uint64_t)b : (uint64_t)b;
    while (q != 0) {
        const uint64_t rest = p % q;
        p = q;
        q = rest;
    }
    return (int64_t)p;
}

static int64_t shift_left(int64_t a, int64_t by)
{
    return by < 0 || by > 63 ? 0 : (int64_t)((uint64_t)a << by);
}

static int64_t shift_right(int64_t a, int64_t by)
{
    return by < 0 || by > 63 ? (a < 0 ? -1 : 0) : a < 0 ? ~(~a >> by) : a >> by;
}

void cdk_integers(int64_t *y, cdk_integer_op op, const int64_t *a, const int64_t *b, const int64_t *stride,
                  int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const int64_t p = a[i * stride[1]], q = b[i * stride[2]];
        int64_t *to = y + i * stride[0];
        switch (op) {
        case CDK_BIT_AND:
            *to = p & q;
            break;
        case CDK_BIT_OR:
            *to = p | q;
            break;
        case CDK_BIT_XOR:
            *to = p ^ q;
            break;
        case CDK_SHIFT_LEFT:
            *to = shift_left(p, q);
            break;
        case CDK_SHIFT_RIGHT:
            *to = shift_right(p, q);
            break;
        case CDK_GCD:
            *to = divisor(p, q);
            break;
        }
    }
}
