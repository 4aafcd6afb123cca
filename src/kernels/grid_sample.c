#include "kernels/grid_sample.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/parallel.h"

/* A coordinate brought into the image, and the derivative of doing so. */
typedef struct {
    double at, slope;
} place;

/* Mirrors at low and high (at the outer edges or at the centres of the outer pixels). */
static place reflected(place p, double low, double high)
{
    double span = high - low, from = p.at - low;
    if (span <= 0) {
        return (place){0, 0};
    }
    double turns = floor(fabs(from) / span), rest = fabs(from) - turns * span;
    double sign = from < 0 ? -1 : 1;
    bool odd = fmod(turns, 2) != 0;
    return (place){odd ? high - rest : low + rest, p.slope * (odd ? -sign : sign)};
}

static place clipped(place p, int64_t size)
{
    double last = (double)(size - 1);
    if (p.at <= 0) {
        return (place){0, 0};
    }
    return p.at >= last ? (place){last, 0} : p;
}

/* single: places are rounded to float32. */
static place source_place(double u, int64_t size, const cdk_sampling *s, bool single)
{
    double half = (double)(s->align_corners ? size - 1 : size) / 2;
    double from_edge = single ? (float)(u + 1) : u + 1;
    place p = {from_edge * half - (s->align_corners ? 0 : 0.5), half};
    p.at = single ? (float)p.at : p.at;
    if (s->outside == CDK_OUTSIDE_REFLECTION) {
        p = s->align_corners ? reflected(p, 0, (double)(size - 1)) : reflected(p, -0.5, (double)size - 0.5);
    }
    if (s->outside != CDK_OUTSIDE_ZEROS) {
        return clipped(p, size);
    }
    /* Far outside, and not a number, is the same as just outside. */
    p.at = p.at > -2 ? p.at : -2;
    p.at = p.at < (double)size + 1 ? p.at : (double)size + 1;
    return p;
}

/* The four pixels around a place: their positions (-1: outside), weights, and the derivatives of these. */
typedef struct {
    int64_t pixel[4];
    double weight[4], by_u[4], by_v[4];
} corners;

static int64_t pixel_of(int64_t h, int64_t w, const cdk_sampling *s)
{
    return h >= 0 && h < s->H && w >= 0 && w < s->W ? h * s->W + w : -1;
}

static corners corners_of(double u, double v, const cdk_sampling *s, bool single)
{
    corners k = {{-1, -1, -1, -1}, {0}, {0}, {0}};
    place across = source_place(u, s->W, s, single), down = source_place(v, s->H, s, single);
    if (s->nearest) {
        k.pixel[0] = pixel_of((int64_t)nearbyint(down.at), (int64_t)nearbyint(across.at), s);
        k.weight[0] = 1;
        return k;
    }
    double left = floor(across.at), top = floor(down.at), x = across.at - left, y = down.at - top;
    for (int i = 0; i < 4; i++) {
        bool right = i % 2, bottom = i / 2;
        double part_x = right ? x : 1 - x, part_y = bottom ? y : 1 - y;
        k.pixel[i] = pixel_of((int64_t)top + bottom, (int64_t)left + right, s);
        k.weight[i] = part_x * part_y;
        k.by_u[i] = (right ? 1 : -1) * part_y * across.slope;
        k.by_v[i] = (bottom ? 1 : -1) * part_x * down.slope;
    }
    return k;
}

/* Where the image and the grid's place of point i of all are. */
static int64_t image_start(const cdk_sampling *s, int64_t i)
{
    return s->one_image ? 0 : i / s->points * s->H * s->W * s->C;
}

static int64_t grid_start(const cdk_sampling *s, int64_t i)
{
    return 2 * (s->one_grid ? i % s->points : i);
}

#define CDK_TEMPLATE "kernels/grid_sample_template.h"
#include "kernels/each_float.h"

cdk_grid_sample_run *const cdk_grid_sample[CD_DTYPES] = CDK_FLOATS(grid_sample);
cdk_grid_sample_gradient_run *const cdk_grid_sample_gradient[CD_DTYPES] = CDK_FLOATS(grid_sample_gradient);
