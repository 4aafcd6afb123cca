#include "kernels/standardise.h"

#include <string.h>

#include "base/parallel.h"

/* Loops are to become vector code. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3", "no-trapping-math")
#endif

/* Elements done at a time, a whole number of vectors. */
#define BLOCK 16

/* Elements below which a second thread costs more than it gives. */
#define GRAIN 32768

#define T float
#define NAME(name) name##_f32
#include "kernels/standardise_template.h"
#undef T
#undef NAME

#define T double
#define NAME(name) name##_f64
#include "kernels/standardise_template.h"
#undef T
#undef NAME

cdk_standardise_run *const cdk_standardise_pixels[CD_DTYPES] = CDK_FLOATS(cdk_standardise_pixels);
cdk_standardise_run *const cdk_standardise_planes[CD_DTYPES] = CDK_FLOATS(cdk_standardise_planes);
