/* Nearest neighbours for elements of one size: included by interpolate.c with T and NAME. */

typedef struct {
    T *out;
    const T *in;
    const cdk_resizing *r;
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
    const cdk_resizing *r = t->r;
    int64_t rows = r->rows.count, length = r->columns.count * r->C;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        const T *x = t->in + (i / rows * r->H + r->rows.index[i % rows]) * r->W * r->C;
        if (r->C == 1) {
            NAME(pick_pixels)(t->out + i * length, x, &r->columns, 1);
        } else {
            NAME(pick_pixels)(t->out + i * length, x, &r->columns, r->C);
        }
    }
}

static void NAME(cdk_nearest)(T *y, const T *x, const cdk_resizing *r)
{
    NAME(nearest_task) t = {y, x, r};
    cd_parallel_for(r->planes * r->rows.count, CDK_RESIZE_GRAIN / (r->columns.count * r->C) + 1,
                    NAME(nearest_rows), &t);
}
