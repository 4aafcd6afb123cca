/* Separable sums for one float type: included by separable.c with T, NAME and LOOP. The terms of the rows are
 * added first, whole rows of x at a time. */

typedef struct {
    const cdk_separable *s;
    T *y;
    const T *x;
    bool direct, divides;
    T *row_weight, *column_weight; /* [terms] of each side */
    int64_t most;                  /* terms of a column, in the tables: of few channels */
    int32_t *table;                /* [most][a row of y]: elements of a row of sums, the last for none */
    T *table_weight;               /* [most][a row of y] */
    T *divisor;                    /* [a row of y], NULL where none divides */
    char *scratch;
    size_t scratch_bytes;
} NAME(separable_task);

typedef struct {
    const void **tap; /* [most terms of a row or column] */
    T *sums;          /* [a row of x and a zero] */
} NAME(separable_scratch);

static NAME(separable_scratch) NAME(separable_scratch_of)(const NAME(separable_task) * t, int thread)
{
    NAME(separable_scratch) s;
    const int64_t taps = cdk_max(most_terms(&t->s->rows), most_terms(&t->s->columns));
    s.tap = (void *)(t->scratch + (size_t)thread * t->scratch_bytes);
    s.sums = (T *)(s.tap + taps);
    s.sums[t->s->columns.inputs * t->s->C] = 0;
    return s;
}

/* y = the sum of the taps, a few of them at a time. */
static void NAME(add_up)(T *y, const void *const *tap, const T *weight, int64_t taps, int64_t n)
{
    if (taps == 0) {
        memset(y, 0, (size_t)n * sizeof *y);
    }
    for (int64_t t = 0; t < taps; t += TERMS_AT_ONCE) {
        const weighted_taps k = {cdk_min(TERMS_AT_ONCE, taps - t), tap + t, weight + t};
        LOOP(weighted_sum)(y, &k, t > 0, n);
    }
}

/* The sum of rows of x of which row h of plane n of y is made. */
static const T *NAME(sum_of_rows)(const NAME(separable_task) * t, NAME(separable_scratch) * scratch,
                                  int64_t n, int64_t h)
{
    const cdk_side *rows = &t->s->rows;
    const int64_t first = rows->start[h], taps = rows->start[h + 1] - first;
    const int64_t row = t->s->columns.inputs * t->s->C;
    for (int64_t a = 0; a < taps; a++) {
        scratch->tap[a] = t->x + (n * rows->inputs + rows->index[first + a]) * row;
    }
    if (taps == 1 && rows->weight[first] == 1 && t->table == NULL) {
        return scratch->tap[0];
    }
    NAME(add_up)(scratch->sums, scratch->tap, t->row_weight + first, taps, row);
    return scratch->sums;
}

static void NAME(row_of_pixels)(const NAME(separable_task) * t, NAME(separable_scratch) * scratch, T *y,
                                const T *sums)
{
    const cdk_side *columns = &t->s->columns;
    for (int64_t w = 0; w < columns->count; w++) {
        const int64_t first = columns->start[w], taps = columns->start[w + 1] - first;
        for (int64_t b = 0; b < taps; b++) {
            scratch->tap[b] = sums + columns->index[first + b] * t->s->C;
        }
        NAME(add_up)(y + w * t->s->C, scratch->tap, t->column_weight + first, taps, t->s->C);
    }
}

static void NAME(row_at_once)(const NAME(separable_task) * t, NAME(separable_scratch) * scratch, int64_t i)
{
    const cdk_side *rows = &t->s->rows, *columns = &t->s->columns;
    const int64_t n = i / rows->count, h = i % rows->count, first = rows->start[h], C = t->s->C;
    direct_row k = {.rows = rows->start[h + 1] - first,
                    .C = C,
                    .row = scratch->tap,
                    .row_weight = t->row_weight + first,
                    .column_weight = t->column_weight,
                    .start = columns->start,
                    .index = columns->index,
                    .divisor = columns->divisor,
                    .row_divisor = rows->divisor[h],
                    .divides = t->divides};
    for (int64_t a = 0; a < k.rows; a++) {
        scratch->tap[a] = t->x + (n * rows->inputs + rows->index[first + a]) * columns->inputs * C;
    }
    LOOP(direct_sum)(t->y + i * columns->count * C, &k, columns->count);
}

static void NAME(row_by_sides)(const NAME(separable_task) * t, NAME(separable_scratch) * scratch, int64_t i)
{
    const cdk_side *rows = &t->s->rows;
    const int64_t h = i % rows->count, row = t->s->columns.count * t->s->C;
    T *y = t->y + i * row;
    const T *sums = NAME(sum_of_rows)(t, scratch, i / rows->count, h);
    if (t->table != NULL) {
        LOOP(gathered_sum)(y, sums, t->table, t->table_weight, t->most, row);
    } else {
        NAME(row_of_pixels)(t, scratch, y, sums);
    }
    if (t->divisor != NULL) {
        LOOP(divide)(y, t->divisor, (T)rows->divisor[h], row);
    }
}

/* Items are rows of y. */
static void NAME(separable_rows)(void *context, int64_t begin, int64_t end, int thread)
{
    const NAME(separable_task) *t = context;
    const cdk_side *rows = &t->s->rows;
    const int64_t row = t->s->columns.count * t->s->C;
    NAME(separable_scratch) scratch = NAME(separable_scratch_of)(t, thread);
    for (int64_t i = begin; i < end; i++) {
        const int64_t h = i % rows->count;
        T *y = t->y + i * row;
        if (i > begin && h > 0 && same_terms(rows, h, h - 1)) {
            memcpy(y, y - row, (size_t)row * sizeof *y);
            continue;
        }
        if (t->direct) {
            NAME(row_at_once)(t, &scratch, i);
        } else {
            NAME(row_by_sides)(t, &scratch, i);
        }
    }
}

/* Items are planes, each pixel of which is the one of x times a weight. */
static void NAME(filled_planes)(void *context, int64_t begin, int64_t end, int thread)
{
    const NAME(separable_task) *t = context;
    const int64_t C = t->s->C, pixels = t->s->rows.count * t->s->columns.count;
    const T weight = (T)(t->s->rows.weight[0] * t->s->columns.weight[0] /
                         (t->s->rows.divisor[0] * t->s->columns.divisor[0]));
    (void)thread;
    for (int64_t n = begin; n < end; n++) {
        T *y = t->y + n * pixels * C;
        for (int64_t c = 0; c < C; c++) {
            y[c] = weight * t->x[n * C + c];
        }
        if (C == 1) {
            for (int64_t i = 1; i < pixels; i++) {
                y[i] = y[0];
            }
        } else {
            for (int64_t i = 1; i < pixels; i++) {
                memcpy(y + i * C, y, (size_t)C * sizeof *y);
            }
        }
    }
}

static void NAME(fill_weights)(T *to, const cdk_side *s)
{
    for (int64_t k = 0; k < s->start[s->count]; k++) {
        to[k] = (T)s->weight[k];
    }
}

static void NAME(fill_table)(NAME(separable_task) * t)
{
    const cdk_side *columns = &t->s->columns;
    const int64_t C = t->s->C, row = columns->count * C, none = columns->inputs * C;
    for (int64_t b = 0; b < t->most; b++) {
        for (int64_t e = 0; e < row; e++) {
            const int64_t k = columns->start[e / C] + b;
            const bool is = k < columns->start[e / C + 1];
            t->table[b * row + e] = (int32_t)(is ? columns->index[k] * C + e % C : none);
            t->table_weight[b * row + e] = is ? (T)columns->weight[k] : 0;
        }
    }
}

static void NAME(fill_divisor)(NAME(separable_task) * t)
{
    for (int64_t e = 0; e < t->s->columns.count * t->s->C; e++) {
        t->divisor[e] = (T)t->s->columns.divisor[e / t->s->C];
    }
}

static cd_status NAME(separable_memory)(NAME(separable_task) * t, cd_error *err)
{
    const cdk_separable *s = t->s;
    const cdk_side *rows = &s->rows, *columns = &s->columns;
    t->direct = sums_directly(s);
    t->divides = divides(rows) || divides(columns);
    const bool few_channels = s->C < WIDE_CHANNELS, divided = t->divides && !t->direct;
    const int64_t row = columns->count * s->C, taps = cdk_max(most_terms(rows), most_terms(columns));
    const int64_t size = sizeof(T), terms = rows->start[rows->count] + columns->start[columns->count];
    t->most = few_channels ? most_terms(columns) : 0;
    const int64_t numbers = terms + t->most * row + (divided ? row : 0);
    const int64_t tables = cdk_round_up(numbers * size + t->most * row * 4, 64);
    const int64_t scratch = cdk_round_up(taps * 8 + (columns->inputs * s->C + 1) * size, 64);
    void *block;
    CD_TRY(cd_memory_alloc(&block, (size_t)(tables + scratch * cd_threads()), err));
    t->row_weight = block;
    t->column_weight = t->row_weight + rows->start[rows->count];
    t->table_weight = t->row_weight + terms;
    t->divisor = divided ? t->table_weight + t->most * row : NULL;
    t->table = few_channels ? (int32_t *)(t->row_weight + numbers) : NULL;
    t->scratch = (char *)block + tables;
    t->scratch_bytes = (size_t)scratch;
    return CD_OK;
}

static cd_status NAME(separable)(void *y, const void *x, const cdk_separable *s, cd_error *err)
{
    NAME(separable_task) t = {.s = s, .y = y, .x = x};
    const int64_t row = cdk_max(s->columns.count, s->columns.inputs) * s->C;
    if (is_constant(&s->rows) && is_constant(&s->columns)) {
        cd_parallel_for(s->planes, GRAIN / (s->rows.count * row + 1) + 1, NAME(filled_planes), &t);
        return CD_OK;
    }
    CD_TRY(NAME(separable_memory)(&t, err));
    NAME(fill_weights)(t.row_weight, &s->rows);
    NAME(fill_weights)(t.column_weight, &s->columns);
    if (t.table != NULL) {
        NAME(fill_table)(&t);
    }
    if (t.divisor != NULL) {
        NAME(fill_divisor)(&t);
    }
    cd_parallel_for(s->planes * s->rows.count, GRAIN / (row + 1) + 1, NAME(separable_rows), &t);
    cd_memory_free(t.row_weight);
    return CD_OK;
}
