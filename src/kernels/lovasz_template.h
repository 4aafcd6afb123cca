/* The Lovasz extension for one float type T, whose bits are a KEY: included by lovasz.c. */

typedef struct {
    cdk_vectors shape;
    const cdk_labelled *truth;
    const T *x;
    T *slope;
    double *loss, *found;
    int64_t groups, per_group; /* vectors, or elements, of a group */
    error_item *scratch;       /* [threads][2][per_group] */
} NAME(lovasz_task);

static uint64_t NAME(key_of)(T error)
{
    KEY bits;
    memcpy(&bits, &error, sizeof bits);
    return (KEY)~bits;
}

/* Where element i of a group lies. */
static int64_t NAME(place_of)(const NAME(lovasz_task) * t, const error_group *g, int64_t i)
{
    return g->class < 0 ? g->first + i : vector_at(t->shape, g->first + i) + g->class * t->shape.inner;
}

/* Whether element i is true; -1 where it does not count. */
static int NAME(truth_of)(const NAME(lovasz_task) * t, const error_group *g, int64_t i)
{
    if (g->class >= 0) {
        int64_t target = t->truth->target[g->first + i];
        return target == t->truth->ignore ? -1 : target == g->class + 1;
    }
    T label = ((const T *)t->truth->labels)[g->first + i];
    return label == (T)t->truth->ignore ? -1 : label > (T)0.5;
}

static T NAME(error_of)(const error_group *g, T x, int is_true)
{
    if (g->class >= 0) {
        return (T)fabs((double)(is_true ? 1 - x : x));
    }
    T error = is_true ? 1 - x : 1 + x;
    return error > 0 ? error : 0;
}

/* What an error grows by with x. */
static T NAME(slope_of)(const error_group *g, T x, int is_true)
{
    T error = is_true ? 1 - x : g->class >= 0 ? x : 1 + x;
    if (error == 0 || (g->class < 0 && error < 0)) {
        return 0;
    }
    return (is_true ? -1 : 1) * (T)(error < 0 ? -1 : 1);
}

/* The errors of what counts; gives how many, and *Y of them are true. */
static int64_t NAME(find_errors)(error_item *item, int64_t *Y, const NAME(lovasz_task) * t,
                                 const error_group *g)
{
    int64_t n = 0;
    *Y = 0;
    for (int64_t i = 0; i < g->n; i++) {
        int is_true = NAME(truth_of)(t, g, i);
        int64_t place = NAME(place_of)(t, g, i);
        t->slope[place] = 0;
        if (is_true >= 0) {
            item[n++] = (error_item){NAME(key_of)(NAME(error_of)(g, t->x[place], is_true)), 2 * i + is_true};
            *Y += is_true;
        }
    }
    return n;
}

static double NAME(add_errors)(const error_item *item, int64_t n, int64_t Y, const NAME(lovasz_task) * t,
                               const error_group *g)
{
    int64_t trues = 0;
    double loss = 0, before = 0;
    for (int64_t k = 0; k < n; k++) {
        int is_true = (int)(item[k].element % 2);
        int64_t place = NAME(place_of)(t, g, item[k].element / 2);
        trues += is_true;
        double J = jaccard_loss(Y, trues, k + 1 - trues);
        loss += (double)NAME(error_of)(g, t->x[place], is_true) * (J - before);
        t->slope[place] = NAME(slope_of)(g, t->x[place], is_true) * (T)(J - before);
        before = J;
    }
    return loss;
}

static error_group NAME(group_at)(const NAME(lovasz_task) * t, int64_t i)
{
    bool classes = t->truth->target != NULL;
    int64_t group = classes ? i / t->shape.D : i;
    return (error_group){group * t->per_group, t->per_group, classes ? i % t->shape.D : -1};
}

static void NAME(lovasz_groups)(void *context, int64_t begin, int64_t end, int thread)
{
    NAME(lovasz_task) *t = context;
    error_item *item = t->scratch + 2 * thread * t->per_group;
    for (int64_t i = begin; i < end; i++) {
        int64_t Y;
        error_group g = NAME(group_at)(t, i);
        int64_t n = NAME(find_errors)(item, &Y, t, &g);
        bool counts = n > 0 && (Y > 0 || g.class < 0);
        t->found[i] = (double)Y;
        t->loss[i] = 0;
        if (counts) {
            error_item *sorted = sorted_items(item, item + t->per_group, n, 8 * (int)sizeof(KEY));
            t->loss[i] = NAME(add_errors)(sorted, n, Y, t, &g);
        }
    }
}

static cd_status NAME(lovasz)(double *loss, double *found, void *slope, const void *x, cdk_vectors shape,
                              const cdk_labelled *truth, int64_t groups, cd_error *err)
{
    bool classes = truth->target != NULL;
    NAME(lovasz_task)
    t = {.shape = shape,
         .truth = truth,
         .x = x,
         .slope = slope,
         .loss = loss,
         .found = found,
         .groups = groups};
    t.per_group = shape.outer * shape.inner * (classes ? 1 : shape.D) / groups;
    void *scratch;
    size_t bytes;
    CD_TRY(cd_memory_size(&bytes, 2 * (size_t)cd_threads(), (size_t)t.per_group, sizeof(error_item), err));
    CD_TRY(cd_memory_alloc(&scratch, bytes, err));
    t.scratch = scratch;
    cd_parallel_chunks(groups * (classes ? shape.D : 1), 1, NAME(lovasz_groups), &t);
    cd_memory_free(scratch);
    return cd_interrupt_check(err);
}

typedef struct {
    T *dx;
    const T *slope;
    const double *dloss;
    cdk_vectors shape;
    bool classes;
    int64_t outer_of_group;
} NAME(lovasz_back);

static void NAME(lovasz_gradient_rows)(void *context, int64_t begin, int64_t end, int thread)
{
    const NAME(lovasz_back) *b = context;
    const cdk_vectors s = b->shape;
    (void)thread;
    for (int64_t row = begin; row < end; row++) {
        int64_t group = row / s.D / b->outer_of_group, start = row * s.inner;
        T factor = (T)b->dloss[b->classes ? group * s.D + row % s.D : group];
        for (int64_t i = start; i < start + s.inner; i++) {
            b->dx[i] = b->slope[i] * factor;
        }
    }
}

static void NAME(lovasz_gradient)(void *dx, const void *slope, const double *dloss, cdk_vectors shape,
                                  bool classes, int64_t groups)
{
    NAME(lovasz_back) b = {dx, slope, dloss, shape, classes, shape.outer / groups};
    cd_parallel_for(shape.outer * shape.D, 1 + 16384 / shape.inner, NAME(lovasz_gradient_rows), &b);
}
