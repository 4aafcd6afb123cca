/* Pooling for one float type: included by pooling.c with T and NAME. Threads share images. */

typedef struct {
    const cdk_pooling *p;
    T *out;
    const T *in;
    int64_t *index;
    const int64_t *kept_index;
} NAME(pool_task);

static void NAME(max_window)(T *y, int64_t *index, const T *x, const cdk_pooling *p, int64_t oh, int64_t ow)
{
    int64_t first = p->rows.first[oh] * p->W + p->columns.first[ow];
    for (int64_t c = 0; c < p->C; c++) {
        y[c] = x[first * p->C + c];
        index[c] = first;
    }
    for (int64_t h = p->rows.first[oh]; h < p->rows.end[oh]; h += p->rows.step) {
        for (int64_t w = p->columns.first[ow]; w < p->columns.end[ow]; w += p->columns.step) {
            const T *pixel = x + (h * p->W + w) * p->C;
            for (int64_t c = 0; c < p->C; c++) {
                if (pixel[c] > y[c] || pixel[c] != pixel[c]) {
                    y[c] = pixel[c];
                    index[c] = h * p->W + w;
                }
            }
        }
    }
}

/* Items are output rows of images. */
static void NAME(max_rows)(void *context, int64_t begin, int64_t end, int thread)
{
    const NAME(pool_task) *t = context;
    const cdk_pooling *p = t->p;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        const T *x = t->in + i / p->rows.count * p->H * p->W * p->C;
        for (int64_t ow = 0; ow < p->columns.count; ow++) {
            int64_t at = (i * p->columns.count + ow) * p->C;
            NAME(max_window)(t->out + at, t->index + at, x, p, i % p->rows.count, ow);
        }
    }
}

static void NAME(max_pool)(void *y, int64_t *index, const void *x, const cdk_pooling *p)
{
    NAME(pool_task) t = {.p = p, .out = y, .in = x, .index = index};
    cd_parallel_for(p->N * p->rows.count, 4, NAME(max_rows), &t);
}

static void NAME(max_gradient_images)(void *context, int64_t begin, int64_t end, int thread)
{
    const NAME(pool_task) *t = context;
    const cdk_pooling *p = t->p;
    int64_t image = p->H * p->W * p->C, outputs = p->rows.count * p->columns.count * p->C;
    (void)thread;
    for (int64_t n = begin; n < end; n++) {
        T *dx = t->out + n * image;
        memset(dx, 0, (size_t)image * sizeof *dx);
        for (int64_t i = n * outputs; i < (n + 1) * outputs; i++) {
            dx[t->kept_index[i] * p->C + i % p->C] += t->in[i];
        }
    }
}

static void NAME(max_pool_gradient)(void *dx, const void *dy, const int64_t *index, const cdk_pooling *p)
{
    NAME(pool_task) t = {.p = p, .out = dx, .in = dy, .kept_index = index};
    cd_parallel_for(p->N, 1, NAME(max_gradient_images), &t);
}

static T NAME(share)(const cdk_pooling *p, int64_t oh, int64_t ow)
{
    return (T)(1 / (p->divisor > 0 ? p->divisor : p->rows.size[oh] * p->columns.size[ow]));
}

static void NAME(mean_window)(T *y, const T *x, const cdk_pooling *p, int64_t oh, int64_t ow)
{
    T share = NAME(share)(p, oh, ow);
    memset(y, 0, (size_t)p->C * sizeof *y);
    for (int64_t h = p->rows.first[oh]; h < p->rows.end[oh]; h++) {
        for (int64_t w = p->columns.first[ow]; w < p->columns.end[ow]; w++) {
            const T *pixel = x + (h * p->W + w) * p->C;
            for (int64_t c = 0; c < p->C; c++) {
                y[c] += pixel[c];
            }
        }
    }
    for (int64_t c = 0; c < p->C; c++) {
        y[c] *= share;
    }
}

static void NAME(mean_rows)(void *context, int64_t begin, int64_t end, int thread)
{
    const NAME(pool_task) *t = context;
    const cdk_pooling *p = t->p;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        const T *x = t->in + i / p->rows.count * p->H * p->W * p->C;
        for (int64_t ow = 0; ow < p->columns.count; ow++) {
            NAME(mean_window)(t->out + (i * p->columns.count + ow) * p->C, x, p, i % p->rows.count, ow);
        }
    }
}

static void NAME(mean_pool)(void *y, const void *x, const cdk_pooling *p)
{
    NAME(pool_task) t = {.p = p, .out = y, .in = x};
    cd_parallel_for(p->N * p->rows.count, 4, NAME(mean_rows), &t);
}

static void NAME(spread_window)(T *dx, const T *dy, const cdk_pooling *p, int64_t oh, int64_t ow)
{
    T share = NAME(share)(p, oh, ow);
    for (int64_t h = p->rows.first[oh]; h < p->rows.end[oh]; h++) {
        for (int64_t w = p->columns.first[ow]; w < p->columns.end[ow]; w++) {
            T *pixel = dx + (h * p->W + w) * p->C;
            for (int64_t c = 0; c < p->C; c++) {
                pixel[c] += share * dy[c];
            }
        }
    }
}

static void NAME(mean_gradient_images)(void *context, int64_t begin, int64_t end, int thread)
{
    const NAME(pool_task) *t = context;
    const cdk_pooling *p = t->p;
    int64_t image = p->H * p->W * p->C, outputs = p->rows.count * p->columns.count;
    (void)thread;
    for (int64_t n = begin; n < end; n++) {
        T *dx = t->out + n * image;
        memset(dx, 0, (size_t)image * sizeof *dx);
        for (int64_t i = 0; i < outputs; i++) {
            NAME(spread_window)
            (dx, t->in + (n * outputs + i) * p->C, p, i / p->columns.count, i % p->columns.count);
        }
    }
}

static void NAME(mean_pool_gradient)(void *dx, const void *dy, const cdk_pooling *p)
{
    NAME(pool_task) t = {.p = p, .out = dx, .in = dy};
    cd_parallel_for(p->N, 1, NAME(mean_gradient_images), &t);
}
