/* The loops of both float types for one level: included by normalisation.c after the level's vectors. */
#include "kernels/normalisation_spans.h"

#define T float
#define BY_VECTORS 1
#define LOOP(name) CDK_AT(name##_f32)
#include "kernels/normalisation_loops.h"
#undef T
#undef LOOP
#undef BY_VECTORS

#define T double
#define BY_VECTORS 0
#define LOOP(name) CDK_AT(name##_f64)
#include "kernels/normalisation_loops.h"
#undef T
#undef LOOP
#undef BY_VECTORS
