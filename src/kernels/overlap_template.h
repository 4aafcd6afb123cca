/* Overlaps (kernels/overlap.h) for one float type: included by softmax.c after labelled_template.h. */

typedef struct {
    cdk_vectors shape;
    const cdk_labelled *truth;
    bool logits;
    const T *x;
    T *out;              /* forward: p or NULL; backward: dx */
    const double *dsums; /* [2][images][D] */
    double *partial;     /* [pieces][3][D] */
    T *scratch;
} NAME(overlap_task);

/* The probabilities of a block, in b->x or behind it. */
static T *NAME(block_probabilities)(const NAME(overlap_task) * t, NAME(labelled_block) * b)
{
    T *p = NAME(behind)(b, t->shape, 0);
    if (!t->logits) {
        return b->x;
    }
    NAME(softmax_block)(p, b->x, t->shape.D);
    return p;
}

static void NAME(add_overlaps)(double *sums, const NAME(overlap_task) * t, const NAME(labelled_block) * b,
                               const T *p)
{
    int64_t D = t->shape.D;
    if (t->truth->target == NULL) {
        LOOP(row_products)(sums, p, b->truth, D, BLOCK);
        LOOP(row_products)(sums + D, p, b->counts, D, BLOCK);
        LOOP(row_products)(sums + 2 * D, b->truth, b->counts, D, BLOCK);
        return;
    }
    LOOP(row_products)(sums + D, p, b->counts, D, 0);
    for (int64_t j = 0; j < b->count; j++) {
        if (b->counts[j] != 0) {
            int64_t d = b->target[j] - 1;
            sums[d] += (double)p[d * BLOCK + j];
            sums[2 * D + d] += 1;
        }
    }
}

static void NAME(overlap_pieces)(void *context, int64_t begin, int64_t end, int thread)
{
    NAME(overlap_task) *t = context;
    NAME(labelled_block) b = NAME(labelled_block_at)(t->scratch, t->shape, 1, thread);
    for (int64_t i = begin; i < end; i++) {
        vector_piece piece = piece_at(t->shape, t->truth->images, i);
        double *sums = t->partial + i * 3 * t->shape.D;
        memset(sums, 0, (size_t)(3 * t->shape.D) * sizeof *sums);
        for (int64_t first = piece.first; first < piece.end; first += BLOCK) {
            int64_t count = NAME(block_end)(piece, first);
            NAME(gather)(b.x, t->x, t->shape, first, count);
            NAME(fetch_truth)(&b, t->truth, t->shape, first, count);
            const T *p = NAME(block_probabilities)(t, &b);
            if (t->out != NULL) {
                NAME(scatter)(t->out, p, t->shape, first, count);
            }
            NAME(add_overlaps)(sums, t, &b, p);
        }
    }
}

/* sums[3][images][D] from those of the pieces. */
static void NAME(join_overlaps)(double *sums, const NAME(overlap_task) * t, int64_t pieces)
{
    int64_t D = t->shape.D, images = t->truth->images;
    memset(sums, 0, (size_t)(3 * images * D) * sizeof *sums);
    for (int64_t i = 0; i < images * pieces; i++) {
        for (int64_t k = 0; k < 3 * D; k++) {
            sums[(k / D * images + i / pieces) * D + k % D] += t->partial[i * 3 * D + k];
        }
    }
}

static cd_status NAME(overlap)(double *sums, void *p, const void *x, bool logits, cdk_vectors shape,
                               const cdk_labelled *truth, cd_error *err)
{
    NAME(overlap_task)
    t = {.shape = shape, .truth = truth, .logits = logits, .x = x, .out = logits ? p : NULL};
    int64_t pieces = pieces_of_image(shape, truth->images);
    void *partial;
    size_t bytes;
    CD_TRY(
        cd_memory_size(&bytes, (size_t)(3 * truth->images * pieces), (size_t)shape.D, sizeof(double), err));
    CD_TRY(cd_memory_alloc(&partial, bytes, err));
    t.partial = partial;
    cd_status status = NAME(labelled_scratch)(&t.scratch, shape, 1, err);
    if (status == CD_OK) {
        cd_parallel_for(truth->images * pieces, 1, NAME(overlap_pieces), &t);
        NAME(join_overlaps)(sums, &t, pieces);
        cd_memory_free(t.scratch);
    }
    cd_memory_free(partial);
    return status;
}

/* dp of a block, where dsums of its image are those of both, and images * D further on those of predicted. */
static void NAME(overlap_slope)(T *dp, const NAME(overlap_task) * t, const NAME(labelled_block) * b,
                                const double *dboth)
{
    int64_t D = t->shape.D;
    const double *dpredicted = dboth + t->truth->images * D;
    bool classes = t->truth->target != NULL;
    for (int64_t d = 0; d < D; d++) {
        const T *counts = b->counts + (classes ? 0 : d * BLOCK), *truth = b->truth + d * BLOCK;
        const T same = (T)dpredicted[d], more = (T)dboth[d];
        for (int64_t j = 0; j < BLOCK; j++) {
            dp[d * BLOCK + j] = counts[j] * (classes ? same : same + more * truth[j]);
        }
    }
    for (int64_t j = 0; j < b->count && classes; j++) {
        if (b->counts[j] != 0) {
            dp[(b->target[j] - 1) * BLOCK + j] += (T)dboth[b->target[j] - 1];
        }
    }
}

static void NAME(overlap_gradient_pieces)(void *context, int64_t begin, int64_t end, int thread)
{
    NAME(overlap_task) *t = context;
    NAME(labelled_block) b = NAME(labelled_block_at)(t->scratch, t->shape, 1, thread);
    T *dp = NAME(behind)(&b, t->shape, 0);
    for (int64_t i = begin; i < end; i++) {
        vector_piece piece = piece_at(t->shape, t->truth->images, i);
        for (int64_t first = piece.first; first < piece.end; first += BLOCK) {
            int64_t count = NAME(block_end)(piece, first);
            NAME(fetch_truth)(&b, t->truth, t->shape, first, count);
            NAME(overlap_slope)(dp, t, &b, t->dsums + piece.image * t->shape.D);
            if (t->logits) {
                NAME(gather)(b.x, t->x, t->shape, first, count);
                LOOP(softmax_gradient_block)(dp, b.x, t->shape.D);
            }
            NAME(scatter)(t->out, dp, t->shape, first, count);
        }
    }
}

static cd_status NAME(overlap_gradient)(void *dx, const double *dsums, const void *p, bool logits,
                                        cdk_vectors shape, const cdk_labelled *truth, cd_error *err)
{
    NAME(overlap_task)
    t = {.shape = shape, .truth = truth, .logits = logits, .x = p, .out = dx, .dsums = dsums};
    CD_TRY(NAME(labelled_scratch)(&t.scratch, shape, 1, err));
    cd_parallel_for(truth->images * pieces_of_image(shape, truth->images), 1, NAME(overlap_gradient_pieces),
                    &t);
    cd_memory_free(t.scratch);
    return CD_OK;
}
