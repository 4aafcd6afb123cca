/* One double, for templates that are compiled for both float types. See kernels/vec.h. */
#include "kernels/vec.h"

#define CDK_LEVEL f64
#define VEC_TARGET
#define VEC_T double
#define VEC double
#define VEC_WIDTH 1
#define VEC_MASK int
#define VEC_MAKE_MASK(n) (n)
#define VEC_LOAD(p) (*(p))
#define VEC_STORE(p, v) ((void)(*(p) = (v)))
#define VEC_LOAD_MASK(p, mask) ((mask) ? *(p) : 0)
#define VEC_STORE_MASK(p, mask, v) ((void)((mask) && (*(p) = (v), 1)))
#define VEC_ZERO() 0.0
#define VEC_SET1(a) ((double)(a))
#define VEC_ADD(a, b) ((a) + (b))
#define VEC_SUB(a, b) ((a) - (b))
#define VEC_MUL(a, b) ((a) * (b))
#define VEC_FMA(a, b, c) ((a) * (b) + (c))
#define VEC_MAX(a, b) ((a) > (b) ? (a) : (b))
#define VEC_MIN(a, b) ((a) < (b) ? (a) : (b))
#define VEC_GREATER(a, b) ((a) > (b))
#define VEC_SELECT(choice, a, b) ((choice) ? (a) : (b))
