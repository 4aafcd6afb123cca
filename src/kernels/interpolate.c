/* Before all others: loops are to become vector code. */
#include "kernels/levels.h"
/* All levels give the same bits. */
CDK_EXACT

#include "kernels/interpolate.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/parallel.h"
#include "kernels/inline.h"
#include "kernels/pixels.h"
#include "kernels/stream.h"

/* Outputs below which a second thread costs more than it gives. */
#define CDK_RESIZE_GRAIN 32768

#define CDK_TEMPLATE "kernels/bilinear_level.h"
#include "kernels/each_level.h"

#define READ(value) (value)
#define STRETCH_WIDE LOOP(stretch)
#define T float
#define S float
#define NAME(name) name##_f32
#define LOOP(name) CDK_FOR_CPU(name##_f32)
#include "kernels/bilinear_template.h"
#undef T
#undef S
#undef NAME
#undef LOOP

#define T double
#define S double
#define NAME(name) name##_f64
#define LOOP(name) CDK_FOR_CPU(name##_f64)
#include "kernels/bilinear_template.h"
#undef T
#undef S
#undef NAME
#undef LOOP
#undef READ
#undef STRETCH_WIDE

#define READ(value) (cdk_byte_share[value])
#define STRETCH_WIDE stretch_pixels_bytes
#define T float
#define S uint8_t
#define NAME(name) name##_bytes
#define LOOP(name) CDK_FOR_CPU(name##_f32)
#include "kernels/bilinear_template.h"
#undef T
#undef S
#undef NAME
#undef LOOP
#undef READ
#undef STRETCH_WIDE

#define T uint8_t
#define NAME(name) name##_1
#include "kernels/nearest_template.h"
#undef T
#undef NAME

#define T uint32_t
#define NAME(name) name##_4
#include "kernels/nearest_template.h"
#undef T
#undef NAME

#define T uint64_t
#define NAME(name) name##_8
#include "kernels/nearest_template.h"
#undef T
#undef NAME

cdk_bilinear_run *const cdk_bilinear[CD_DTYPES] = CDK_FLOATS(bilinear);

void cdk_bilinear_of_bytes(float *y, const uint8_t *x, const cdk_resizing *r, float *scratch)
{
    bilinear_bytes(y, x, r, scratch);
}

void cdk_nearest(void *y, const void *x, size_t size, const cdk_resizing *r)
{
    if (size == 1) {
        cdk_nearest_1(y, x, r);
    } else if (size == 4) {
        cdk_nearest_4(y, x, r);
    } else {
        cdk_nearest_8(y, x, r);
    }
}

size_t cdk_bilinear_scratch(const cdk_resizing *r)
{
    return 2 * (size_t)r->columns.count * (size_t)r->C;
}

static int64_t clamp(int64_t i, int64_t size)
{
    return i < 0 ? 0 : i >= size ? size - 1 : i;
}

/* Positions are computed in single precision, as the images users compare with were. */
static float distance_of(int64_t size, int64_t count, bool align_corners, double scale)
{
    if (align_corners) {
        return count > 1 ? (float)(size - 1) / (float)(count - 1) : 0;
    }
    return scale > 0 ? (float)scale : (float)size / (float)count;
}

static void nearest_tap(cdk_resize_taps *t, int64_t i, int64_t size, float distance)
{
    t->index[i] = clamp((int64_t)floorf((float)i * distance), size);
    t->weight[i] = 1;
}

static void bilinear_taps(cdk_resize_taps *t, int64_t i, int64_t size, float position)
{
    float from = position < 0 ? 0 : position;
    int64_t low = clamp((int64_t)from, size);
    float share = from - (float)low;
    share = share > 1 ? 1 : share;
    t->index[2 * i] = low;
    t->index[2 * i + 1] = clamp(low + 1, size);
    t->weight[2 * i] = 1 - share;
    t->weight[2 * i + 1] = share;
}

static double near_cubic(double x, double a)
{
    return ((a + 2) * x - (a + 3)) * x * x + 1;
}

static double far_cubic(double x, double a)
{
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}

static void bicubic_taps(cdk_resize_taps *t, int64_t i, int64_t size, float position)
{
    double a = -0.75, low = floor(position), share = position - low;
    for (int64_t k = 0; k < 4; k++) {
        t->index[4 * i + k] = clamp((int64_t)low - 1 + k, size);
    }
    t->weight[4 * i] = far_cubic(share + 1, a);
    t->weight[4 * i + 1] = near_cubic(share, a);
    t->weight[4 * i + 2] = near_cubic(1 - share, a);
    t->weight[4 * i + 3] = far_cubic(2 - share, a);
}

static cd_status allocate_taps(cdk_resize_taps *t, int64_t count, cdk_interpolation mode, cd_error *err)
{
    t->count = count;
    t->taps = mode == CDK_NEAREST ? 1 : mode == CDK_BILINEAR ? 2 : 4;
    t->index = malloc((size_t)(count * t->taps) * (sizeof(int64_t) + sizeof(double)));
    if (t->index == NULL) {
        return cd_fail(err, CD_EALLOC, "no memory to resize an image to %lld rows or columns.",
                       (long long)count);
    }
    t->weight = (double *)(t->index + count * t->taps);
    return CD_OK;
}

/* Taps of t->count outputs from `size` inputs. */
static void fill_taps(cdk_resize_taps *t, int64_t size, const cdk_resize_form *form, double step)
{
    float distance = distance_of(size, t->count, form->align_corners, step);
    for (int64_t i = 0; i < t->count; i++) {
        float position = form->align_corners ? (float)i * distance : ((float)i + 0.5f) * distance - 0.5f;
        if (form->mode == CDK_NEAREST) {
            nearest_tap(t, i, size, distance);
        } else if (form->mode == CDK_BILINEAR) {
            bilinear_taps(t, i, size, position);
        } else {
            bicubic_taps(t, i, size, position);
        }
    }
}

static void reverse_taps(cdk_resize_taps *t)
{
    for (int64_t a = 0, b = t->count - 1; a < b; a++, b--) {
        for (int64_t i = 0; i < t->taps; i++) {
            const int64_t index = t->index[a * t->taps + i];
            const double weight = t->weight[a * t->taps + i];
            t->index[a * t->taps + i] = t->index[b * t->taps + i];
            t->weight[a * t->taps + i] = t->weight[b * t->taps + i];
            t->index[b * t->taps + i] = index;
            t->weight[b * t->taps + i] = weight;
        }
    }
}

cd_status cdk_resizing_make(cdk_resizing *r, const int64_t *size, const cdk_resize_form *form, cd_error *err)
{
    *r = (cdk_resizing){.planes = size[0], .H = size[1], .W = size[2], .C = size[3]};
    cd_status status = allocate_taps(&r->rows, form->rows, form->mode, err);
    if (status == CD_OK) {
        status = allocate_taps(&r->columns, form->columns, form->mode, err);
    }
    if (status != CD_OK) {
        cdk_resizing_free(r);
        return status;
    }
    fill_taps(&r->rows, r->H, form, form->row_step);
    fill_taps(&r->columns, r->W, form, form->column_step);
    if (form->flip_rows) {
        reverse_taps(&r->rows);
    }
    if (form->flip_columns) {
        reverse_taps(&r->columns);
    }
    return CD_OK;
}

void cdk_resizing_free(cdk_resizing *r)
{
    free(r->rows.index);
    free(r->columns.index);
    r->rows.index = r->columns.index = NULL;
}

static cd_status side_of(cdk_side *s, const cdk_resize_taps *t, int64_t inputs, cd_error *err)
{
    CD_TRY(cdk_side_make(s, inputs, t->count, t->count * t->taps, err));
    for (int64_t i = 0; i <= t->count; i++) {
        s->start[i] = i * t->taps;
    }
    memcpy(s->index, t->index, (size_t)(t->count * t->taps) * sizeof *s->index);
    memcpy(s->weight, t->weight, (size_t)(t->count * t->taps) * sizeof *s->weight);
    return CD_OK;
}

cd_status cdk_resizing_sides(cdk_separable *s, const cdk_resizing *r, cd_error *err)
{
    CD_TRY(side_of(&s->rows, &r->rows, r->H, err));
    return side_of(&s->columns, &r->columns, r->W, err);
}
