/* Nearest neighbours for elements of one size: included by interpolate.c with T and NAME. */

typedef struct {
    T *out;
    const T *in;
    int64_t H, W, C;
    const cdk_resize_taps *rows, *columns;
} NAME(nearest_task);

static inline CDK_ALWAYS_INLINE void NAME(pick_pixels)(T *restrict y, const T *restrict x,
                                                       const cdk_resize_taps *columns, int64_t C)
{
    for (int64_t w = 0; w < columns->count; w++, y += C) {
        const T *pixel = x + columns->index[w] * C;
        for (int64_t c = 0; c < C; c++) {
            y[c] = pixel[c];
        }
    }
}

static void NAME(nearest_rows)(void *context, int64_t begin, int64_t end, int thread)
{
    const NAME(nearest_task) *t = context;
    int64_t rows = t->rows->count, length = t->columns->count * t->C;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        const T *x = t->in + (i / rows * t->H + t->rows->index[i % rows]) * t->W * t->C;
        if (t->C == 1) {
            NAME(pick_pixels)(t->out + i * length, x, t->columns, 1);
        } else {
            NAME(pick_pixels)(t->out + i * length, x, t->columns, t->C);
        }
    }
}

static void NAME(cdk_nearest)(T *y, const T *x, int64_t planes, int64_t H, int64_t W, int64_t C,
                              const cdk_resize_taps *rows, const cdk_resize_taps *columns)
{
    NAME(nearest_task) t = {y, x, H, W, C, rows, columns};
    cd_parallel_for(planes * rows->count, CDK_RESIZE_GRAIN / (columns->count * C) + 1, NAME(nearest_rows),
                    &t);
}
