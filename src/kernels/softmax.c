#include "kernels/softmax.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/exponential.h"

/* Vectors taken side by side, so that loops run over them and not over their few elements. */
#define BLOCK 64

static int64_t block_count(cdk_vectors s)
{
    return (s.outer * s.inner + BLOCK - 1) / BLOCK;
}

static int64_t block_size(cdk_vectors s, int64_t block)
{
    int64_t left = s.outer * s.inner - block * BLOCK;
    return left < BLOCK ? left : BLOCK;
}

/* Where vector `position` starts. */
static int64_t vector_start(cdk_vectors s, int64_t position)
{
    return position / s.inner * s.D * s.inner + position % s.inner;
}

#define T float
#define NAME(name) name##_f32
#define BODY(name) name##_f32_body
#define PASTE_LEVELS(name, parameters, arguments) CDK_LEVELS(name, parameters, arguments)
#define LEVELS(name, parameters, arguments) PASTE_LEVELS(name##_f32, parameters, arguments)
#define EXP cdk_expf
#define LOG cdk_logf
#include "kernels/softmax_template.h"
#undef T
#undef NAME
#undef BODY
#undef LEVELS
#undef EXP
#undef LOG

#define T double
#define NAME(name) name##_f64
#define BODY(name) name##_f64_body
#define LEVELS(name, parameters, arguments) PASTE_LEVELS(name##_f64, parameters, arguments)
#define EXP exp
#define LOG log
#include "kernels/softmax_template.h"

cdk_softmax_run *const cdk_softmax[CD_DTYPES] = CDK_FLOATS(softmax);
cdk_softmax_gradient_run *const cdk_softmax_gradient[CD_DTYPES] = CDK_FLOATS(softmax_gradient);
cdk_cross_entropy_run *const cdk_cross_entropy[CD_DTYPES] = CDK_FLOATS(cross_entropy);
