/* Bilinear resizing row by row, for one type of pixels: included by interpolate.c with T, the type computed
 * in, S, the type read, READ, which turns one into the other, NAME, LOOP(name), the loop of
 * kernels/bilinear_loops.h for T, and STRETCH_WIDE, the function that stretches pixels of many channels. */

/* y[w][c] = weight[w][0] x[index[w][0]][c] + weight[w][1] x[index[w][1]][c]; inlined below with C known. */
static inline CDK_ALWAYS_INLINE void NAME(stretch_pixels)(T *restrict y, const S *restrict x,
                                                          const cdk_resize_taps *columns, int64_t C)
{
    const int64_t *index = columns->index;
    const double *weight = columns->weight;
    for (int64_t w = 0; w < columns->count; w++, y += C, index += 2, weight += 2) {
        const S *left = x + index[0] * C, *right = x + index[1] * C;
        T share_left = (T)weight[0], share_right = (T)weight[1];
        for (int64_t c = 0; c < C; c++) {
            y[c] = share_left * READ(left[c]) + share_right * READ(right[c]);
        }
    }
}

static void NAME(stretch_row)(T *y, const S *x, const cdk_resize_taps *columns, int64_t C)
{
    if (C == 3) {
        NAME(stretch_pixels)(y, x, columns, 3);
    } else if (C == 1) {
        NAME(stretch_pixels)(y, x, columns, 1);
    } else {
        STRETCH_WIDE(y, x, columns, C);
    }
}

typedef struct {
    T *out;
    const S *in;
    const cdk_resizing *r;
    T *scratch; /* two rows for each thread */
    bool streams;
} NAME(bilinear_task);

/* The last two rows that were stretched: neighbouring outputs often share them. */
typedef struct {
    T *row[2];
    const S *source[2];
} NAME(stretched);

static int NAME(slot_of)(NAME(stretched) * s, const S *source, int other, const cdk_resizing *r)
{
    for (int k = 0; k < 2; k++) {
        if (s->source[k] == source) {
            return k;
        }
    }
    int slot = other == 0 ? 1 : 0;
    NAME(stretch_row)(s->row[slot], source, &r->columns, r->C);
    s->source[slot] = source;
    return slot;
}

/* A row of y, piece by piece where it is written past the caches. */
static void NAME(blend_row)(const NAME(bilinear_task) * t, T *y, const T *upper, const T *lower,
                            const T *share)
{
    T piece[CDK_STREAM_PIECE / sizeof(T)];
    const int64_t length = t->r->columns.count * t->r->C;
    const int64_t step = t->streams ? (int64_t)(sizeof piece / sizeof *piece) : length;
    for (int64_t i = 0; i < length; i += step) {
        const int64_t n = length - i < step ? length - i : step;
        LOOP(blend)(t->streams ? piece : y + i, upper + i, lower + i, share[0], share[1], n);
        if (t->streams) {
            cdk_move_out(y + i, piece, n * (int64_t)sizeof(T));
        }
    }
}

static void NAME(bilinear_rows)(void *context, int64_t begin, int64_t end, int thread)
{
    const NAME(bilinear_task) *t = context;
    const cdk_resizing *r = t->r;
    int64_t rows = r->rows.count, length = r->columns.count * r->C, row = r->W * r->C;
    T *scratch = t->scratch + 2 * length * thread;
    NAME(stretched) s = {{scratch, scratch + length}, {NULL, NULL}};
    for (int64_t i = begin; i < end; i++) {
        const S *x = t->in + i / rows * r->H * row;
        const int64_t *index = r->rows.index + 2 * (i % rows);
        const double *weight = r->rows.weight + 2 * (i % rows);
        const S *upper = x + index[0] * row, *lower = x + index[1] * row;
        int keep = s.source[1] == lower ? 1 : 0;
        int a = NAME(slot_of)(&s, upper, keep, r), b = NAME(slot_of)(&s, lower, a, r);
        const T share[] = {(T)weight[0], (T)weight[1]};
        NAME(blend_row)(t, t->out + i * length, s.row[a], s.row[b], share);
    }
}

static void NAME(bilinear)(void *y, const void *x, const cdk_resizing *r, void *scratch)
{
    NAME(bilinear_task) t = {y, x, r, scratch, false};
    t.streams = cdk_streams(r->planes * r->rows.count * r->columns.count * r->C * (int64_t)sizeof(T));
    cd_parallel_for(r->planes * r->rows.count, CDK_RESIZE_GRAIN / (r->columns.count * r->C) + 1,
                    NAME(bilinear_rows), &t);
}
