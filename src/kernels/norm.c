#include "kernels/norm.h"

#include <math.h>

static double add_power(double so_far, double x, double p)
{
    if (isinf(p)) {
        return x > so_far || isnan(x) ? x : so_far;
    }
    return so_far + (p == 2 ? x * x : p == 1 ? x : pow(x, p));
}

static double limited(double x, double limit)
{
    return x > limit ? limit : x < -limit ? -limit : x;
}

#define DEFINE_NORMS(suffix, T)                                                         \
    static double power_sum_##suffix(double so_far, const void *x, int64_t n, double p) \
    {                                                                                   \
        for (int64_t i = 0; i < n; i++) {                                               \
            so_far = add_power(so_far, fabs((double)((const T *)x)[i]), p);             \
        }                                                                               \
        return so_far;                                                                  \
    }                                                                                   \
    static void scale_limited_##suffix(void *x, double factor, double limit, int64_t n) \
    {                                                                                   \
        T *v = x;                                                                       \
        for (int64_t i = 0; i < n; i++) {                                               \
            v[i] = (T)limited(v[i] * (T)factor, limit);                                 \
        }                                                                               \
    }

DEFINE_NORMS(f32, float)
DEFINE_NORMS(f64, double)

cdk_power_sum_run *const cdk_power_sum[CD_DTYPES] = CDK_FLOATS(power_sum);
cdk_scale_limited_run *const cdk_scale_limited[CD_DTYPES] = CDK_FLOATS(scale_limited);
