/* Includes CDK_TEMPLATE once for each float type: T is the type, NAME(name) adds its suffix
 * (kernels/by_dtype.h). */
#define T float
#define NAME(name) name##_f32
#include CDK_TEMPLATE
#undef T
#undef NAME

#define T double
#define NAME(name) name##_f64
#include CDK_TEMPLATE
#undef T
#undef NAME

#undef CDK_TEMPLATE
