/* Sampling for one float type: included by grid_sample.c with T and NAME. */

typedef struct {
    const cdk_sampling *s;
    T *y, *dx, *dgrid;
    const T *x, *grid, *dy;
} NAME(sample_task);

static void NAME(sample_points)(void *context, int64_t begin, int64_t end, int thread)
{
    const NAME(sample_task) *t = context;
    const cdk_sampling *s = t->s;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        const T *x = t->x + image_start(s, i), *at = t->grid + grid_start(s, i);
        T *y = t->y + i * s->C;
        corners k = corners_of(at[0], at[1], s, sizeof(T) == sizeof(float));
        memset(y, 0, (size_t)s->C * sizeof *y);
        for (int j = 0; j < 4; j++) {
            for (int64_t c = 0; c < s->C && k.pixel[j] >= 0; c++) {
                y[c] += (T)k.weight[j] * x[k.pixel[j] * s->C + c];
            }
        }
    }
}

static void NAME(grid_sample)(void *y, const void *x, const void *grid, const cdk_sampling *s)
{
    NAME(sample_task) t = {.s = s, .y = y, .x = x, .grid = grid};
    cd_parallel_for(s->N * s->points, 1024, NAME(sample_points), &t);
}

static void NAME(gradient_point)(const NAME(sample_task) * t, int64_t i)
{
    const cdk_sampling *s = t->s;
    int64_t image = i / s->points * s->H * s->W * s->C;
    const T *dy = t->dy + i * s->C, *x = t->x + image_start(s, i), *place = t->grid + grid_start(s, i);
    corners k = corners_of(place[0], place[1], s, sizeof(T) == sizeof(float));
    double du = 0, dv = 0;
    for (int j = 0; j < 4; j++) {
        const int64_t pixel = k.pixel[j] * s->C;
        for (int64_t c = 0; c < s->C && k.pixel[j] >= 0; c++) {
            if (t->dx != NULL) {
                t->dx[image + pixel + c] += (T)k.weight[j] * dy[c];
            }
            du += k.by_u[j] * x[pixel + c] * dy[c];
            dv += k.by_v[j] * x[pixel + c] * dy[c];
        }
    }
    if (t->dgrid != NULL) {
        t->dgrid[2 * i] = (T)du;
        t->dgrid[2 * i + 1] = (T)dv;
    }
}

static void NAME(gradient_images)(void *context, int64_t begin, int64_t end, int thread)
{
    const NAME(sample_task) *t = context;
    int64_t image = t->s->H * t->s->W * t->s->C;
    (void)thread;
    for (int64_t n = begin; n < end; n++) {
        if (t->dx != NULL) {
            memset(t->dx + n * image, 0, (size_t)image * sizeof(T));
        }
        for (int64_t i = n * t->s->points; i < (n + 1) * t->s->points; i++) {
            NAME(gradient_point)(t, i);
        }
    }
}

static void NAME(grid_sample_gradient)(void *dx, void *dgrid, const void *dy, const void *x, const void *grid,
                                       const cdk_sampling *s)
{
    NAME(sample_task) t = {.s = s, .dx = dx, .dgrid = dgrid, .x = x, .grid = grid, .dy = dy};
    cd_parallel_for(s->N, 1, NAME(gradient_images), &t);
}
