#include "kernels/levels.h"
/* Products and sums contract where it is written. */
CDK_EXACT

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/softmax.h"

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

#define CDK_TEMPLATE "kernels/softmax_loops.h"
#include "kernels/each_level.h"
#include "kernels/vec_double.h"

#include "kernels/softmax_loops.h"

#define T float
#define NAME(name) name##_f32
#define LOOP(name) CDK_FOR_CPU(name)
#include "kernels/softmax_template.h"
#undef T
#undef NAME
#undef LOOP

#define T double
#define NAME(name) name##_f64
#define LOOP(name) name##_f64
#include "kernels/softmax_template.h"

cdk_softmax_run *const cdk_softmax[CD_DTYPES] = CDK_FLOATS(softmax);
cdk_softmax_gradient_run *const cdk_softmax_gradient[CD_DTYPES] = CDK_FLOATS(softmax_gradient);
cdk_cross_entropy_run *const cdk_cross_entropy[CD_DTYPES] = CDK_FLOATS(cross_entropy);
