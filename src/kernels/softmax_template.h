/* Softmax and cross entropy for one float type: included by softmax.c with T, NAME, BODY, LEVELS, EXP, LOG.
 *
 * A block holds BLOCK vectors transposed, block[d][j]; a short last block is filled up with zeros. */

static void NAME(gather)(T *block, const T *x, cdk_vectors s, int64_t first, int64_t count)
{
    if (count < BLOCK) {
        memset(block, 0, (size_t)(s.D * BLOCK) * sizeof *block);
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
    for (int64_t j = 0; j < count; j++) {
        T *v = y + vector_start(s, first + j);
        for (int64_t d = 0; d < s.D; d++) {
            v[d * s.inner] = block[d * BLOCK + j];
        }
    }
}

/* block -= the largest of each vector; sum[j] = sum of the exponentials. */
CDK_INLINE void BODY(shift_and_sum)(T *block, T *sum, int64_t D)
{
    T top[BLOCK];
    for (int j = 0; j < BLOCK; j++) {
        top[j] = block[j];
        sum[j] = 0;
    }
    for (int64_t d = 1; d < D; d++) {
        for (int j = 0; j < BLOCK; j++) {
            T x = block[d * BLOCK + j];
            top[j] = x > top[j] ? x : top[j];
        }
    }
    for (int64_t d = 0; d < D; d++) {
        for (int j = 0; j < BLOCK; j++) {
            T x = block[d * BLOCK + j] - top[j];
            block[d * BLOCK + j] = x;
            sum[j] += EXP(x);
        }
    }
}
LEVELS(shift_and_sum, (T * block, T *sum, int64_t D), (block, sum, D))

CDK_INLINE void BODY(logarithms)(T *y, const T *x)
{
    for (int j = 0; j < BLOCK; j++) {
        y[j] = x[j] == x[j] ? LOG(x[j]) : x[j];
    }
}
LEVELS(logarithms, (T * y, const T *x), (y, x))

CDK_INLINE void BODY(subtract)(T *block, const T *amount, int64_t D)
{
    for (int64_t d = 0; d < D; d++) {
        for (int j = 0; j < BLOCK; j++) {
            block[d * BLOCK + j] -= amount[j];
        }
    }
}
LEVELS(subtract, (T * block, const T *amount, int64_t D), (block, amount, D))

CDK_INLINE void BODY(exponentials)(T *block, const T *sum, int64_t D)
{
    for (int64_t d = 0; d < D; d++) {
        for (int j = 0; j < BLOCK; j++) {
            block[d * BLOCK + j] = EXP(block[d * BLOCK + j]) / sum[j];
        }
    }
}
LEVELS(exponentials, (T * block, const T *sum, int64_t D), (block, sum, D))

/* Logarithms of the softmax of a block, in place. */
static void NAME(log_softmax_block)(T *block, int64_t D)
{
    T sum[BLOCK];
    NAME(shift_and_sum)(block, sum, D);
    NAME(logarithms)(sum, sum);
    NAME(subtract)(block, sum, D);
}

typedef struct {
    cdk_vectors shape;
    bool logarithm;
    const T *x, *dy;
    T *out, *losses;
    T *scratch;      /* 2 blocks for each thread */
    double *partial; /* per block */
    const cdk_cross_entropy *options;
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
    T *block = NAME(scratch_of)(t, thread), sum[BLOCK];
    for (int64_t b = begin; b < end; b++) {
        int64_t count = block_size(t->shape, b);
        NAME(gather)(block, t->x, t->shape, b * BLOCK, count);
        if (t->logarithm) {
            NAME(log_softmax_block)(block, t->shape.D);
        } else {
            NAME(shift_and_sum)(block, sum, t->shape.D);
            NAME(exponentials)(block, sum, t->shape.D);
        }
        NAME(scatter)(t->out, block, t->shape, b * BLOCK, count);
    }
}

cd_status NAME(cdk_softmax)(T *y, const T *x, cdk_vectors shape, bool logarithm, cd_error *err)
{
    NAME(softmax_task) t = {.shape = shape, .logarithm = logarithm, .x = x, .out = y};
    CD_TRY(NAME(softmax_scratch)(&t, err));
    cd_parallel_for(block_count(shape), 64, NAME(softmax_blocks), &t);
    cd_memory_free(t.scratch);
    return CD_OK;
}

CDK_INLINE void BODY(gradient_block)(T *dy, const T *y, int64_t D, bool logarithm)
{
    T sum[BLOCK] = {0};
    for (int64_t d = 0; d < D; d++) {
        for (int j = 0; j < BLOCK; j++) {
            T g = dy[d * BLOCK + j];
            sum[j] += logarithm ? g : g * y[d * BLOCK + j];
        }
    }
    for (int64_t d = 0; d < D; d++) {
        for (int j = 0; j < BLOCK; j++) {
            T g = dy[d * BLOCK + j], p = y[d * BLOCK + j];
            dy[d * BLOCK + j] = logarithm ? g - EXP(p) * sum[j] : p * (g - sum[j]);
        }
    }
}
LEVELS(gradient_block, (T * dy, const T *y, int64_t D, bool logarithm), (dy, y, D, logarithm))

static void NAME(gradient_blocks)(void *context, int64_t begin, int64_t end, int thread)
{
    NAME(softmax_task) *t = context;
    T *y = NAME(scratch_of)(t, thread), *dy = y + t->shape.D * BLOCK;
    for (int64_t b = begin; b < end; b++) {
        int64_t count = block_size(t->shape, b);
        NAME(gather)(y, t->x, t->shape, b * BLOCK, count);
        NAME(gather)(dy, t->dy, t->shape, b * BLOCK, count);
        NAME(gradient_block)(dy, y, t->shape.D, t->logarithm);
        NAME(scatter)(t->out, dy, t->shape, b * BLOCK, count);
    }
}

cd_status NAME(cdk_softmax_gradient)(T *dx, const T *dy, const T *y, cdk_vectors shape, bool logarithm,
                                     cd_error *err)
{
    NAME(softmax_task) t = {.shape = shape, .logarithm = logarithm, .x = y, .dy = dy, .out = dx};
    CD_TRY(NAME(softmax_scratch)(&t, err));
    cd_parallel_for(block_count(shape), 64, NAME(gradient_blocks), &t);
    cd_memory_free(t.scratch);
    return CD_OK;
}

/* Cross entropy. logs[d][j]: log-probabilities of a block. */

static double NAME(class_weight)(const cdk_cross_entropy *o, int64_t d)
{
    return o->weight != NULL ? o->weight[d] : 1;
}

static double NAME(loss_of)(const NAME(softmax_task) * t, const T *logs, int64_t target)
{
    const cdk_cross_entropy *o = t->options;
    double loss = -NAME(class_weight)(o, target) * (1 - o->smoothing) * logs[target * BLOCK];
    for (int64_t d = 0; d < t->shape.D && o->smoothing > 0; d++) {
        loss -= o->smoothing / (double)t->shape.D * NAME(class_weight)(o, d) * logs[d * BLOCK];
    }
    return loss;
}

/* Replaces the probabilities of vector j by scale times the gradient of its loss: sum_c v[c] (p - 1[c]),
 * where v[c] is what -log p[c] counts in the loss. */
static void NAME(gradient_of)(const NAME(softmax_task) * t, T *p, int64_t target)
{
    const cdk_cross_entropy *o = t->options;
    double even = o->smoothing / (double)t->shape.D, all = (1 - o->smoothing) * NAME(class_weight)(o, target);
    double of_target = all;
    for (int64_t d = 0; d < t->shape.D && o->smoothing > 0; d++) {
        all += even * NAME(class_weight)(o, d);
    }
    T factor = (T)(o->is_log ? 0 : all * o->scale);
    for (int64_t d = 0; d < t->shape.D; d++) {
        p[d * BLOCK] *= factor;
        if (o->smoothing > 0) {
            p[d * BLOCK] -= (T)(even * NAME(class_weight)(o, d) * o->scale);
        }
    }
    p[target * BLOCK] -= (T)(of_target * o->scale);
}

static void NAME(clear_vector)(T *p, int64_t D)
{
    for (int64_t d = 0; d < D; d++) {
        p[d * BLOCK] = 0;
    }
}

static void NAME(block_gradients)(const NAME(softmax_task) * t, T *logs, int64_t first, int64_t count)
{
    T ones[BLOCK];
    for (int j = 0; j < BLOCK; j++) {
        ones[j] = 1;
    }
    NAME(exponentials)(logs, ones, t->shape.D);
    for (int64_t j = 0; j < count; j++) {
        int64_t target = t->options->target[first + j];
        if (target == t->options->ignore) {
            NAME(clear_vector)(logs + j, t->shape.D);
        } else {
            NAME(gradient_of)(t, logs + j, target);
        }
    }
    NAME(scatter)(t->out, logs, t->shape, first, count);
}

static void NAME(cross_entropy_block)(NAME(softmax_task) * t, int64_t b, T *logs)
{
    int64_t first = b * BLOCK, count = block_size(t->shape, b);
    double sum = 0;
    NAME(gather)(logs, t->x, t->shape, first, count);
    if (!t->options->is_log) {
        NAME(log_softmax_block)(logs, t->shape.D);
    }
    for (int64_t j = 0; j < count; j++) {
        int64_t target = t->options->target[first + j];
        double loss = target == t->options->ignore ? 0 : NAME(loss_of)(t, logs + j, target);
        sum += loss;
        if (t->losses != NULL) {
            t->losses[first + j] = (T)loss;
        }
    }
    t->partial[b] = sum;
    if (t->out != NULL) {
        NAME(block_gradients)(t, logs, first, count);
    }
}

static void NAME(cross_entropy_blocks)(void *context, int64_t begin, int64_t end, int thread)
{
    NAME(softmax_task) *t = context;
    for (int64_t b = begin; b < end; b++) {
        NAME(cross_entropy_block)(t, b, NAME(scratch_of)(t, thread));
    }
}

cd_status NAME(cdk_cross_entropy)(double *total, T *losses, T *dx, const T *x, cdk_vectors shape,
                                  const cdk_cross_entropy *options, cd_error *err)
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
