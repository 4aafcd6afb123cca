/* Normalisation for one float type: included by normalisation.c with T, NAME(name) and LOOP(name), the loop
 * of kernels/normalisation_loops.h for this type, and SHORT_ROWS where kernels/normalisation_spans.h has
 * short rows for it. */

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

static void NAME(statistics_of_chunk)(NAME(task) * t, int64_t chunk, T *scratch)
{
    int64_t C = t->shape.C, width = t->cut.width, rows = chunk_rows(&t->cut, chunk);
    int64_t whole = rows / t->cut.fold, rest = rows % t->cut.fold;
    const T *x = t->x + chunk_start(&t->cut, chunk) * C, *tail = x + whole * width;
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

/* Planes: each channel of a sample is a sequence of contiguous runs. A span is read once: its squares are
 * taken about its own mean rounded to T, and corrected for the rounding, while it is in the cache; spans are
 * joined in order. */
static void NAME(statistics_of_span)(double *mean, double *squares, const T *x, int64_t n)
{
    double sum = 0, d1 = 0, d2 = 0;
    LOOP(add_span)(&sum, x, n);
    const T about = (T)(sum / (double)n);
    LOOP(add_span_distances)(&d1, &d2, x, about, n);
    *mean = (double)about + d1 / (double)n;
    *squares = d2 - d1 * d1 / (double)n > 0 ? d2 - d1 * d1 / (double)n : d2 * 0;
}

static void NAME(statistics_of_channel)(NAME(task) * t, int64_t item)
{
    int64_t C = t->shape.C, S = t->shape.plane, first = item / C * t->cut.sample_rows;
    double mean = 0, squares = 0, before = 0;
    for (int64_t r = first; r < first + t->cut.sample_rows; r++) {
        for (int64_t s = 0; s < S; s += SPAN) {
            const int64_t n = at_most(SPAN, S - s);
            double part_mean, part_squares;
            NAME(statistics_of_span)(&part_mean, &part_squares, t->x + (r * C + item % C) * S + s, n);
            join_statistics(&mean, &squares, before, part_mean, part_squares, (double)n);
            before += (double)n;
        }
    }
    t->first[item] = mean;
    t->second[item] = squares;
}

static void NAME(statistics_planes)(void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    for (int64_t item = begin; item < end; item++) {
        NAME(statistics_of_channel)(context, item);
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

static void NAME(join_chunks)(double *mean, double *squares, const NAME(task) * t, int64_t sample)
{
    const int64_t C = t->shape.C, first = sample * t->cut.sample_chunks;
    memcpy(mean, t->first + first * C, (size_t)C * sizeof *mean);
    memcpy(squares, t->second + first * C, (size_t)C * sizeof *squares);
    for (int64_t chunk = 1; chunk < t->cut.sample_chunks; chunk++) {
        double before = (double)(chunk * t->cut.rows), count = (double)chunk_rows(&t->cut, chunk);
        const double *part_mean = t->first + (first + chunk) * C,
                     *part_squares = t->second + (first + chunk) * C;
        for (int64_t c = 0; c < C; c++) {
            join_statistics(&mean[c], &squares[c], before, part_mean[c], part_squares[c], count);
        }
    }
}

static cd_status NAME(channel_statistics)(double *mean, double *sum_squares, const void *x,
                                          cdk_channels shape, cd_error *err)
{
    NAME(task) t = {.shape = shape, .cut = cut_rows(shape), .x = x, .first = mean, .second = sum_squares};
    if (shape.plane > 1) {
        cd_parallel_for(t.cut.samples * shape.C, CHUNK / (t.cut.sample_rows * shape.plane) + 1,
                        NAME(statistics_planes), &t);
        return CD_OK;
    }
    CD_TRY(NAME(task_memory)(&t, err));
    cd_parallel_for(t.cut.chunks, 1, NAME(statistics_chunks), &t);
    for (int64_t sample = 0; sample < t.cut.samples; sample++) {
        NAME(join_chunks)(mean + sample * shape.C, sum_squares + sample * shape.C, &t, sample);
    }
    cd_memory_free(t.scratch);
    return CD_OK;
}

static void NAME(sums_of_chunk)(NAME(task) * t, int64_t chunk, T *scratch)
{
    int64_t C = t->shape.C, width = t->cut.width, rows = chunk_rows(&t->cut, chunk);
    int64_t whole = rows / t->cut.fold, rest = rows % t->cut.fold, start = chunk_start(&t->cut, chunk) * C;
    const T *x = t->x + start, *dy = t->dy + start;
    T *s1 = scratch, *s2 = scratch + width, *about = scratch + 2 * width;
    NAME(unfold_coefficients)(about, t->mean + chunk / t->cut.sample_chunks * C, C, width);
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
    for (int64_t item = begin; item < end; item++) {
        const int64_t sample = item / C * t->cut.sample_rows;
        double first = 0, second = 0;
        for (int64_t r = sample; r < sample + t->cut.sample_rows; r++) {
            for (int64_t s = 0; s < S; s += SPAN) {
                int64_t at = (r * C + item % C) * S + s;
                LOOP(add_span_products)
                (&first, &second, t->dy + at, t->x + at, (T)t->mean[item], at_most(SPAN, S - s));
            }
        }
        t->first[item] = first;
        t->second[item] = second;
    }
}

static cd_status NAME(channel_gradient_sums)(double *sum_dy, double *sum_dyx, const void *dy, const void *x,
                                             const double *mean, cdk_channels shape, cd_error *err)
{
    NAME(task) t = {.shape = shape, .cut = cut_rows(shape), .x = x, .dy = dy, .mean = mean};
    t.first = sum_dy;
    t.second = sum_dyx;
    if (shape.plane > 1) {
        cd_parallel_for(t.cut.samples * shape.C, CHUNK / (t.cut.sample_rows * shape.plane) + 1,
                        NAME(sums_planes), &t);
        return CD_OK;
    }
    CD_TRY(NAME(task_memory)(&t, err));
    cd_parallel_for(t.cut.chunks, 1, NAME(sums_chunks), &t);
    memset(sum_dy, 0, (size_t)(t.cut.samples * shape.C) * sizeof *sum_dy);
    memset(sum_dyx, 0, (size_t)(t.cut.samples * shape.C) * sizeof *sum_dyx);
    for (int64_t chunk = 0; chunk < t.cut.chunks; chunk++) {
        const int64_t to = chunk / t.cut.sample_chunks * shape.C;
        for (int64_t c = 0; c < shape.C; c++) {
            sum_dy[to + c] += t.first[chunk * shape.C + c];
            sum_dyx[to + c] += t.second[chunk * shape.C + c];
        }
    }
    cd_memory_free(t.scratch);
    return CD_OK;
}

/* Pointwise: y = activation(a x + b). */

/* The `count` vectors of a chunk's sample, of the width of folded rows. */
static const T *NAME(coefficients_of)(const NAME(task) * t, int64_t chunk, int64_t count)
{
    return t->scratch + chunk / t->cut.sample_chunks * count * t->cut.width;
}

/* The channel, of its sample, of plane i. */
static int64_t NAME(channel_of)(const NAME(task) * t, int64_t i)
{
    return i / t->shape.C / t->cut.sample_rows * t->shape.C + i % t->shape.C;
}

/* Some rows of `width`, or a span: width 1. */
static void NAME(affine_some)(const NAME(task) * t, T *y, const T *x, const T *by, int64_t rows,
                              int64_t width)
{
    if (width == 1) {
        LOOP(affine_span)(y, x, by[0], by[1], t->low, t->high, rows);
    } else {
        LOOP(affine_rows)(y, x, by, by + t->cut.width, t->low, t->high, rows, width);
    }
}

static void NAME(affine_chunks)(void *context, int64_t begin, int64_t end, int thread)
{
    NAME(task) *t = context;
    int64_t C = t->shape.C, width = t->cut.width;
    (void)thread;
    for (int64_t chunk = begin; chunk < end; chunk++) {
        int64_t rows = chunk_rows(&t->cut, chunk), whole = rows / t->cut.fold,
                start = chunk_start(&t->cut, chunk) * C;
        const T *x = t->x + start, *by = NAME(coefficients_of)(t, chunk, 2);
        T *y = t->out + start;
        NAME(affine_some)(t, y, x, by, whole, width);
        NAME(affine_some)(t, y + whole * width, x + whole * width, by, rows % t->cut.fold, C);
    }
}

static void NAME(affine_planes)(void *context, int64_t begin, int64_t end, int thread)
{
    NAME(task) *t = context;
    int64_t S = t->shape.plane;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        const int64_t k = NAME(channel_of)(t, i);
        const T by[] = {(T)t->a[k], (T)t->b[k]};
        NAME(affine_some)(t, t->out + i * S, t->x + i * S, by, S, 1);
    }
}

static cd_status NAME(coefficients)(NAME(task) * t, int count, const double *const *values, cd_error *err)
{
    void *block;
    int64_t width = t->cut.width;
    CD_TRY(cd_memory_alloc(&block, (size_t)(t->cut.samples * count * width) * sizeof(T), err));
    t->scratch = block;
    for (int64_t i = 0; i < t->cut.samples * count; i++) {
        const double *of_sample = values[i % count] + i / count * t->shape.C;
        NAME(unfold_coefficients)(t->scratch + i * width, of_sample, t->shape.C, width);
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

/* Some rows of `width`, or a span: width 1; from element `at` on. */
static void NAME(gradient_some)(const NAME(task) * t, int64_t at, const T *by, int64_t rows, int64_t width)
{
    T *to = t->out + at;
    if (width == 1) {
        LOOP(gradient_span)(to, t->dy + at, t->x + at, by[0], by[1], by[2], by[3], rows);
    } else {
        const int64_t k = t->cut.width;
        LOOP(gradient_rows)(to, t->dy + at, t->x + at, by, by + k, by + 2 * k, by + 3 * k, rows, width);
    }
}

static void NAME(gradient_chunks)(void *context, int64_t begin, int64_t end, int thread)
{
    NAME(task) *t = context;
    int64_t C = t->shape.C, width = t->cut.width;
    (void)thread;
    for (int64_t chunk = begin; chunk < end; chunk++) {
        int64_t rows = chunk_rows(&t->cut, chunk), whole = rows / t->cut.fold,
                start = chunk_start(&t->cut, chunk) * C;
        int64_t tail = start + whole * width;
        const T *by = NAME(coefficients_of)(t, chunk, 4);
        NAME(gradient_some)(t, start, by, whole, width);
        NAME(gradient_some)(t, tail, by, rows % t->cut.fold, C);
    }
}

static void NAME(gradient_planes)(void *context, int64_t begin, int64_t end, int thread)
{
    NAME(task) *t = context;
    int64_t S = t->shape.plane;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        int64_t c = NAME(channel_of)(t, i);
        const T by[] = {(T)t->mean[c], (T)t->a[c], (T)t->b[c], (T)t->d[c]};
        NAME(gradient_some)(t, i * S, by, S, 1);
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
    const cdk_row_norm *s;
    T *out;
    const T *x, *dy;
    int64_t chunk; /* rows of which gradients of weights are added up, for each a part */
    T *part;       /* [chunks][2][length]: of dweight and of dbias, or NULL */
} NAME(row_task);

static void NAME(statistics_of_row)(double *mean, double *squares, const T *x, int64_t length)
{
    double before = 0;
    *mean = *squares = 0;
    for (int64_t i = 0; i < length; i += SPAN) {
        const int64_t n = at_most(SPAN, length - i);
        double part_mean, part_squares;
        NAME(statistics_of_span)(&part_mean, &part_squares, x + i, n);
        join_statistics(mean, squares, before, part_mean, part_squares, (double)n);
        before += (double)n;
    }
}

static double NAME(squares_of_row)(const T *x, int64_t length)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < length; i += SPAN) {
        LOOP(add_span_distances)(&sum, &squares, x + i, 0, at_most(SPAN, length - i));
    }
    return squares;
}

static void NAME(normalise_rows)(void *context, int64_t begin, int64_t end, int thread)
{
    const NAME(row_task) *t = context;
    const cdk_row_norm *s = t->s;
    (void)thread;
#if SHORT_ROWS
    if (s->length <= SPAN) {
        CDK_FOR_CPU_512(normalise_short_rows)(t->out + begin * s->length, t->x, s, begin, end);
        return;
    }
#endif
    for (int64_t r = begin; r < end; r++) {
        const T *x = t->x + r * s->length;
        double mean = 0, squares;
        if (s->mean != NULL) {
            NAME(statistics_of_row)(&mean, &squares, x, s->length);
            s->mean[r] = mean;
        } else {
            squares = NAME(squares_of_row)(x, s->length);
        }
        s->rstd[r] = 1 / sqrt(squares / (double)s->length + s->eps);
        /* What the mean loses when it is rounded to T comes back as an offset. */
        const T about = (T)mean, offset = (T)(((double)about - mean) * s->rstd[r]);
        LOOP(normalise_row)
        (t->out + r * s->length, x, s->weight, s->bias, about, (T)s->rstd[r], offset, s->length);
    }
}

static void NAME(row_normalise)(void *y, const void *x, const cdk_row_norm *s)
{
    NAME(row_task) t = {.s = s, .out = y, .x = x};
    cd_parallel_for(s->rows, CHUNK / (s->length + 1) + 1, NAME(normalise_rows), &t);
}

static void NAME(gradient_of_row)(const NAME(row_task) * t, int64_t r, T *part)
{
    const cdk_row_norm *s = t->s;
    const T *dy = t->dy + r * s->length, *x = t->x + r * s->length, *weight = s->weight;
    const double n = (double)s->length, rstd = s->rstd[r];
    const T mean = s->mean != NULL ? (T)s->mean[r] : 0;
    double sum = 0, product = 0;
    for (int64_t i = 0; i < s->length && t->out != NULL; i += SPAN) {
        LOOP(add_weighted_products)
        (&sum, &product, dy + i, x + i, weight != NULL ? weight + i : NULL, mean,
         at_most(SPAN, s->length - i));
    }
    if (t->out != NULL) {
        const double d = s->mean != NULL ? -rstd * sum / n : 0, b = -rstd * rstd * rstd * product / n;
        const T by[] = {mean, (T)rstd, (T)b, (T)d};
        LOOP(gradient_row)(t->out + r * s->length, dy, x, weight, by, s->length);
    }
    if (part != NULL) {
        LOOP(add_weight_gradients)(part, part + s->length, dy, x, mean, (T)rstd, s->length);
    }
}

static void NAME(gradient_of_rows)(const NAME(row_task) * t, int64_t begin, int64_t end, T *part)
{
#if SHORT_ROWS
    if (t->s->length <= SPAN) {
        CDK_FOR_CPU_512(short_row_gradients)(t->out, part, t->dy, t->x, t->s, begin, end);
        return;
    }
#endif
    for (int64_t r = begin; r < end; r++) {
        NAME(gradient_of_row)(t, r, part);
    }
}

/* Items are chunks of rows. */
static void NAME(gradient_of_chunks)(void *context, int64_t begin, int64_t end, int thread)
{
    const NAME(row_task) *t = context;
    const int64_t length = t->s->length;
    (void)thread;
    for (int64_t chunk = begin; chunk < end; chunk++) {
        T *part = t->part != NULL ? t->part + chunk * 2 * length : NULL;
        if (part != NULL) {
            memset(part, 0, 2 * (size_t)length * sizeof *part);
        }
        NAME(gradient_of_rows)(t, chunk * t->chunk, at_most((chunk + 1) * t->chunk, t->s->rows), part);
    }
}

static void NAME(add_parts)(const NAME(row_task) * t, const cdk_row_gradients *d, int64_t chunks)
{
    const int64_t length = t->s->length;
    memset(d->dweight, 0, (size_t)length * sizeof *d->dweight);
    memset(d->dbias, 0, (size_t)length * sizeof *d->dbias);
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
        const T *part = t->part + chunk * 2 * length;
        for (int64_t i = 0; i < length; i++) {
            d->dweight[i] += part[i];
            d->dbias[i] += part[length + i];
        }
    }
}

static cd_status NAME(row_gradient)(const cdk_row_gradients *d, const void *dy, const void *x,
                                    const cdk_row_norm *s, cd_error *err)
{
    NAME(row_task) t = {.s = s, .out = d->dx, .x = x, .dy = dy};
    const int64_t least = (s->rows + ROW_CHUNKS - 1) / ROW_CHUNKS, fitting = CHUNK / (s->length + 1) + 1;
    t.chunk = least > fitting ? least : fitting;
    const int64_t chunks = (s->rows + t.chunk - 1) / t.chunk;
    if (d->dweight != NULL) {
        void *block;
        CD_TRY(cd_memory_alloc(&block, (size_t)(chunks * 2 * s->length) * sizeof(T), err));
        t.part = block;
    }
    cd_parallel_for(chunks, 1, NAME(gradient_of_chunks), &t);
    if (d->dweight != NULL) {
        NAME(add_parts)(&t, d, chunks);
        cd_memory_free(t.part);
    }
    return CD_OK;
}
