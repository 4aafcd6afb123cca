/* Normalisation for one float type: included by normalisation.c with T, NAME(name) and LOOP(name), the loop of
 * kernels/normalisation_loops.h for this type. */

/* One task over all chunks (plane = 1) or all channels (plane > 1). */
typedef struct {
    cdk_channels shape;
    cut cut;
    const T *x, *dy;
    T *out;
    T *scratch;             /* 3 * width for each thread, or the folded coefficients */
    double *first, *second; /* results per channel, or per chunk and channel */
    const double *mean, *a, *b, *d;
    T low, high;
} NAME(task);

/* Copies a coefficient per channel to one per element of a folded row. */
static void NAME(unfold_coefficients)(T *wide, const double *values, int64_t C, int64_t width)
{
    for (int64_t i = 0; i < width; i++) {
        wide[i] = (T)values[i % C];
    }
}

static void NAME(fold_sums)(double *sums, const T *wide, int64_t C, int64_t width)
{
    memset(sums, 0, (size_t)C * sizeof *sums);
    for (int64_t i = 0; i < width; i++) {
        sums[i % C] += wide[i];
    }
}

/* Rows of a chunk that fill whole folded rows, and the rest. */
static int64_t NAME(chunk_rows)(const NAME(task) * t, int64_t chunk)
{
    return at_most(t->cut.rows, t->shape.rows - chunk * t->cut.rows);
}

static void NAME(statistics_of_chunk)(NAME(task) * t, int64_t chunk, T *scratch)
{
    int64_t C = t->shape.C, width = t->cut.width, rows = NAME(chunk_rows)(t, chunk);
    int64_t whole = rows / t->cut.fold, rest = rows % t->cut.fold;
    const T *x = t->x + chunk * t->cut.rows * C, *tail = x + whole * width;
    double *mean = t->first + chunk * C, *squares = t->second + chunk * C;
    T *d1 = scratch, *d2 = scratch + width, *about = scratch + 2 * width;
    memset(d1, 0, (size_t)width * sizeof *d1);
    LOOP(add_rows)(d1, x, whole, width);
    LOOP(add_rows)(d1, tail, rest, C);
    NAME(fold_sums)(mean, d1, C, width);
    for (int64_t c = 0; c < C; c++) {
        mean[c] /= (double)rows;
    }
    NAME(unfold_coefficients)(about, mean, C, width);
    memset(d1, 0, 2 * (size_t)width * sizeof *d1);
    LOOP(add_distances)(d1, d2, about, x, whole, width);
    LOOP(add_distances)(d1, d2, about, tail, rest, C);
    NAME(fold_sums)(squares, d2, C, width);
    for (int64_t c = 0; c < C; c++) {
        double correction = 0;
        for (int64_t i = c; i < width; i += C) {
            correction += d1[i];
        }
        mean[c] = (double)about[c] + correction / (double)rows;
        squares[c] -= correction * correction / (double)rows;
    }
}

static void NAME(statistics_chunks)(void *context, int64_t begin, int64_t end, int thread)
{
    NAME(task) *t = context;
    for (int64_t chunk = begin; chunk < end; chunk++) {
        NAME(statistics_of_chunk)(t, chunk, t->scratch + thread * 3 * t->cut.width);
    }
}

/* Planes: each channel is a sequence of N contiguous runs. Squares are taken about the mean rounded to T, and
 * corrected for the rounding. */
static void NAME(statistics_of_channel)(NAME(task) * t, int64_t c)
{
    int64_t C = t->shape.C, S = t->shape.plane;
    double n = (double)(t->shape.rows * S), sum = 0, d1 = 0, d2 = 0;
    for (int64_t r = 0; r < t->shape.rows; r++) {
        for (int64_t s = 0; s < S; s += SPAN) {
            LOOP(add_span)(&sum, t->x + (r * C + c) * S + s, at_most(SPAN, S - s));
        }
    }
    T mean = (T)(sum / n);
    for (int64_t r = 0; r < t->shape.rows; r++) {
        for (int64_t s = 0; s < S; s += SPAN) {
            LOOP(add_span_distances)(&d1, &d2, t->x + (r * C + c) * S + s, mean, at_most(SPAN, S - s));
        }
    }
    t->first[c] = mean + d1 / n;
    t->second[c] = d2 - d1 * d1 / n > 0 ? d2 - d1 * d1 / n : d2 * 0;
}

static void NAME(statistics_planes)(void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    for (int64_t c = begin; c < end; c++) {
        NAME(statistics_of_channel)(context, c);
    }
}

/* Scratch for the threads and, behind it, partial results of every chunk. */
static cd_status NAME(task_memory)(NAME(task) * t, cd_error *err)
{
    size_t scratch = (size_t)cd_threads() * 3 * (size_t)t->cut.width * sizeof(T);
    size_t partial = (size_t)(t->cut.chunks * t->shape.C) * sizeof(double);
    void *block;
    scratch = (scratch + 63) / 64 * 64;
    CD_TRY(cd_memory_alloc(&block, scratch + 2 * partial, err));
    t->scratch = block;
    t->first = (double *)((char *)block + scratch);
    t->second = t->first + t->cut.chunks * t->shape.C;
    return CD_OK;
}

static void NAME(join_chunks)(double *mean, double *squares, const NAME(task) * t)
{
    int64_t C = t->shape.C;
    memcpy(mean, t->first, (size_t)C * sizeof *mean);
    memcpy(squares, t->second, (size_t)C * sizeof *squares);
    for (int64_t chunk = 1; chunk < t->cut.chunks; chunk++) {
        double before = (double)(chunk * t->cut.rows), count = (double)NAME(chunk_rows)(t, chunk);
        for (int64_t c = 0; c < C; c++) {
            join_statistics(&mean[c], &squares[c], before, t->first[chunk * C + c], t->second[chunk * C + c],
                            count);
        }
    }
}

static cd_status NAME(channel_statistics)(double *mean, double *sum_squares, const void *x,
                                          cdk_channels shape, cd_error *err)
{
    NAME(task) t = {.shape = shape, .cut = cut_rows(shape), .x = x, .first = mean, .second = sum_squares};
    if (shape.plane > 1) {
        cd_parallel_for(shape.C, 1, NAME(statistics_planes), &t);
        return CD_OK;
    }
    CD_TRY(NAME(task_memory)(&t, err));
    cd_parallel_for(t.cut.chunks, 1, NAME(statistics_chunks), &t);
    NAME(join_chunks)(mean, sum_squares, &t);
    cd_memory_free(t.scratch);
    return CD_OK;
}

static void NAME(sums_of_chunk)(NAME(task) * t, int64_t chunk, T *scratch)
{
    int64_t C = t->shape.C, width = t->cut.width, rows = NAME(chunk_rows)(t, chunk);
    int64_t whole = rows / t->cut.fold, rest = rows % t->cut.fold, start = chunk * t->cut.rows * C;
    const T *x = t->x + start, *dy = t->dy + start;
    T *s1 = scratch, *s2 = scratch + width, *about = scratch + 2 * width;
    NAME(unfold_coefficients)(about, t->mean, C, width);
    memset(s1, 0, 2 * (size_t)width * sizeof *s1);
    LOOP(add_products)(s1, s2, about, dy, x, whole, width);
    LOOP(add_products)(s1, s2, about, dy + whole * width, x + whole * width, rest, C);
    NAME(fold_sums)(t->first + chunk * C, s1, C, width);
    NAME(fold_sums)(t->second + chunk * C, s2, C, width);
}

static void NAME(sums_chunks)(void *context, int64_t begin, int64_t end, int thread)
{
    NAME(task) *t = context;
    for (int64_t chunk = begin; chunk < end; chunk++) {
        NAME(sums_of_chunk)(t, chunk, t->scratch + thread * 3 * t->cut.width);
    }
}

static void NAME(sums_planes)(void *context, int64_t begin, int64_t end, int thread)
{
    NAME(task) *t = context;
    int64_t C = t->shape.C, S = t->shape.plane;
    (void)thread;
    for (int64_t c = begin; c < end; c++) {
        double first = 0, second = 0;
        for (int64_t r = 0; r < t->shape.rows; r++) {
            for (int64_t s = 0; s < S; s += SPAN) {
                int64_t at = (r * C + c) * S + s;
                LOOP(add_span_products)
                (&first, &second, t->dy + at, t->x + at, (T)t->mean[c], at_most(SPAN, S - s));
            }
        }
        t->first[c] = first;
        t->second[c] = second;
    }
}

static cd_status NAME(channel_gradient_sums)(double *sum_dy, double *sum_dyx, const void *dy, const void *x,
                                             const double *mean, cdk_channels shape, cd_error *err)
{
    NAME(task) t = {.shape = shape, .cut = cut_rows(shape), .x = x, .dy = dy, .mean = mean};
    t.first = sum_dy;
    t.second = sum_dyx;
    if (shape.plane > 1) {
        cd_parallel_for(shape.C, 1, NAME(sums_planes), &t);
        return CD_OK;
    }
    CD_TRY(NAME(task_memory)(&t, err));
    cd_parallel_for(t.cut.chunks, 1, NAME(sums_chunks), &t);
    memset(sum_dy, 0, (size_t)shape.C * sizeof *sum_dy);
    memset(sum_dyx, 0, (size_t)shape.C * sizeof *sum_dyx);
    for (int64_t i = 0; i < t.cut.chunks * shape.C; i++) {
        sum_dy[i % shape.C] += t.first[i];
        sum_dyx[i % shape.C] += t.second[i];
    }
    cd_memory_free(t.scratch);
    return CD_OK;
}

/* Pointwise: y = activation(a x + b). */

static void NAME(affine_chunks)(void *context, int64_t begin, int64_t end, int thread)
{
    NAME(task) *t = context;
    int64_t C = t->shape.C, width = t->cut.width;
    (void)thread;
    for (int64_t chunk = begin; chunk < end; chunk++) {
        int64_t rows = NAME(chunk_rows)(t, chunk), whole = rows / t->cut.fold,
                start = chunk * t->cut.rows * C;
        const T *x = t->x + start, *scale = t->scratch, *shift = t->scratch + width;
        T *y = t->out + start;
        LOOP(affine_rows)(y, x, scale, shift, t->low, t->high, whole, width);
        LOOP(affine_rows)
        (y + whole * width, x + whole * width, scale, shift, t->low, t->high, rows % t->cut.fold, C);
    }
}

static void NAME(affine_planes)(void *context, int64_t begin, int64_t end, int thread)
{
    NAME(task) *t = context;
    int64_t S = t->shape.plane;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        T scale = (T)t->a[i % t->shape.C], shift = (T)t->b[i % t->shape.C];
        LOOP(affine_span)(t->out + i * S, t->x + i * S, scale, shift, t->low, t->high, S);
    }
}

static cd_status NAME(coefficients)(NAME(task) * t, int count, const double *const *values, cd_error *err)
{
    void *block;
    int64_t width = t->cut.width;
    CD_TRY(cd_memory_alloc(&block, (size_t)(count * width) * sizeof(T), err));
    t->scratch = block;
    for (int i = 0; i < count; i++) {
        NAME(unfold_coefficients)(t->scratch + i * width, values[i], t->shape.C, width);
    }
    return CD_OK;
}

static cd_status NAME(channel_affine)(void *y, const void *x, const double *scale, const double *shift,
                                      cdk_activation activation, cdk_channels shape, cd_error *err)
{
    NAME(task) t = {.shape = shape, .cut = cut_rows(shape), .x = x, .out = y, .a = scale, .b = shift};
    t.low = cdk_activation_low(activation);
    t.high = cdk_activation_high(activation);
    if (shape.plane > 1) {
        cd_parallel_for(shape.rows * shape.C, CHUNK / shape.plane + 1, NAME(affine_planes), &t);
        return CD_OK;
    }
    CD_TRY(NAME(coefficients)(&t, 2, (const double *const[]){scale, shift}, err));
    cd_parallel_for(t.cut.chunks, 1, NAME(affine_chunks), &t);
    cd_memory_free(t.scratch);
    return CD_OK;
}

/* Pointwise: dx = a dy + b (x - mean) + d. */

static void NAME(gradient_chunks)(void *context, int64_t begin, int64_t end, int thread)
{
    NAME(task) *t = context;
    int64_t C = t->shape.C, width = t->cut.width;
    const T *mean = t->scratch, *a = mean + width, *b = a + width, *d = b + width;
    (void)thread;
    for (int64_t chunk = begin; chunk < end; chunk++) {
        int64_t rows = NAME(chunk_rows)(t, chunk), whole = rows / t->cut.fold,
                start = chunk * t->cut.rows * C;
        int64_t tail = start + whole * width;
        LOOP(gradient_rows)(t->out + start, t->dy + start, t->x + start, mean, a, b, d, whole, width);
        LOOP(gradient_rows)(t->out + tail, t->dy + tail, t->x + tail, mean, a, b, d, rows % t->cut.fold, C);
    }
}

static void NAME(gradient_planes)(void *context, int64_t begin, int64_t end, int thread)
{
    NAME(task) *t = context;
    int64_t S = t->shape.plane;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        int64_t c = i % t->shape.C;
        T mean = (T)t->mean[c], a = (T)t->a[c], b = (T)t->b[c], d = (T)t->d[c];
        LOOP(gradient_span)(t->out + i * S, t->dy + i * S, t->x + i * S, mean, a, b, d, S);
    }
}

static cd_status NAME(channel_gradient)(void *dx, const void *dy, const void *x,
                                        const cdk_channel_coefficients *by, cdk_channels shape, cd_error *err)
{
    NAME(task) t = {.shape = shape, .cut = cut_rows(shape), .x = x, .dy = dy, .out = dx, .mean = by->mean};
    t.a = by->a;
    t.b = by->b;
    t.d = by->d;
    if (shape.plane > 1) {
        cd_parallel_for(shape.rows * shape.C, CHUNK / shape.plane + 1, NAME(gradient_planes), &t);
        return CD_OK;
    }
    CD_TRY(NAME(coefficients)(&t, 4, (const double *const[]){t.mean, t.a, t.b, t.d}, err));
    cd_parallel_for(t.cut.chunks, 1, NAME(gradient_chunks), &t);
    cd_memory_free(t.scratch);
    return CD_OK;
}

/* Rows. */

typedef struct {
    T *out;
    const T *x, *y;
    double *rstd;
    const double *kept_rstd;
    int64_t length;
    double eps;
} NAME(row_task);

static void NAME(normalise_rows)(void *context, int64_t begin, int64_t end, int thread)
{
    const NAME(row_task) *t = context;
    double n = (double)t->length;
    (void)thread;
    for (int64_t r = begin; r < end; r++) {
        const T *x = t->x + r * t->length;
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < t->length; i++) {
            sum += x[i];
        }
        double mean = sum / n;
        for (int64_t i = 0; i < t->length; i++) {
            squares += (x[i] - mean) * (x[i] - mean);
        }
        t->rstd[r] = 1 / sqrt(squares / n + t->eps);
        for (int64_t i = 0; i < t->length; i++) {
            t->out[r * t->length + i] = (T)((x[i] - mean) * t->rstd[r]);
        }
    }
}

static void NAME(row_normalise)(void *y, double *rstd, const void *x, int64_t rows, int64_t length,
                                double eps)
{
    NAME(row_task) t = {.out = y, .x = x, .rstd = rstd, .length = length, .eps = eps};
    cd_parallel_for(rows, CHUNK / (length + 1) + 1, NAME(normalise_rows), &t);
}

static void NAME(gradient_of_rows)(void *context, int64_t begin, int64_t end, int thread)
{
    const NAME(row_task) *t = context;
    double n = (double)t->length;
    (void)thread;
    for (int64_t r = begin; r < end; r++) {
        const T *dy = t->x + r * t->length, *y = t->y + r * t->length;
        double sum = 0, product = 0;
        for (int64_t i = 0; i < t->length; i++) {
            sum += dy[i];
            product += (double)dy[i] * y[i];
        }
        for (int64_t i = 0; i < t->length; i++) {
            t->out[r * t->length + i] = (T)(t->kept_rstd[r] * (dy[i] - sum / n - y[i] * product / n));
        }
    }
}

static void NAME(row_gradient)(void *dx, const void *dy, const void *y, const double *rstd, int64_t rows,
                               int64_t length)
{
    NAME(row_task) t = {.out = dx, .x = dy, .y = y, .kept_rstd = rstd, .length = length};
    cd_parallel_for(rows, CHUNK / (length + 1) + 1, NAME(gradient_of_rows), &t);
}
