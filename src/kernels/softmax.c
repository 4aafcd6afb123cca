#include "kernels/levels.h"
/* Products and sums contract where it is written. */
CDK_EXACT

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/focal.h"
#include "kernels/overlap.h"
#include "kernels/rows.h"
#include "kernels/softmax.h"

/* Vectors taken side by side, so that loops run over them and not over their few elements. */
#define BLOCK 64

static int64_t block_count(cdk_vectors s)
{
    return (s.outer * s.inner + BLOCK - 1) / BLOCK;
}

static int64_t block_size(cdk_vectors s, int64_t block)
{
    int64_t left = s.outer * s.inner - block * BLOCK;
    return left < BLOCK ? left : BLOCK;
}

/* Work on the vectors of images goes in pieces of whole blocks, which do not depend on the number of
 * threads. */
#define PIECE_BLOCKS 32

typedef struct {
    int64_t image, first, end; /* its vectors */
} vector_piece;

static int64_t vectors_of_image(cdk_vectors s, int64_t images)
{
    return s.outer * s.inner / images;
}

static int64_t pieces_of_image(cdk_vectors s, int64_t images)
{
    return (vectors_of_image(s, images) + PIECE_BLOCKS * BLOCK - 1) / (PIECE_BLOCKS * BLOCK);
}

static vector_piece piece_at(cdk_vectors s, int64_t images, int64_t piece)
{
    int64_t each = vectors_of_image(s, images), pieces = pieces_of_image(s, images);
    int64_t start = piece % pieces * PIECE_BLOCKS * BLOCK, end = start + PIECE_BLOCKS * BLOCK;
    int64_t image = piece / pieces;
    return (vector_piece){image, image * each + start, image * each + (end < each ? end : each)};
}

/* Where vector `position` starts. */
static int64_t vector_start(cdk_vectors s, int64_t position)
{
    return position / s.inner * s.D * s.inner + position % s.inner;
}

/* Elements of a vector up to which vectors that lie side by side are read where they are: more of them are
 * too many pages. */
#define STRIP_ELEMENTS 64

/* Whether vectors `first` and its neighbours lie side by side; then how many of them, up to `last`. */
static int64_t run_length(cdk_vectors s, int64_t first, int64_t last)
{
    const int64_t left = s.inner - first % s.inner;
    return last - first < left ? last - first : left;
}

static bool is_strip(cdk_vectors s)
{
    return s.inner >= BLOCK && s.D <= STRIP_ELEMENTS;
}

#define CDK_TEMPLATE "kernels/softmax_loops.h"
#include "kernels/each_level.h"
#include "kernels/vec_double.h"

#include "kernels/softmax_loops.h"

#define T float
#define NAME(name) name##_f32
#define LOOP(name) CDK_FOR_CPU(name)
#include "kernels/softmax_template.h"

#include "kernels/labelled_template.h"

#include "kernels/overlap_template.h"

#include "kernels/focal_template.h"
#undef T
#undef NAME
#undef LOOP

#define T double
#define NAME(name) name##_f64
#define LOOP(name) name##_f64
#include "kernels/softmax_template.h"

#include "kernels/labelled_template.h"

#include "kernels/overlap_template.h"

#include "kernels/focal_template.h"

/* Rows of so many elements fill vectors by themselves; shorter ones are taken side by side. */
#define ROW_ELEMENTS 32

static bool is_rows(cdk_vectors shape)
{
    return shape.inner == 1 && shape.D >= ROW_ELEMENTS;
}

static cd_status softmax_float(void *y, const void *x, cdk_vectors shape, bool logarithm, cd_error *err)
{
    if (is_rows(shape)) {
        cdk_softmax_rows(y, x, shape.outer, shape.D, logarithm);
        return CD_OK;
    }
    return softmax_f32(y, x, shape, logarithm, err);
}

static cd_status softmax_gradient_float(void *dx, const void *dy, const void *y, cdk_vectors shape,
                                        bool logarithm, cd_error *err)
{
    if (is_rows(shape)) {
        cdk_softmax_rows_gradient(dx, dy, y, shape.outer, shape.D, logarithm);
        return CD_OK;
    }
    return softmax_gradient_f32(dx, dy, y, shape, logarithm, err);
}

cdk_softmax_run *const cdk_softmax[CD_DTYPES] = {[CD_FLOAT32] = softmax_float, [CD_FLOAT64] = softmax_f64};
cdk_softmax_gradient_run *const cdk_softmax_gradient[CD_DTYPES] = {
    [CD_FLOAT32] = softmax_gradient_float, [CD_FLOAT64] = softmax_gradient_f64};
cdk_cross_entropy_run *const cdk_cross_entropy[CD_DTYPES] = CDK_FLOATS(cross_entropy);
cdk_overlap_run *const cdk_overlap[CD_DTYPES] = CDK_FLOATS(overlap);
cdk_overlap_gradient_run *const cdk_overlap_gradient[CD_DTYPES] = CDK_FLOATS(overlap_gradient);
cdk_focal_run *const cdk_focal[CD_DTYPES] = CDK_FLOATS(focal);
cdk_focal_gradient_run *const cdk_focal_gradient[CD_DTYPES] = CDK_FLOATS(focal_gradient);
