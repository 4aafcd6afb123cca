#include "kernels/interpolate.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"

#define T float
#define NAME(name) name##_f32
#include "kernels/interpolate_template.h"
#undef T
#undef NAME

#define T double
#define NAME(name) name##_f64
#include "kernels/interpolate_template.h"
#undef T
#undef NAME

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

cd_status cdk_resize_taps_make(cdk_resize_taps *t, int64_t size, int64_t count, cdk_interpolation mode,
                               bool align_corners, double scale, cd_error *err)
{
    void *block;
    float distance = distance_of(size, count, align_corners, scale);
    t->count = count;
    t->taps = mode == CDK_NEAREST ? 1 : mode == CDK_BILINEAR ? 2 : 4;
    t->index = NULL;
    CD_TRY(cd_memory_alloc(&block, (size_t)(count * t->taps) * (sizeof(int64_t) + sizeof(double)), err));
    t->index = block;
    t->weight = (double *)(t->index + count * t->taps);
    for (int64_t i = 0; i < count; i++) {
        float position = align_corners ? (float)i * distance : ((float)i + 0.5f) * distance - 0.5f;
        if (mode == CDK_NEAREST) {
            nearest_tap(t, i, size, distance);
        } else if (mode == CDK_BILINEAR) {
            bilinear_taps(t, i, size, position);
        } else {
            bicubic_taps(t, i, size, position);
        }
    }
    return CD_OK;
}

void cdk_resize_taps_free(cdk_resize_taps *t)
{
    cd_memory_free(t->index);
    t->index = NULL;
}
