/* The loops of both float types for one level: included by interpolate.c after the level's vectors. */
#define T float
#define LOOP(name) CDK_AT(name##_f32)
#include "kernels/bilinear_loops.h"
#undef T
#undef LOOP

#define T double
#define LOOP(name) CDK_AT(name##_f64)
#include "kernels/bilinear_loops.h"
#undef T
#undef LOOP
