/* The focal loss (kernels/focal.h) for one float type: included by softmax.c after labelled_template.h. */

typedef struct {
    cdk_vectors shape;
    const cdk_focal_options *options;
    const T *x, *dy;
    T *out;          /* forward: losses or NULL; backward: dx */
    double *partial; /* [pieces][3][D] */
    const double *dtotals;
    T *scratch;
} NAME(focal_task);

/* What is computed of a block, each [D][BLOCK]. */
typedef struct {
    T *sign; /* 1 where the truth is yes, -1 where it is no, 0 where it does not count */
    T *ce, *rest, *term, *pt;
} NAME(focal_block);

enum { NAME(FOCAL_ARRAYS) = 5 };

static NAME(focal_block) NAME(focal_block_of)(const NAME(labelled_block) * b, cdk_vectors shape)
{
    return (NAME(focal_block)){.sign = NAME(behind)(b, shape, 0),
                               .ce = NAME(behind)(b, shape, 1),
                               .rest = NAME(behind)(b, shape, 2),
                               .term = NAME(behind)(b, shape, 3),
                               .pt = NAME(behind)(b, shape, 4)};
}

static void NAME(find_signs)(T *sign, const NAME(focal_task) * t, const NAME(labelled_block) * b)
{
    bool classes = t->options->truth.target != NULL;
    for (int64_t i = 0; i < t->shape.D * BLOCK; i++) {
        T counts = b->counts[classes ? i % BLOCK : i];
        sign[i] = classes || b->truth[i] < (T)0.5 ? -counts : counts;
    }
    for (int64_t j = 0; j < b->count && classes; j++) {
        if (b->counts[j] != 0) {
            sign[(b->target[j] - 1) * BLOCK + j] = 1;
        }
    }
}

/* From b->x, which becomes signed. */
static void NAME(focal_parts)(NAME(focal_block) * f, const NAME(focal_task) * t,
                              const NAME(labelled_block) * b)
{
    const cdk_focal_options *o = t->options;
    int64_t n = t->shape.D * BLOCK;
    NAME(find_signs)(f->sign, t, b);
    for (int64_t i = 0; i < n; i++) {
        b->x[i] *= f->sign[i];
    }
    LOOP(signed_entropies)(f->ce, f->rest, b->x, n);
    LOOP(exponentials)(f->term, f->rest, -o->gamma, n);
    LOOP(exponentials)(f->pt, f->ce, -1, n);
    if (o->threshold >= 0) {
        T scale = (T)pow(o->threshold, -o->gamma);
        for (int64_t i = 0; i < n; i++) {
            f->term[i] = f->pt[i] < (T)o->threshold ? 1 : f->term[i] * scale;
        }
    }
}

static T NAME(focal_factor)(const cdk_focal_options *o, T sign)
{
    return o->alpha < 0 ? sign * sign : sign > 0 ? (T)o->alpha : sign < 0 ? (T)(1 - o->alpha) : 0;
}

static void NAME(add_focal)(double *totals, const NAME(focal_task) * t, NAME(focal_block) * f)
{
    int64_t D = t->shape.D;
    for (int64_t d = 0; d < D; d++) {
        const T *sign = f->sign + d * BLOCK, *term = f->term + d * BLOCK;
        T *loss = f->ce + d * BLOCK;
        for (int64_t j = 0; j < BLOCK; j++) {
            loss[j] *= NAME(focal_factor)(t->options, sign[j]) * term[j];
            totals[d] += (double)loss[j];
            totals[D + d] += sign[j] != 0 ? (double)term[j] : 0;
            totals[2 * D + d] += sign[j] != 0;
        }
    }
}

static void NAME(focal_pieces)(void *context, int64_t begin, int64_t end, int thread)
{
    NAME(focal_task) *t = context;
    NAME(labelled_block) b = NAME(labelled_block_at)(t->scratch, t->shape, NAME(FOCAL_ARRAYS), thread);
    NAME(focal_block) f = NAME(focal_block_of)(&b, t->shape);
    for (int64_t i = begin; i < end; i++) {
        vector_piece piece = piece_at(t->shape, t->options->truth.images, i);
        double *totals = t->partial + i * 3 * t->shape.D;
        memset(totals, 0, (size_t)(3 * t->shape.D) * sizeof *totals);
        for (int64_t first = piece.first; first < piece.end; first += BLOCK) {
            int64_t count = NAME(block_end)(piece, first);
            NAME(gather)(b.x, t->x, t->shape, first, count);
            NAME(fetch_truth)(&b, &t->options->truth, t->shape, first, count);
            NAME(focal_parts)(&f, t, &b);
            NAME(add_focal)(totals, t, &f);
            if (t->out != NULL) {
                NAME(scatter)(t->out, f.ce, t->shape, first, count);
            }
        }
    }
}

static cd_status NAME(focal)(double *totals, void *losses, const void *x, cdk_vectors shape,
                             const cdk_focal_options *options, cd_error *err)
{
    NAME(focal_task) t = {.shape = shape, .options = options, .x = x, .out = losses};
    int64_t pieces = options->truth.images * pieces_of_image(shape, options->truth.images);
    void *partial;
    size_t bytes;
    CD_TRY(cd_memory_size(&bytes, (size_t)(3 * pieces), (size_t)shape.D, sizeof *t.partial, err));
    CD_TRY(cd_memory_alloc(&partial, bytes, err));
    t.partial = partial;
    cd_status status = NAME(labelled_scratch)(&t.scratch, shape, NAME(FOCAL_ARRAYS), err);
    if (status == CD_OK) {
        cd_parallel_for(pieces, 1, NAME(focal_pieces), &t);
        memset(totals, 0, (size_t)(3 * shape.D) * sizeof *totals);
        for (int64_t i = 0; i < pieces * 3 * shape.D; i++) {
            totals[i % (3 * shape.D)] += t.partial[i];
        }
        cd_memory_free(t.scratch);
    }
    cd_memory_free(partial);
    return status;
}

/* f->rest becomes dx; dy is that of the block, or NULL. With s the signed logit: dpt/ds = pt (1 - pt), so
 * that dterm/ds = -gamma pt term, 0 below the threshold, and dce/ds = -(1 - pt). */
static void NAME(focal_slope)(NAME(focal_block) * f, const NAME(focal_task) * t, const T *dy)
{
    const cdk_focal_options *o = t->options;
    const T gamma = (T)o->gamma, threshold = (T)(o->threshold < 0 ? 0 : o->threshold);
    const double *totals = dy == NULL ? t->dtotals : NULL;
    for (int64_t i = 0; i < t->shape.D * BLOCK; i++) {
        T pt = f->pt[i], sign = f->sign[i];
        T of_loss = totals != NULL ? (T)totals[i / BLOCK] : 0,
          of_term = totals != NULL ? (T)totals[t->shape.D + i / BLOCK] : 0;
        T dterm = pt < threshold ? 0 : -gamma * pt * f->term[i];
        T dloss = NAME(focal_factor)(o, sign) * (dterm * f->ce[i] - f->term[i] * f->rest[i]);
        f->rest[i] = sign * (dy != NULL ? dy[i] * dloss : of_loss * dloss + of_term * dterm);
    }
}

static void NAME(focal_gradient_pieces)(void *context, int64_t begin, int64_t end, int thread)
{
    NAME(focal_task) *t = context;
    NAME(labelled_block) b = NAME(labelled_block_at)(t->scratch, t->shape, NAME(FOCAL_ARRAYS), thread);
    NAME(focal_block) f = NAME(focal_block_of)(&b, t->shape);
    for (int64_t i = begin; i < end; i++) {
        vector_piece piece = piece_at(t->shape, t->options->truth.images, i);
        for (int64_t first = piece.first; first < piece.end; first += BLOCK) {
            int64_t count = NAME(block_end)(piece, first);
            NAME(gather)(b.x, t->x, t->shape, first, count);
            NAME(fetch_truth)(&b, &t->options->truth, t->shape, first, count);
            NAME(focal_parts)(&f, t, &b);
            /* 1 - pt; the block of logits has been read, and is free for dy. */
            LOOP(exponentials)(b.x, f.rest, -1, t->shape.D * BLOCK);
            memcpy(f.rest, b.x, (size_t)(t->shape.D * BLOCK) * sizeof *f.rest);
            if (t->dy != NULL) {
                NAME(gather)(b.x, t->dy, t->shape, first, count);
            }
            NAME(focal_slope)(&f, t, t->dy != NULL ? b.x : NULL);
            NAME(scatter)(t->out, f.rest, t->shape, first, count);
        }
    }
}

static cd_status NAME(focal_gradient)(void *dx, const void *dy, const double *dtotals, const void *x,
                                      cdk_vectors shape, const cdk_focal_options *options, cd_error *err)
{
    NAME(focal_task)
    t = {.shape = shape, .options = options, .x = x, .dy = dy, .out = dx, .dtotals = dtotals};
    CD_TRY(NAME(labelled_scratch)(&t.scratch, shape, NAME(FOCAL_ARRAYS), err));
    cd_parallel_for(options->truth.images * pieces_of_image(shape, options->truth.images), 1,
                    NAME(focal_gradient_pieces), &t);
    cd_memory_free(t.scratch);
    return CD_OK;
}
