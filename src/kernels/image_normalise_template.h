/* Normalising for one float type: included by image_normalise.c with T and NAME. */

typedef struct {
    T *y;
    const T *x;
    int64_t pixels, C;
    const double *mean, *std;
} NAME(normalise_task);

/* y may be x, so a block is computed before any of it is written. */
static void NAME(normalise_block)(T *y, const T *x, const T *mean, const T *std)
{
    T result[BLOCK];
    for (int k = 0; k < BLOCK; k++) {
        result[k] = (x[k] - mean[k]) / std[k];
    }
    memcpy(y, result, sizeof result);
}

/* n elements of which mean and std repeat after `period` elements, a multiple of BLOCK. */
static void NAME(normalise_run)(T *y, const T *x, int64_t n, const T *mean, const T *std, int64_t period)
{
    int64_t i = 0, k = 0;
    for (; i + BLOCK <= n; i += BLOCK) {
        NAME(normalise_block)(y + i, x + i, mean + k, std + k);
        k = k + BLOCK < period ? k + BLOCK : 0;
    }
    for (; i < n; i++, k++) {
        y[i] = (x[i] - mean[k]) / std[k];
    }
}

/* i: pixels. */
static void NAME(normalise_pixels)(void *context, int64_t begin, int64_t end, int thread)
{
    const NAME(normalise_task) *t = context;
    T mean[CDK_NORMALISE_CHANNELS * BLOCK], std[CDK_NORMALISE_CHANNELS * BLOCK];
    (void)thread;
    for (int64_t k = 0; k < t->C * BLOCK; k++) {
        mean[k] = (T)t->mean[k % t->C];
        std[k] = (T)t->std[k % t->C];
    }
    NAME(normalise_run)
    (t->y + begin * t->C, t->x + begin * t->C, (end - begin) * t->C, mean, std, t->C * BLOCK);
}

/* i: planes of one channel. */
static void NAME(normalise_planes)(void *context, int64_t begin, int64_t end, int thread)
{
    const NAME(normalise_task) *t = context;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        T mean[BLOCK], std[BLOCK];
        for (int k = 0; k < BLOCK; k++) {
            mean[k] = (T)t->mean[i % t->C];
            std[k] = (T)t->std[i % t->C];
        }
        NAME(normalise_run)(t->y + i * t->pixels, t->x + i * t->pixels, t->pixels, mean, std, BLOCK);
    }
}

static void NAME(cdk_normalise_pixels)(void *y, const void *x, int64_t planes, int64_t pixels, int64_t C,
                                       const double *mean, const double *std)
{
    NAME(normalise_task) t = {y, x, pixels, C, mean, std};
    cd_parallel_for(planes * pixels, GRAIN / C, NAME(normalise_pixels), &t);
}

static void NAME(cdk_normalise_planes)(void *y, const void *x, int64_t planes, int64_t pixels, int64_t C,
                                       const double *mean, const double *std)
{
    NAME(normalise_task) t = {y, x, pixels, C, mean, std};
    cd_parallel_for(planes * C, GRAIN / (pixels + 1) + 1, NAME(normalise_planes), &t);
}
