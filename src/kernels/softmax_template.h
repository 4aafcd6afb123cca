/* Softmax and cross entropy for one float type: included by softmax.c with T, NAME(name) and LOOP(name), the
 * loop of kernels/softmax_loops.h for this type.
 *
 * A block holds BLOCK vectors transposed, block[d][j]; a short last block is filled up with zeros. */

/* Do the vectors first .. first + count - 1 lie in one run of s.inner? Then each
 * of their elements is a row. */
static bool NAME(is_run)(cdk_vectors s, int64_t first, int64_t count)
{
    return first / s.inner == (first + count - 1) / s.inner;
}

/* block[d][j] = v[j][d] */
static void NAME(gather_rows)(T *restrict block, const T *restrict v, int64_t D, int64_t count)
{
    for (int64_t d = 0; d < D; d++) {
        for (int64_t j = 0; j < count; j++) {
            block[d * BLOCK + j] = v[j * D + d];
        }
    }
}

static void NAME(scatter_rows)(T *restrict v, const T *restrict block, int64_t D, int64_t count)
{
    for (int64_t j = 0; j < count; j++) {
        for (int64_t d = 0; d < D; d++) {
            v[j * D + d] = block[d * BLOCK + j];
        }
    }
}

static void NAME(gather)(T *block, const T *x, cdk_vectors s, int64_t first, int64_t count)
{
    if (count < BLOCK) {
        memset(block, 0, (size_t)(s.D * BLOCK) * sizeof *block);
    }
    if (s.inner == 1) {
        NAME(gather_rows)(block, x + first * s.D, s.D, count);
        return;
    }
    if (NAME(is_run)(s, first, count)) {
        const T *v = x + vector_start(s, first);
        for (int64_t d = 0; d < s.D; d++) {
            memcpy(block + d * BLOCK, v + d * s.inner, (size_t)count * sizeof *block);
        }
        return;
    }
    for (int64_t j = 0; j < count; j++) {
        const T *v = x + vector_start(s, first + j);
        for (int64_t d = 0; d < s.D; d++) {
            block[d * BLOCK + j] = v[d * s.inner];
        }
    }
}

static void NAME(scatter)(T *y, const T *block, cdk_vectors s, int64_t first, int64_t count)
{
    if (s.inner == 1) {
        NAME(scatter_rows)(y + first * s.D, block, s.D, count);
        return;
    }
    if (NAME(is_run)(s, first, count)) {
        T *v = y + vector_start(s, first);
        for (int64_t d = 0; d < s.D; d++) {
            memcpy(v + d * s.inner, block + d * BLOCK, (size_t)count * sizeof *block);
        }
        return;
    }
    for (int64_t j = 0; j < count; j++) {
        T *v = y + vector_start(s, first + j);
        for (int64_t d = 0; d < s.D; d++) {
            v[d * s.inner] = block[d * BLOCK + j];
        }
    }
}

/* Logarithms of the softmax of a block, in place; p is for its use. */
static void NAME(log_softmax_block)(T *block, T *p, int64_t D)
{
    T sum[BLOCK];
    LOOP(exponentials_and_sum)(p, block, sum, D);
    LOOP(logarithms)(sum, sum);
    LOOP(subtract)(block, sum, D);
}

/* p = the softmax of a block, which changes. */
static void NAME(softmax_block)(T *p, T *block, int64_t D)
{
    T sum[BLOCK], ones[BLOCK];
    for (int j = 0; j < BLOCK; j++) {
        ones[j] = 1;
    }
    LOOP(exponentials_and_sum)(p, block, sum, D);
    LOOP(multiply)(p, ones, sum, D);
}

typedef struct {
    cdk_vectors shape;
    bool logarithm;
    const T *x, *dy;
    T *out, *losses;
    T *scratch;      /* 2 blocks for each thread */
    double *partial; /* per block */
    const cdk_cross_entropy_options *options;
} NAME(softmax_task);

static T *NAME(scratch_of)(const NAME(softmax_task) * t, int thread)
{
    return t->scratch + thread * 2 * t->shape.D * BLOCK;
}

static cd_status NAME(softmax_scratch)(NAME(softmax_task) * t, cd_error *err)
{
    void *block;
    size_t bytes;
    CD_TRY(cd_memory_size(&bytes, (size_t)cd_threads() * 2 * BLOCK, (size_t)t->shape.D, sizeof(T), err));
    CD_TRY(cd_memory_alloc(&block, bytes, err));
    t->scratch = block;
    return CD_OK;
}

static void NAME(softmax_blocks)(void *context, int64_t begin, int64_t end, int thread)
{
    NAME(softmax_task) *t = context;
    T *block = NAME(scratch_of)(t, thread), *p = block + t->shape.D * BLOCK;
    for (int64_t b = begin; b < end; b++) {
        int64_t count = block_size(t->shape, b);
        NAME(gather)(block, t->x, t->shape, b * BLOCK, count);
        if (t->logarithm) {
            NAME(log_softmax_block)(block, p, t->shape.D);
        } else {
            NAME(softmax_block)(p, block, t->shape.D);
        }
        NAME(scatter)(t->out, t->logarithm ? block : p, t->shape, b * BLOCK, count);
    }
}

/* The vectors of blocks begin .. end - 1, run by run. */
static void NAME(softmax_strips)(void *context, int64_t begin, int64_t end, int thread)
{
    NAME(softmax_task) *t = context;
    const cdk_vectors s = t->shape;
    const int64_t all = s.outer * s.inner, last = end * BLOCK < all ? end * BLOCK : all;
    (void)thread;
    for (int64_t first = begin * BLOCK, n; first < last; first += n) {
        const int64_t at = vector_start(s, first);
        n = run_length(s, first, last);
        LOOP(softmax_run)(t->out + at, t->x + at, s.D, s.inner, t->logarithm, n);
    }
}

static cd_status NAME(softmax)(void *y, const void *x, cdk_vectors shape, bool logarithm, cd_error *err)
{
    NAME(softmax_task) t = {.shape = shape, .logarithm = logarithm, .x = x, .out = y};
    if (is_strip(shape)) {
        cd_parallel_for(block_count(shape), 64, NAME(softmax_strips), &t);
        return CD_OK;
    }
    CD_TRY(NAME(softmax_scratch)(&t, err));
    cd_parallel_for(block_count(shape), 64, NAME(softmax_blocks), &t);
    cd_memory_free(t.scratch);
    return CD_OK;
}

static void NAME(gradient_blocks)(void *context, int64_t begin, int64_t end, int thread)
{
    NAME(softmax_task) *t = context;
    T *y = NAME(scratch_of)(t, thread), *dy = y + t->shape.D * BLOCK;
    for (int64_t b = begin; b < end; b++) {
        int64_t count = block_size(t->shape, b);
        NAME(gather)(y, t->x, t->shape, b * BLOCK, count);
        NAME(gather)(dy, t->dy, t->shape, b * BLOCK, count);
        if (t->logarithm) {
            LOOP(log_softmax_gradient_block)(dy, y, t->shape.D);
        } else {
            LOOP(softmax_gradient_block)(dy, y, t->shape.D);
        }
        NAME(scatter)(t->out, dy, t->shape, b * BLOCK, count);
    }
}

static void NAME(gradient_strips)(void *context, int64_t begin, int64_t end, int thread)
{
    NAME(softmax_task) *t = context;
    const cdk_vectors s = t->shape;
    const int64_t all = s.outer * s.inner, last = end * BLOCK < all ? end * BLOCK : all;
    (void)thread;
    for (int64_t first = begin * BLOCK, n; first < last; first += n) {
        const int64_t at = vector_start(s, first);
        n = run_length(s, first, last);
        LOOP(softmax_gradient_run)(t->out + at, t->dy + at, t->x + at, s, t->logarithm, n);
    }
}

static cd_status NAME(softmax_gradient)(void *dx, const void *dy, const void *y, cdk_vectors shape,
                                        bool logarithm, cd_error *err)
{
    NAME(softmax_task) t = {.shape = shape, .logarithm = logarithm, .x = y, .dy = dy, .out = dx};
    if (is_strip(shape)) {
        cd_parallel_for(block_count(shape), 64, NAME(gradient_strips), &t);
        return CD_OK;
    }
    CD_TRY(NAME(softmax_scratch)(&t, err));
    cd_parallel_for(block_count(shape), 64, NAME(gradient_blocks), &t);
    cd_memory_free(t.scratch);
    return CD_OK;
}

/* Cross entropy. */

/* A block of logits less the largest of each vector; p and sum as above; the logarithms of the sums. Where
 * the input is logarithms already, log_sum is 0 and the rest is not there. */
typedef struct {
    T *x, *p;
    T sum[BLOCK], log_sum[BLOCK];
} NAME(classified);

static double NAME(class_weight)(const cdk_cross_entropy_options *o, int64_t d)
{
    return o->weight != NULL ? o->weight[d] : 1;
}

static double NAME(smoothed_loss)(const NAME(softmax_task) * t, const NAME(classified) * c, int64_t j)
{
    const cdk_cross_entropy_options *o = t->options;
    double loss = 0;
    for (int64_t d = 0; d < t->shape.D; d++) {
        loss += NAME(class_weight)(o, d) * (c->log_sum[j] - c->x[d * BLOCK + j]);
    }
    return loss * o->smoothing / (double)t->shape.D;
}

static double NAME(loss_of)(const NAME(softmax_task) * t, const NAME(classified) * c, int64_t j,
                            int64_t class)
{
    const cdk_cross_entropy_options *o = t->options;
    double loss =
        NAME(class_weight)(o, class) * (1 - o->smoothing) * (c->log_sum[j] - c->x[class * BLOCK + j]);
    return o->smoothing > 0 ? loss + NAME(smoothed_loss)(t, c, j) : loss;
}

static double NAME(block_losses)(const NAME(softmax_task) * t, const NAME(classified) * c, int64_t first,
                                 int64_t count)
{
    const int64_t *target = t->options->target + first;
    double sum = 0;
    for (int64_t j = 0; j < count; j++) {
        double loss = target[j] == t->options->ignore ? 0 : NAME(loss_of)(t, c, j, target[j] - 1);
        sum += loss;
        if (t->losses != NULL) {
            t->losses[first + j] = (T)loss;
        }
    }
    return sum;
}

/* What all classes together count in the loss of this one, times scale. */
static double NAME(factor_of)(const NAME(softmax_task) * t, int64_t class)
{
    const cdk_cross_entropy_options *o = t->options;
    double all = (1 - o->smoothing) * NAME(class_weight)(o, class);
    for (int64_t d = 0; d < t->shape.D && o->smoothing > 0; d++) {
        all += o->smoothing / (double)t->shape.D * NAME(class_weight)(o, d);
    }
    return all * o->scale;
}

static void NAME(probabilities)(const NAME(softmax_task) * t, NAME(classified) * c, int64_t first,
                                int64_t count)
{
    const cdk_cross_entropy_options *o = t->options;
    bool equal = o->weight == NULL;
    T factor[BLOCK];
    if (o->is_log) {
        memset(c->p, 0, (size_t)(t->shape.D * BLOCK) * sizeof(T));
        return;
    }
    for (int64_t j = 0; j < BLOCK; j++) {
        bool counts = j < count && !equal && o->target[first + j] != o->ignore;
        factor[j] = (T)(equal ? o->scale : counts ? NAME(factor_of)(t, o->target[first + j] - 1) : 0);
    }
    LOOP(multiply)(c->p, factor, c->sum, t->shape.D);
}

/* p becomes scale times the gradient of vector j's loss, sum_d v[d] (p - 1[d]), where v[d] is what -log p[d]
 * counts in it. Before, p is the probabilities times scale and the sum of v. */
static void NAME(gradient_of)(const NAME(softmax_task) * t, T *p, int64_t target)
{
    const cdk_cross_entropy_options *o = t->options;
    if (target == o->ignore) {
        for (int64_t d = 0; d < t->shape.D; d++) {
            p[d * BLOCK] = 0;
        }
        return;
    }
    double even = o->smoothing / (double)t->shape.D * o->scale;
    for (int64_t d = 0; d < t->shape.D && even > 0; d++) {
        p[d * BLOCK] -= (T)(even * NAME(class_weight)(o, d));
    }
    p[(target - 1) * BLOCK] -= (T)(o->scale * (1 - o->smoothing) * NAME(class_weight)(o, target - 1));
}

static void NAME(block_gradients)(const NAME(softmax_task) * t, NAME(classified) * c, int64_t first,
                                  int64_t count)
{
    NAME(probabilities)(t, c, first, count);
    for (int64_t j = 0; j < count; j++) {
        NAME(gradient_of)(t, c->p + j, t->options->target[first + j]);
    }
    NAME(scatter)(t->out, c->p, t->shape, first, count);
}

static void NAME(cross_entropy_block)(NAME(softmax_task) * t, int64_t b, NAME(classified) * c)
{
    int64_t first = b * BLOCK, count = block_size(t->shape, b);
    NAME(gather)(c->x, t->x, t->shape, first, count);
    if (!t->options->is_log) {
        LOOP(exponentials_and_sum)(c->p, c->x, c->sum, t->shape.D);
        LOOP(logarithms)(c->log_sum, c->sum);
    }
    t->partial[b] = NAME(block_losses)(t, c, first, count);
    if (t->out != NULL) {
        NAME(block_gradients)(t, c, first, count);
    }
}

static void NAME(cross_entropy_blocks)(void *context, int64_t begin, int64_t end, int thread)
{
    NAME(softmax_task) *t = context;
    T *scratch = NAME(scratch_of)(t, thread);
    NAME(classified) c = {.x = scratch, .p = scratch + t->shape.D * BLOCK, .log_sum = {0}};
    for (int64_t b = begin; b < end; b++) {
        NAME(cross_entropy_block)(t, b, &c);
    }
}

static cd_status NAME(cross_entropy)(double *total, void *losses, void *dx, const void *x, cdk_vectors shape,
                                     const cdk_cross_entropy_options *options, cd_error *err)
{
    NAME(softmax_task) t = {.shape = shape, .x = x, .out = dx, .losses = losses, .options = options};
    int64_t blocks = block_count(shape);
    void *partial;
    CD_TRY(cd_memory_alloc(&partial, (size_t)blocks * sizeof(double), err));
    t.partial = partial;
    cd_status status = NAME(softmax_scratch)(&t, err);
    if (status == CD_OK) {
        cd_parallel_for(blocks, 64, NAME(cross_entropy_blocks), &t);
        *total = 0;
        for (int64_t b = 0; b < blocks; b++) {
            *total += t.partial[b];
        }
        cd_memory_free(t.scratch);
    }
    cd_memory_free(partial);
    return status;
}
