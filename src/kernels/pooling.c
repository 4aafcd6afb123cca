#include "kernels/pooling.h"

#include <string.h>

#include "base/parallel.h"

#define CDK_TEMPLATE "kernels/pooling_template.h"
#include "kernels/each_float.h"

cdk_max_pool_run *const cdk_max_pool[CD_DTYPES] = CDK_FLOATS(max_pool);
cdk_max_pool_gradient_run *const cdk_max_pool_gradient[CD_DTYPES] = CDK_FLOATS(max_pool_gradient);
cdk_mean_pool_run *const cdk_mean_pool[CD_DTYPES] = CDK_FLOATS(mean_pool);
cdk_mean_pool_gradient_run *const cdk_mean_pool_gradient[CD_DTYPES] = CDK_FLOATS(mean_pool_gradient);
