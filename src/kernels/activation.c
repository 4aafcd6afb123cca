#include "kernels/levels.h"
/* Formulas contract as they say. */
CDK_EXACT

#include "base/parallel.h"
#include "kernels/activation.h"

/* Elements a thread should at least get. */
#define GRAIN 32768

/* Where a range of elements starts, and the parameters. */
typedef struct {
    const void *x, *dy;
    double a, b;
} activation_input;

typedef void (*activation_loop)(void *out, const activation_input *in, int64_t n);

typedef struct {
    activation_loop forward, backward;
} activation_kernels;

#define CDK_TEMPLATE "kernels/activation_template.h"
#include "kernels/each_level.h"
#include "kernels/vec_double.h"

#include "kernels/activation_template.h"

typedef struct {
    void *out;
    activation_input in;
    activation_loop loop;
    size_t size; /* bytes of an element */
} work;

static void range(void *context, int64_t begin, int64_t end, int thread)
{
    const work *w = context;
    const size_t offset = (size_t)begin * w->size;
    activation_input in = w->in;
    (void)thread;
    in.x = (const char *)in.x + offset;
    in.dy = in.dy != NULL ? (const char *)in.dy + offset : NULL;
    w->loop((char *)w->out + offset, &in, end - begin);
}

void cdk_activation_f32(float *y, const float *x, int64_t n, cdk_activation_function f, double a, double b)
{
    work w = {y, {x, NULL, a, b}, CDK_FOR_CPU(activations)[f].forward, sizeof(float)};
    cd_parallel_for(n, GRAIN, range, &w);
}

void cdk_activation_f64(double *y, const double *x, int64_t n, cdk_activation_function f, double a, double b)
{
    work w = {y, {x, NULL, a, b}, activations_f64[f].forward, sizeof(double)};
    cd_parallel_for(n, GRAIN, range, &w);
}

void cdk_rectify_f32(float *y, int64_t n, cdk_activation a)
{
    if (a != CDK_ACTIVATION_NONE) {
        cdk_activation_f32(y, y, n, a == CDK_ACTIVATION_RELU6 ? CDK_FUNCTION_relu6 : CDK_FUNCTION_relu, 0, 0);
    }
}

void cdk_activation_gradient_f32(float *dx, const float *dy, const float *x, int64_t n,
                                 cdk_activation_function f, double a, double b)
{
    work w = {dx, {x, dy, a, b}, CDK_FOR_CPU(activations)[f].backward, sizeof(float)};
    cd_parallel_for(n, GRAIN, range, &w);
}

void cdk_activation_gradient_f64(double *dx, const double *dy, const double *x, int64_t n,
                                 cdk_activation_function f, double a, double b)
{
    work w = {dx, {x, dy, a, b}, activations_f64[f].backward, sizeof(double)};
    cd_parallel_for(n, GRAIN, range, &w);
}
