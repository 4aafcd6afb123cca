/* Largest elements for one float type: included by pooling.c with T, NAME and LOOP. */

typedef struct {
    const cdk_pooling *p;
    pool_method method;
    bool wants_places;
    T *y;
    const T *x;
    cdk_places places;
    int64_t *index;
    int64_t taps;         /* of a window; 0 BY_SCAN, which keeps no lists of them */
    int64_t *tap_offset;  /* per tap: elements of x from the window's origin */
    int64_t *copy_offset; /* per column tap, BY_ROWS: elements of a copied row */
    T *start;             /* per element of a row of y, BY_ROWS: its first column tap that counts */
    int64_t slots, slot;  /* copied rows of x, and the elements of one */
    char *scratch;        /* of the threads */
    size_t scratch_bytes;
} NAME(max_task);

/* One thread's scratch. */
typedef struct {
    const void **tap; /* [taps] */
    T *number;        /* [taps] */
    T *at;            /* [a row of y] */
    T *copy;          /* [slots][slot] */
    int64_t *held;    /* [slots]: which row of x is there */
} NAME(max_scratch);

static NAME(max_scratch) NAME(scratch_of)(const NAME(max_task) * t, int thread)
{
    const int64_t taps = t->taps;
    NAME(max_scratch) s;
    s.tap = (void *)(t->scratch + (size_t)thread * t->scratch_bytes);
    s.held = (int64_t *)(s.tap + taps);
    s.number = (T *)(s.held + t->slots);
    s.at = s.number + taps;
    s.copy = s.at + t->p->columns.count * t->p->C;
    return s;
}

static size_t NAME(bytes_of_scratch)(const NAME(max_task) * t)
{
    const int64_t taps = t->taps, row = t->p->columns.count * t->p->C;
    const int64_t bytes = (taps + t->slots) * 8 + (taps + row + t->slots * t->slot) * (int64_t)sizeof(T);
    return (size_t)cdk_round_up(bytes, 64);
}

static void NAME(fill_tables)(const NAME(max_task) * t)
{
    const cdk_pooling *p = t->p;
    for (int64_t k = 0; k < t->taps; k++) {
        const int64_t a = k / p->columns.taps, b = k % p->columns.taps;
        t->tap_offset[k] = (a * p->rows.step * p->W + b * p->columns.step) * p->C;
    }
    for (int64_t b = 0; b < p->columns.taps; b++) {
        t->copy_offset[b] = copy_offset(&p->columns, b) * p->C;
    }
    for (int64_t i = 0; i < p->columns.count * p->C; i++) {
        const int64_t ow = i / p->C;
        t->start[i] = (T)((p->columns.first[ow] - p->columns.origin[ow]) / p->columns.step);
    }
}

static cd_status NAME(max_memory)(NAME(max_task) * t, cd_error *err)
{
    const cdk_pooling *p = t->p;
    const int64_t row = p->columns.count * p->C;
    void *block;
    t->taps = t->method == BY_SCAN ? 0 : all_taps(p);
    if (t->method == BY_ROWS) {
        const row_copy k = copy_of(&p->columns);
        t->slots = reach_of(&p->rows);
        t->slot = k.runs * k.length * p->C;
    }
    t->scratch_bytes = NAME(bytes_of_scratch)(t);
    const size_t tables =
        (size_t)cdk_round_up((t->taps + p->columns.taps) * 8 + row * (int64_t)sizeof(T), 64);
    CD_TRY(cd_memory_alloc(&block, tables + t->scratch_bytes * (size_t)cd_threads(), err));
    t->tap_offset = block;
    t->copy_offset = t->tap_offset + t->taps;
    t->start = (T *)(t->copy_offset + p->columns.taps);
    t->scratch = (char *)block + tables;
    NAME(fill_tables)(t);
    return CD_OK;
}

/* ---- what a window's outputs are kept as ---- */

/* The places of row i of y, which are in at. */
static void NAME(keep)(const NAME(max_task) * t, int64_t i, const T *at)
{
    const cdk_pooling *p = t->p;
    const int64_t row = p->columns.count * p->C, first = i * row;
    if (t->places.size == 1) {
        LOOP(write_bytes)((uint8_t *)t->places.place + first, at, row);
    }
    for (int64_t e = 0; e < row && t->places.size == 4; e++) {
        set_place(t->places, first + e, (int64_t)at[e]);
    }
    const int64_t origin = p->rows.origin[i % p->rows.count] * p->W;
    for (int64_t e = 0; e < row && t->index != NULL; e++) {
        t->index[first + e] = origin + p->columns.origin[e / p->C] + t->tap_offset[(int64_t)at[e]] / p->C;
    }
}

static void NAME(run_taps)(const NAME(max_task) * t, T *y, T *at, const pool_taps *k, int64_t n)
{
    if (t->wants_places) {
        LOOP(largest_places)(y, at, k, n);
    } else {
        LOOP(largest)(y, k, n);
    }
}

/* ---- pixel by pixel ---- */

static void NAME(pixels_of_row)(const NAME(max_task) * t, NAME(max_scratch) * s, int64_t i)
{
    const cdk_pooling *p = t->p;
    const int64_t n = i / p->rows.count, oh = i % p->rows.count;
    const T *image = t->x + n * p->H * p->W * p->C;
    for (int64_t ow = 0; ow < p->columns.count; ow++) {
        const int64_t out = (i * p->columns.count + ow) * p->C;
        pool_taps k = {0, s->tap, s->number, 0, NULL};
        for (int64_t h = p->rows.first[oh]; h < p->rows.end[oh]; h += p->rows.step) {
            const int64_t a = (h - p->rows.origin[oh]) / p->rows.step * p->columns.taps;
            for (int64_t w = p->columns.first[ow]; w < p->columns.end[ow]; w += p->columns.step) {
                s->tap[k.taps] = image + (h * p->W + w) * p->C;
                s->number[k.taps++] = (T)(a + (w - p->columns.origin[ow]) / p->columns.step);
            }
        }
        k.base = k.taps > 0 ? s->number[0] : 0;
        NAME(run_taps)(t, t->y + out, s->at + ow * p->C, &k, p->C);
    }
}

/* ---- all outputs of a row ---- */

/* to[j] = pixel first + j stride of a row for 0 <= j < length, -Inf outside. */
static void NAME(copy_phase)(T *restrict to, const T *restrict row, int64_t first, int64_t stride,
                             int64_t length, const cdk_pooling *p)
{
    const int64_t C = p->C;
    const int64_t before = cdk_min(first < 0 ? cdk_ceil_div(-first, stride) : 0, length);
    const int64_t inside = first < p->W ? cdk_min(cdk_ceil_div(p->W - first, stride), length) : 0;
    for (int64_t i = 0; i < before * C; i++) {
        to[i] = -INFINITY;
    }
    for (int64_t i = cdk_max(before, inside) * C; i < length * C; i++) {
        to[i] = -INFINITY;
    }
    if (stride == 1 && inside > before) {
        memcpy(to + before * C, row + (first + before) * C, (size_t)((inside - before) * C) * sizeof(T));
    } else if (C == 1 && stride == 2) {
        const T *from = row + first;
        for (int64_t j = before; j < inside; j++) {
            to[j] = from[2 * j];
        }
    } else {
        for (int64_t j = before; j < inside; j++) {
            for (int64_t c = 0; c < C; c++) {
                to[j * C + c] = row[(first + j * stride) * C + c];
            }
        }
    }
}

/* The elements of tap b of each output. */
static void NAME(copy_tap)(T *restrict to, const T *restrict row, int64_t b, const cdk_pooling *p)
{
    const cdk_windows *s = &p->columns;
    for (int64_t ow = 0; ow < s->count; ow++) {
        const int64_t w = s->origin[ow] + b * s->step;
        const bool counts = w >= s->first[ow] && w < s->end[ow];
        for (int64_t c = 0; c < p->C; c++) {
            to[ow * p->C + c] = counts ? row[w * p->C + c] : (T)-INFINITY;
        }
    }
}

/* Row h of image n, copied unless it is there. */
static const T *NAME(copied)(const NAME(max_task) * t, NAME(max_scratch) * s, int64_t n, int64_t h)
{
    const cdk_pooling *p = t->p;
    const int64_t slot = h % t->slots, which = n * p->H + h;
    T *to = s->copy + slot * t->slot;
    if (s->held[slot] == which) {
        return to;
    }
    const row_copy k = copy_of(&p->columns);
    const T *row = t->x + which * p->W * p->C;
    for (int64_t r = 0; r < k.runs; r++) {
        T *run = to + r * k.length * p->C;
        if (p->columns.stride == 0) {
            NAME(copy_tap)(run, row, r, p);
        } else {
            NAME(copy_phase)(run, row, p->columns.origin[0] + r, p->columns.stride, k.length, p);
        }
    }
    s->held[slot] = which;
    return to;
}

static void NAME(whole_row)(const NAME(max_task) * t, NAME(max_scratch) * s, int64_t i)
{
    const cdk_pooling *p = t->p;
    const int64_t n = i / p->rows.count, oh = i % p->rows.count, row = p->columns.count * p->C;
    pool_taps k = {0, s->tap, s->number, 0, t->start};
    for (int64_t h = p->rows.first[oh]; h < p->rows.end[oh]; h += p->rows.step) {
        const int64_t a = (h - p->rows.origin[oh]) / p->rows.step * p->columns.taps;
        const T *copy = NAME(copied)(t, s, n, h);
        for (int64_t b = 0; b < p->columns.taps; b++) {
            s->tap[k.taps] = copy + t->copy_offset[b];
            s->number[k.taps++] = (T)(a + b);
        }
    }
    k.base = k.taps > 0 ? s->number[0] : 0;
    NAME(run_taps)(t, t->y + i * row, s->at, &k, row);
}

/* ---- window by window ---- */

static void NAME(scan_window)(const NAME(max_task) * t, int64_t i, int64_t ow, int64_t c)
{
    const cdk_pooling *p = t->p;
    const int64_t oh = i % p->rows.count, out = (i * p->columns.count + ow) * p->C + c;
    const T *image = t->x + i / p->rows.count * p->H * p->W * p->C + c;
    int64_t row = p->rows.first[oh], column = p->columns.first[ow];
    T best = -INFINITY;
    for (int64_t h = row; h < p->rows.end[oh]; h += p->rows.step) {
        for (int64_t w = p->columns.first[ow]; w < p->columns.end[ow]; w += p->columns.step) {
            const T v = image[(h * p->W + w) * p->C];
            if (v > best || v != v) {
                best = v;
                row = h;
                column = w;
            }
        }
    }
    t->y[out] = best;
    if (t->index != NULL) {
        t->index[out] = row * p->W + column;
    }
    if (t->places.place != NULL) {
        set_place(t->places, out,
                  (row - p->rows.origin[oh]) / p->rows.step * p->columns.taps +
                      (column - p->columns.origin[ow]) / p->columns.step);
    }
}

static void NAME(scan_row)(const NAME(max_task) * t, int64_t i)
{
    for (int64_t e = 0; e < t->p->columns.count * t->p->C; e++) {
        NAME(scan_window)(t, i, e / t->p->C, e % t->p->C);
    }
}

/* Items are rows of y. */
static void NAME(max_rows)(void *context, int64_t begin, int64_t end, int thread)
{
    const NAME(max_task) *t = context;
    NAME(max_scratch) s = NAME(scratch_of)(t, thread);
    for (int64_t i = 0; i < t->slots; i++) {
        s.held[i] = -1;
    }
    for (int64_t i = begin; i < end; i++) {
        if (t->method == BY_PIXELS) {
            NAME(pixels_of_row)(t, &s, i);
        } else if (t->method == BY_ROWS) {
            NAME(whole_row)(t, &s, i);
        } else {
            NAME(scan_row)(t, i);
        }
        if (t->wants_places && t->method != BY_SCAN) {
            NAME(keep)(t, i, s.at);
        }
    }
}

static cd_status NAME(max_pool)(void *y, cdk_places places, int64_t *index, const void *x,
                                const cdk_pooling *p, cd_error *err)
{
    NAME(max_task) t = {.p = p, .method = method_for(p), .y = y, .x = x, .places = places, .index = index};
    t.wants_places = places.place != NULL || index != NULL;
    CD_TRY(NAME(max_memory)(&t, err));
    const int64_t work = p->columns.count * p->C * all_taps(p);
    cd_parallel_for(p->N * p->rows.count, 4 * GRAIN / (work + 1) + 1, NAME(max_rows), &t);
    cd_memory_free(t.tap_offset);
    return CD_OK;
}

/* ---- gradient ---- */

typedef struct {
    const cdk_pooling *p;
    T *dx;
    const T *dy;
    cdk_places places;
    int64_t bands;                       /* of an image */
    const int64_t *tap_offset, *tap_row; /* per tap: elements and rows of x from the window's origin */
    const int64_t *origin;               /* per element of a row of y: elements of x from the row's start */
    pool_cover rows, columns;
    char *scratch;
    size_t scratch_bytes;
} NAME(max_gradient_task);

/* Output rows of one image scatter their gradients, in order. */
static void NAME(scatter_row)(const NAME(max_gradient_task) * t, T *restrict dx, int64_t i)
{
    const int64_t row = t->p->columns.count * t->p->C;
    const int64_t *origin = t->origin, *offset = t->tap_offset;
    const uint8_t *bytes = (const uint8_t *)t->places.place + i * row;
    const int32_t *words = (const int32_t *)t->places.place + i * row;
    const T *dy = t->dy + i * row;
    if (t->places.size == 1) {
        for (int64_t e = 0; e < row; e++) {
            dx[origin[e] + offset[bytes[e]]] += dy[e];
        }
    } else {
        for (int64_t e = 0; e < row; e++) {
            dx[origin[e] + offset[words[e]]] += dy[e];
        }
    }
}

/* The same for rows low .. high - 1 of the image alone, h being the origin's. */
static void NAME(scatter_part)(const NAME(max_gradient_task) * t, T *restrict dx, int64_t i, int64_t low,
                               int64_t high)
{
    const int64_t row = t->p->columns.count * t->p->C;
    const uint8_t *bytes = (const uint8_t *)t->places.place + i * row;
    const int32_t *words = (const int32_t *)t->places.place + i * row;
    for (int64_t e = 0; e < row; e++) {
        const int64_t place = t->places.size == 1 ? bytes[e] : words[e];
        if (t->tap_row[place] >= low && t->tap_row[place] < high) {
            dx[t->origin[e] + t->tap_offset[place]] += t->dy[i * row + e];
        }
    }
}

/* Items are bands of images. */
static void NAME(scatter_bands)(void *context, int64_t begin, int64_t end, int thread)
{
    const NAME(max_gradient_task) *t = context;
    const cdk_pooling *p = t->p;
    (void)thread;
    for (int64_t item = begin; item < end; item++) {
        const int64_t n = item / t->bands, band = item % t->bands;
        const int64_t low = p->H * band / t->bands, high = p->H * (band + 1) / t->bands;
        T *dx = t->dx + n * p->H * p->W * p->C;
        memset(dx + low * p->W * p->C, 0, (size_t)((high - low) * p->W * p->C) * sizeof(T));
        for (int64_t oh = 0; oh < p->rows.count; oh++) {
            const int64_t h = p->rows.origin[oh], i = n * p->rows.count + oh;
            T *base = dx + h * p->W * p->C;
            if (p->rows.first[oh] >= low && p->rows.end[oh] <= high) {
                NAME(scatter_row)(t, base, i);
            } else if (p->rows.first[oh] < high && p->rows.end[oh] > low) {
                NAME(scatter_part)(t, base, i, low - h, high - h);
            }
        }
    }
}

static cd_status NAME(scatter)(NAME(max_gradient_task) * t, cd_error *err)
{
    const cdk_pooling *p = t->p;
    const int64_t taps = all_taps(p), row = p->columns.count * p->C;
    void *block;
    CD_TRY(cd_memory_alloc(&block, (size_t)(2 * taps + row) * sizeof(int64_t), err));
    int64_t *offset = block, *tap_row = offset + taps, *origin = tap_row + taps;
    for (int64_t k = 0; k < taps; k++) {
        tap_row[k] = k / p->columns.taps * p->rows.step;
        offset[k] = (tap_row[k] * p->W + k % p->columns.taps * p->columns.step) * p->C;
    }
    for (int64_t e = 0; e < row; e++) {
        origin[e] = p->columns.origin[e / p->C] * p->C + e % p->C;
    }
    t->tap_offset = offset;
    t->tap_row = tap_row;
    t->origin = origin;
    t->bands = p->N >= 32 ? 1 : cdk_max(1, p->H / BAND_ROWS);
    cd_parallel_for(p->N * t->bands, GRAIN * t->bands / (p->H * p->W * p->C + 1) + 1, NAME(scatter_bands), t);
    cd_memory_free(block);
    return CD_OK;
}

/* Pixels of many channels choose from the outputs whose windows they are in. */
typedef struct {
    const void **dy, **place; /* [most] rows */
    int64_t *held;            /* [most]: which row of y is there */
    T *base;                  /* [most] */
    T *row;                   /* [most][a row of y]: places as T */
} NAME(choice_scratch);

static NAME(choice_scratch) NAME(choices_of)(const NAME(max_gradient_task) * t, int thread)
{
    const int64_t most = t->rows.most;
    NAME(choice_scratch) s;
    s.dy = (void *)(t->scratch + (size_t)thread * t->scratch_bytes);
    s.place = s.dy + most;
    s.held = (int64_t *)(s.place + most);
    s.base = (T *)(s.held + most);
    s.row = s.base + most;
    for (int64_t i = 0; i < most; i++) {
        s.held[i] = -1;
    }
    return s;
}

/* The places of row i of y. */
static const T *NAME(places_of_row)(const NAME(max_gradient_task) * t, NAME(choice_scratch) * s, int64_t i)
{
    const int64_t row = t->p->columns.count * t->p->C, slot = i % t->rows.most;
    T *to = s->row + slot * row;
    if (s->held[slot] != i) {
        LOOP(read_places)(to, t->places.place, t->places.size, i * row, row);
        s->held[slot] = i;
    }
    return to;
}

/* Items are rows of x. */
static void NAME(choose_rows)(void *context, int64_t begin, int64_t end, int thread)
{
    const NAME(max_gradient_task) *t = context;
    const cdk_pooling *p = t->p;
    NAME(choice_scratch) s = NAME(choices_of)(t, thread);
    for (int64_t item = begin; item < end; item++) {
        const int64_t n = item / p->H, h = item % p->H;
        pool_choices k = {0, p->C, s.dy, s.place, s.base, t->columns.start, t->columns.list};
        for (int64_t r = t->rows.start[h]; r < t->rows.start[h + 1]; r++, k.rows++) {
            const int64_t i = n * p->rows.count + t->rows.list[r].output;
            s.dy[k.rows] = t->dy + i * p->columns.count * p->C;
            s.place[k.rows] = NAME(places_of_row)(t, &s, i);
            s.base[k.rows] = (T)(t->rows.list[r].tap * p->columns.taps);
        }
        LOOP(sum_chosen)(t->dx + item * p->W * p->C, &k, p->W);
    }
}

static cd_status NAME(choose)(NAME(max_gradient_task) * t, cd_error *err)
{
    const cdk_pooling *p = t->p;
    const int64_t most = t->rows.most, row = p->columns.count * p->C;
    void *block;
    const int64_t bytes = 3 * most * 8 + most * (1 + row) * (int64_t)sizeof(T);
    t->scratch_bytes = (size_t)cdk_round_up(bytes, 64);
    CD_TRY(cd_memory_alloc(&block, t->scratch_bytes * (size_t)cd_threads(), err));
    t->scratch = block;
    cd_parallel_for(p->N * p->H, GRAIN / (p->W * p->C) + 1, NAME(choose_rows), t);
    cd_memory_free(block);
    return CD_OK;
}

static cd_status NAME(max_pool_gradient)(void *dx, const void *dy, cdk_places places, const cdk_pooling *p,
                                         cd_error *err)
{
    NAME(max_gradient_task) t = {.p = p, .dx = dx, .dy = dy, .places = places};
    if (p->C < WIDE_CHANNELS || all_taps(p) > MOST_TAPS) {
        return NAME(scatter)(&t, err);
    }
    CD_TRY(make_cover(&t.rows, &p->rows, p->H, err));
    cd_status status = make_cover(&t.columns, &p->columns, p->W, err);
    if (status == CD_OK) {
        status = NAME(choose)(&t, err);
        cd_memory_free(t.columns.start);
    }
    cd_memory_free(t.rows.start);
    return status;
}
