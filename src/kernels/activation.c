#include "kernels/activation.h"

#include "base/parallel.h"
#include "kernels/exponential.h"

/* Elements a thread should at least get. */
#define GRAIN 32768

#define T float
#define BODY(name) name##_f32_body
#define PASTE_LEVELS(name, parameters, arguments) CDK_LEVELS(name, parameters, arguments)
#define LEVELS(name, parameters, arguments) PASTE_LEVELS(name##_f32, parameters, arguments)
#define EXP cdk_expf
#define EXPM1 expm1f
#define LOG1P log1pf
#define ERF erff
#include "kernels/activation_template.h"
#undef T
#undef BODY
#undef LEVELS
#undef EXP
#undef EXPM1
#undef LOG1P
#undef ERF

#define T double
#define BODY(name) name##_f64_body
#define LEVELS(name, parameters, arguments) PASTE_LEVELS(name##_f64, parameters, arguments)
#define EXP exp
#define EXPM1 expm1
#define LOG1P log1p
#define ERF erf
#include "kernels/activation_template.h"

typedef void (*forward_f32)(float *, const float *, float, float, int64_t);
typedef void (*backward_f32)(float *, const float *, const float *, float, float, int64_t);
typedef void (*forward_f64)(double *, const double *, double, double, int64_t);
typedef void (*backward_f64)(double *, const double *, const double *, double, double, int64_t);

static const struct {
    forward_f32 forward_f32;
    backward_f32 backward_f32;
    forward_f64 forward_f64;
    backward_f64 backward_f64;
} table[CDK_ACTIVATIONS] = {
    [CDK_RELU] = {relu_forward_f32, NULL, relu_forward_f64, NULL},
    [CDK_RELU6] = {relu6_forward_f32, NULL, relu6_forward_f64, NULL},
    [CDK_HARDTANH] = {hardtanh_forward_f32, hardtanh_backward_f32, hardtanh_forward_f64,
                      hardtanh_backward_f64},
    [CDK_LEAKY_RELU] = {leaky_relu_forward_f32, leaky_relu_backward_f32, leaky_relu_forward_f64,
                        leaky_relu_backward_f64},
    [CDK_ELU] = {elu_forward_f32, elu_backward_f32, elu_forward_f64, elu_backward_f64},
    [CDK_SELU] = {selu_forward_f32, selu_backward_f32, selu_forward_f64, selu_backward_f64},
    [CDK_CELU] = {celu_forward_f32, celu_backward_f32, celu_forward_f64, celu_backward_f64},
    [CDK_GELU] = {gelu_forward_f32, gelu_backward_f32, gelu_forward_f64, gelu_backward_f64},
    [CDK_GELU_TANH] = {gelu_tanh_forward_f32, gelu_tanh_backward_f32, gelu_tanh_forward_f64,
                       gelu_tanh_backward_f64},
    [CDK_SILU] = {silu_forward_f32, silu_backward_f32, silu_forward_f64, silu_backward_f64},
    [CDK_HARDSWISH] = {hardswish_forward_f32, hardswish_backward_f32, hardswish_forward_f64,
                       hardswish_backward_f64},
    [CDK_HARDSIGMOID] = {hardsigmoid_forward_f32, hardsigmoid_backward_f32, hardsigmoid_forward_f64,
                         hardsigmoid_backward_f64},
    [CDK_SOFTPLUS] = {softplus_forward_f32, softplus_backward_f32, softplus_forward_f64,
                      softplus_backward_f64},
    [CDK_LOG_SIGMOID] = {log_sigmoid_forward_f32, log_sigmoid_backward_f32, log_sigmoid_forward_f64,
                         log_sigmoid_backward_f64},
};

typedef struct {
    void *out;
    const void *dy, *in;
    cdk_activation_function f;
    double a, b;
} work;

static void forward_range_f32(void *context, int64_t begin, int64_t end, int thread)
{
    const work *w = context;
    (void)thread;
    table[w->f].forward_f32((float *)w->out + begin, (const float *)w->in + begin, (float)w->a, (float)w->b,
                            end - begin);
}

static void backward_range_f32(void *context, int64_t begin, int64_t end, int thread)
{
    const work *w = context;
    (void)thread;
    table[w->f].backward_f32((float *)w->out + begin, (const float *)w->dy + begin,
                             (const float *)w->in + begin, (float)w->a, (float)w->b, end - begin);
}

void cdk_activation_f32(float *y, const float *x, int64_t n, cdk_activation_function f, double a, double b)
{
    work w = {y, NULL, x, f, a, b};
    cd_parallel_for(n, GRAIN, forward_range_f32, &w);
}

void cdk_rectify_f32(float *y, int64_t n, cdk_activation a)
{
    if (a != CDK_ACTIVATION_NONE) {
        cdk_activation_f32(y, y, n, a == CDK_ACTIVATION_RELU6 ? CDK_RELU6 : CDK_RELU, 0, 0);
    }
}

void cdk_activation_gradient_f32(float *dx, const float *dy, const float *x, int64_t n,
                                 cdk_activation_function f, double a, double b)
{
    work w = {dx, dy, x, f, a, b};
    cd_parallel_for(n, GRAIN, backward_range_f32, &w);
}

static void forward_range_f64(void *context, int64_t begin, int64_t end, int thread)
{
    const work *w = context;
    (void)thread;
    table[w->f].forward_f64((double *)w->out + begin, (const double *)w->in + begin, (double)w->a,
                            (double)w->b, end - begin);
}

static void backward_range_f64(void *context, int64_t begin, int64_t end, int thread)
{
    const work *w = context;
    (void)thread;
    table[w->f].backward_f64((double *)w->out + begin, (const double *)w->dy + begin,
                             (const double *)w->in + begin, (double)w->a, (double)w->b, end - begin);
}

void cdk_activation_f64(double *y, const double *x, int64_t n, cdk_activation_function f, double a, double b)
{
    work w = {y, NULL, x, f, a, b};
    cd_parallel_for(n, GRAIN, forward_range_f64, &w);
}

void cdk_activation_gradient_f64(double *dx, const double *dy, const double *x, int64_t n,
                                 cdk_activation_function f, double a, double b)
{
    work w = {dx, dy, x, f, a, b};
    cd_parallel_for(n, GRAIN, backward_range_f64, &w);
}
