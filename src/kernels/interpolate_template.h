/* Resizing for one float type: included by interpolate.c with T and NAME. */

typedef struct {
    T *out;
    const T *in;
    const cdk_resizing *r;
} NAME(resize_task);

static void NAME(add_scaled)(T *y, const T *x, T factor, int64_t C)
{
    for (int64_t c = 0; c < C; c++) {
        y[c] += factor * x[c];
    }
}

static void NAME(resize_pixel)(T *y, const T *x, const cdk_resizing *r, int64_t h, int64_t w)
{
    int64_t across = r->columns.taps, down = r->rows.taps;
    memset(y, 0, (size_t)r->C * sizeof *y);
    for (int64_t a = h * down; a < (h + 1) * down; a++) {
        for (int64_t b = w * across; b < (w + 1) * across; b++) {
            const T *pixel = x + (r->rows.index[a] * r->W + r->columns.index[b]) * r->C;
            NAME(add_scaled)(y, pixel, (T)(r->rows.weight[a] * r->columns.weight[b]), r->C);
        }
    }
}

static void NAME(resize_rows)(void *context, int64_t begin, int64_t end, int thread)
{
    const NAME(resize_task) *t = context;
    const cdk_resizing *r = t->r;
    int64_t rows = r->rows.count, columns = r->columns.count;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        const T *x = t->in + i / rows * r->H * r->W * r->C;
        for (int64_t w = 0; w < columns; w++) {
            NAME(resize_pixel)(t->out + (i * columns + w) * r->C, x, r, i % rows, w);
        }
    }
}

static void NAME(interpolate)(void *y, const void *x, const cdk_resizing *r)
{
    NAME(resize_task) t = {y, x, r};
    cd_parallel_for(r->planes * r->rows.count, CDK_RESIZE_GRAIN / (r->columns.count * r->C) + 1,
                    NAME(resize_rows), &t);
}

static void NAME(spread_pixel)(T *dx, const T *dy, const cdk_resizing *r, int64_t h, int64_t w)
{
    int64_t across = r->columns.taps, down = r->rows.taps;
    for (int64_t a = h * down; a < (h + 1) * down; a++) {
        for (int64_t b = w * across; b < (w + 1) * across; b++) {
            T *pixel = dx + (r->rows.index[a] * r->W + r->columns.index[b]) * r->C;
            NAME(add_scaled)(pixel, dy, (T)(r->rows.weight[a] * r->columns.weight[b]), r->C);
        }
    }
}

static void NAME(spread_planes)(void *context, int64_t begin, int64_t end, int thread)
{
    const NAME(resize_task) *t = context;
    const cdk_resizing *r = t->r;
    int64_t rows = r->rows.count, columns = r->columns.count, plane = r->H * r->W * r->C;
    (void)thread;
    for (int64_t n = begin; n < end; n++) {
        memset(t->out + n * plane, 0, (size_t)plane * sizeof(T));
        for (int64_t i = 0; i < rows * columns; i++) {
            const T *dy = t->in + (n * rows * columns + i) * r->C;
            NAME(spread_pixel)(t->out + n * plane, dy, r, i / columns, i % columns);
        }
    }
}

static void NAME(interpolate_gradient)(void *dx, const void *dy, const cdk_resizing *r)
{
    NAME(resize_task) t = {dx, dy, r};
    cd_parallel_for(r->planes, 1, NAME(spread_planes), &t);
}
