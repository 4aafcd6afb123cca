#include "kernels/levels.h"
/* Formulas contract as they say. */
CDK_EXACT

#include "base/parallel.h"
#include "kernels/activation.h"

/* Elements a thread should at least get. */
#define GRAIN 32768

#define CDK_FORMULAS "kernels/activation.def"
#define CDK_TEMPLATE "kernels/formula_template.h"
#define CDK_WITH_AVX512
#include "kernels/each_level.h"
#include "kernels/vec_double.h"

#include "kernels/formula_template.h"

static cdk_formula_pair formulas_of(cdk_activation_function f, cd_dtype dtype)
{
    return cdk_formula_pair_for(dtype, CDK_FOR_CPU_512(formulas), formulas_f64, f);
}

cdk_formula *cdk_activation_for(cdk_activation_function f, cd_dtype dtype)
{
    return formulas_of(f, dtype).value;
}

cdk_formula *cdk_activation_gradient_for(cdk_activation_function f, cd_dtype dtype)
{
    return formulas_of(f, dtype).gradient;
}

typedef struct {
    float *y;
    cdk_formula *formula;
} work;

static void range(void *context, int64_t begin, int64_t end, int thread)
{
    const work *w = context;
    (void)thread;
    w->formula(&(cdk_run){.y = w->y + begin, .x = w->y + begin}, end - begin);
}

void cdk_rectify_f32(float *y, int64_t n, cdk_activation a)
{
    if (a != CDK_ACTIVATION_NONE) {
        cdk_activation_function f = a == CDK_ACTIVATION_RELU6 ? CDK_FUNCTION_relu6 : CDK_FUNCTION_relu;
        work w = {y, cdk_activation_for(f, CD_FLOAT32)};
        cd_parallel_for(n, GRAIN, range, &w);
    }
}
