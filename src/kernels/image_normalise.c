#include "kernels/image_normalise.h"

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
#include "kernels/image_normalise_template.h"
#undef T
#undef NAME

#define T double
#define NAME(name) name##_f64
#include "kernels/image_normalise_template.h"
#undef T
#undef NAME

cdk_normalise_run *const cdk_normalise_pixels[CD_DTYPES] = CDK_FLOATS(cdk_normalise_pixels);
cdk_normalise_run *const cdk_normalise_planes[CD_DTYPES] = CDK_FLOATS(cdk_normalise_planes);
