/* One double, for templates that are compiled for both float types. See kernels/vec.h. */
#include "kernels/vec.h"

#include <math.h>

#include "kernels/vec_scalar.h"

#define CDK_LEVEL f64
#define VEC_T double
#define VEC double
#define VEC_LOAD_MASK(p, mask) ((mask) ? *(p) : 0)
#define VEC_ZERO() 0.0
#define VEC_SET1(a) ((double)(a))
#define VEC_SQRT sqrt
#define VEC_FLOOR floor
#define VEC_CEIL ceil
#define VEC_TRUNC trunc
#define VEC_NEAREST nearbyint
