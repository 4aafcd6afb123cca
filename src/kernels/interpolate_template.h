/* Resizing for one float type: included by interpolate.c with T and NAME. */

typedef struct {
    T *out;
    const T *in;
    int64_t H, W, C;
    const cdk_resize_taps *rows, *columns;
} NAME(resize_task);

static void NAME(add_scaled)(T *y, const T *x, T factor, int64_t C)
{
    for (int64_t c = 0; c < C; c++) {
        y[c] += factor * x[c];
    }
}

static void NAME(resize_pixel)(T *y, const T *x, const NAME(resize_task) * t, int64_t h, int64_t w)
{
    int64_t across = t->columns->taps, down = t->rows->taps;
    memset(y, 0, (size_t)t->C * sizeof *y);
    for (int64_t a = h * down; a < (h + 1) * down; a++) {
        for (int64_t b = w * across; b < (w + 1) * across; b++) {
            const T *pixel = x + (t->rows->index[a] * t->W + t->columns->index[b]) * t->C;
            NAME(add_scaled)(y, pixel, (T)(t->rows->weight[a] * t->columns->weight[b]), t->C);
        }
    }
}

static void NAME(resize_rows)(void *context, int64_t begin, int64_t end, int thread)
{
    const NAME(resize_task) *t = context;
    int64_t rows = t->rows->count, columns = t->columns->count;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        const T *x = t->in + i / rows * t->H * t->W * t->C;
        for (int64_t w = 0; w < columns; w++) {
            NAME(resize_pixel)(t->out + (i * columns + w) * t->C, x, t, i % rows, w);
        }
    }
}

void NAME(cdk_interpolate)(T *y, const T *x, int64_t planes, int64_t H, int64_t W, int64_t C,
                           const cdk_resize_taps *rows, const cdk_resize_taps *columns)
{
    NAME(resize_task) t = {y, x, H, W, C, rows, columns};
    cd_parallel_for(planes * rows->count, CDK_RESIZE_GRAIN / (columns->count * C) + 1, NAME(resize_rows), &t);
}

static void NAME(spread_pixel)(T *dx, const T *dy, const NAME(resize_task) * t, int64_t h, int64_t w)
{
    int64_t across = t->columns->taps, down = t->rows->taps;
    for (int64_t a = h * down; a < (h + 1) * down; a++) {
        for (int64_t b = w * across; b < (w + 1) * across; b++) {
            T *pixel = dx + (t->rows->index[a] * t->W + t->columns->index[b]) * t->C;
            NAME(add_scaled)(pixel, dy, (T)(t->rows->weight[a] * t->columns->weight[b]), t->C);
        }
    }
}

static void NAME(spread_planes)(void *context, int64_t begin, int64_t end, int thread)
{
    const NAME(resize_task) *t = context;
    int64_t rows = t->rows->count, columns = t->columns->count, plane = t->H * t->W * t->C;
    (void)thread;
    for (int64_t n = begin; n < end; n++) {
        memset(t->out + n * plane, 0, (size_t)plane * sizeof(T));
        for (int64_t i = 0; i < rows * columns; i++) {
            const T *dy = t->in + (n * rows * columns + i) * t->C;
            NAME(spread_pixel)(t->out + n * plane, dy, t, i / columns, i % columns);
        }
    }
}

void NAME(cdk_interpolate_gradient)(T *dx, const T *dy, int64_t planes, int64_t H, int64_t W, int64_t C,
                                    const cdk_resize_taps *rows, const cdk_resize_taps *columns)
{
    NAME(resize_task) t = {dx, dy, H, W, C, rows, columns};
    cd_parallel_for(planes, 1, NAME(spread_planes), &t);
}
