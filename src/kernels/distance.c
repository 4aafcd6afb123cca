#include "kernels/distance.h"

#include <math.h>

#include "base/memory.h"
#include "base/parallel.h"

typedef struct {
    float *distance;
    const uint8_t *mask;
    int64_t H, W;
    double *scratch; /* of each thread [3][W]: squared heights, and the envelope's parabolas and borders */
} distance_work;

/* Distances along columns: exact in float up to 2^24 rows. */
static void go_down_and_up(float *d, const uint8_t *mask, int64_t H, int64_t W)
{
    for (int64_t i = 0; i < H * W; i++) {
        d[i] = mask[i] ? 0 : i < W ? INFINITY : d[i - W] + 1;
    }
    for (int64_t i = (H - 1) * W - 1; i >= 0; i--) {
        float below = d[i + W] + 1;
        d[i] = below < d[i] ? below : d[i];
    }
}

/* Where the parabolas of columns p < q, of heights f, cross. */
static double crossing(const double *f, int64_t p, int64_t q)
{
    return ((f[q] + (double)(q * q)) - (f[p] + (double)(p * p))) / (double)(2 * (q - p));
}

/* The columns whose parabolas are the lowest somewhere, and from where on; gives how many. */
static int64_t lower_envelope(double *column, double *border, const double *f, int64_t W)
{
    int64_t n = 0;
    for (int64_t q = 0; q < W; q++) {
        if (isinf(f[q])) {
            continue;
        }
        double from = -INFINITY;
        while (n > 0 && (from = crossing(f, (int64_t)column[n - 1], q)) <= border[n - 1]) {
            n--;
        }
        border[n] = n > 0 ? from : -INFINITY;
        column[n++] = (double)q;
    }
    return n;
}

static void along_row(float *d, double *scratch, int64_t W)
{
    double *f = scratch, *column = f + W, *border = column + W;
    for (int64_t j = 0; j < W; j++) {
        f[j] = (double)d[j] * (double)d[j];
    }
    int64_t n = lower_envelope(column, border, f, W);
    for (int64_t j = 0, k = 0; j < W && n > 0; j++) {
        while (k + 1 < n && border[k + 1] < (double)j) {
            k++;
        }
        double across = (double)j - column[k];
        d[j] = (float)sqrt(f[(int64_t)column[k]] + across * across);
    }
}

static void distance_maps(void *context, int64_t begin, int64_t end, int thread)
{
    distance_work *w = context;
    double *scratch = w->scratch + thread * 3 * w->W;
    for (int64_t i = begin; i < end; i++) {
        float *d = w->distance + i * w->H * w->W;
        go_down_and_up(d, w->mask + i * w->H * w->W, w->H, w->W);
        for (int64_t row = 0; row < w->H; row++) {
            along_row(d + row * w->W, scratch, w->W);
        }
    }
}

cd_status cdk_distance(float *distance, const uint8_t *mask, int64_t n, int64_t H, int64_t W, cd_error *err)
{
    void *scratch;
    size_t bytes;
    if (n * H * W == 0) {
        return CD_OK;
    }
    CD_TRY(cd_memory_size(&bytes, 3 * (size_t)cd_threads(), (size_t)W, sizeof(double), err));
    CD_TRY(cd_memory_alloc(&scratch, bytes, err));
    distance_work w = {distance, mask, H, W, scratch};
    cd_parallel_for(n, 1, distance_maps, &w);
    cd_memory_free(scratch);
    return CD_OK;
}
