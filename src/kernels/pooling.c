#include "kernels/pooling.h"

#include <string.h>

#include "base/parallel.h"

#define T float
#define NAME(name) name##_f32
#include "kernels/pooling_template.h"
#undef T
#undef NAME

#define T double
#define NAME(name) name##_f64
#include "kernels/pooling_template.h"
