/* Before all others: loops are to become vector code. */
#include "kernels/levels.h"

#include "kernels/image_normalise.h"

#include <string.h>

#include "base/parallel.h"

/* Elements done at a time, a whole number of vectors. */
#define BLOCK 16

/* Elements below which a second thread costs more than it gives. */
#define GRAIN 32768

#define CDK_TEMPLATE "kernels/image_normalise_template.h"
#include "kernels/each_float.h"

cdk_normalise_run *const cdk_normalise_pixels[CD_DTYPES] = CDK_FLOATS(cdk_normalise_pixels);
cdk_normalise_run *const cdk_normalise_planes[CD_DTYPES] = CDK_FLOATS(cdk_normalise_planes);
