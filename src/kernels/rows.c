#include "kernels/levels.h"
/* Products and sums contract where it is written. */
CDK_EXACT

#include "kernels/rows.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"

/* Elements of a row whose exponentials are summed without being kept. */
#define ROW_PIECE 256

#define CDK_TEMPLATE "kernels/rows_template.h"
#include "kernels/each_level.h"

float cdk_row_affine(float *x, int64_t n, float scale, const float *shift)
{
    return CDK_FOR_CPU(row_affine)(x, n, scale, shift);
}

float cdk_row_exp(float *y, const float *x, int64_t n, float top)
{
    return CDK_FOR_CPU(row_exp)(y, x, n, top);
}

void cdk_row_times(float *y, const float *x, int64_t n, float factor)
{
    CDK_FOR_CPU(row_times)(y, x, n, factor);
}

void cdk_row_multiply(float *y, const float *x, int64_t n)
{
    CDK_FOR_CPU(row_multiply)(y, x, n);
}

float cdk_row_dot(const float *a, const float *b, int64_t n)
{
    return CDK_FOR_CPU(row_dot)(a, b, n);
}

void cdk_row_scores_gradient(float *x, float *d, int64_t n, const cdk_row_scores *s)
{
    CDK_FOR_CPU(row_scores_gradient)(x, d, n, s);
}

/* ---- many rows ---- */

/* Elements one thread should at least work on. */
#define ROWS_GRAIN 16384

typedef struct {
    float *out;
    const float *x, *dy;
    int64_t D;
    bool logarithm;
} rows_task;

static void softmax_some(void *context, int64_t begin, int64_t end, int thread)
{
    const rows_task *t = context;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        CDK_FOR_CPU(softmax_row)(t->out + i * t->D, t->x + i * t->D, t->D, t->logarithm);
    }
}

static void gradient_some(void *context, int64_t begin, int64_t end, int thread)
{
    const rows_task *t = context;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        const int64_t at = i * t->D;
        CDK_FOR_CPU(softmax_row_gradient)(t->out + at, t->dy + at, t->x + at, t->D, t->logarithm);
    }
}

void cdk_softmax_rows(float *y, const float *x, int64_t rows, int64_t D, bool logarithm)
{
    rows_task t = {y, x, NULL, D, logarithm};
    cd_parallel_for(rows, ROWS_GRAIN / D + 1, softmax_some, &t);
}

void cdk_softmax_rows_gradient(float *dx, const float *dy, const float *y, int64_t rows, int64_t D,
                               bool logarithm)
{
    rows_task t = {dx, y, dy, D, logarithm};
    cd_parallel_for(rows, ROWS_GRAIN / D + 1, gradient_some, &t);
}
