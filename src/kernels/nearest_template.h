/* Nearest neighbours for elements of one size: included by interpolate.c with T and NAME. */

typedef struct {
    T *out;
    const T *in;
    const cdk_resizing *r;
    bool streams;
} NAME(nearest_task);

static inline CDK_ALWAYS_INLINE void NAME(pick_pixels)(T *restrict y, const T *restrict x,
                                                       const int64_t *index, int64_t count, int64_t C)
{
    for (int64_t w = 0; w < count; w++, y += C) {
        const T *pixel = x + index[w] * C;
        for (int64_t c = 0; c < C; c++) {
            y[c] = pixel[c];
        }
    }
}

/* A row of y, piece by piece where it is written past the caches. */
static void NAME(pick_row)(const NAME(nearest_task) * t, T *y, const T *x)
{
    T piece[CDK_STREAM_PIECE / sizeof(T)];
    const int64_t C = t->r->C, count = t->r->columns.count;
    const int64_t step = t->streams ? (int64_t)(sizeof piece / sizeof *piece) / C : count;
    for (int64_t w = 0; w < count; w += step) {
        const int64_t n = count - w < step ? count - w : step;
        T *to = t->streams ? piece : y + w * C;
        if (C == 1) {
            NAME(pick_pixels)(to, x, t->r->columns.index + w, n, 1);
        } else {
            NAME(pick_pixels)(to, x, t->r->columns.index + w, n, C);
        }
        if (t->streams) {
            cdk_move_out(y + w * C, piece, n * C * (int64_t)sizeof(T));
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
        NAME(pick_row)(t, t->out + i * length, x);
    }
}

static void NAME(cdk_nearest)(T *y, const T *x, const cdk_resizing *r)
{
    NAME(nearest_task) t = {y, x, r, false};
    const int64_t pixel = r->C * (int64_t)sizeof(T);
    t.streams = pixel <= CDK_STREAM_PIECE && pixel % (int64_t)sizeof(float) == 0 &&
                cdk_streams(r->planes * r->rows.count * r->columns.count * pixel);
    cd_parallel_for(r->planes * r->rows.count, CDK_RESIZE_GRAIN / (r->columns.count * r->C) + 1,
                    NAME(nearest_rows), &t);
}
