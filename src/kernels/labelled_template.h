/* Blocks of predictions with their truth, for one float type: included by softmax.c after
 * softmax_template.h. */

typedef struct {
    T *x;      /* [D][BLOCK]: the predictions */
    T *truth;  /* [D][BLOCK]: labels, 0 where they do not count; nothing where there are classes */
    T *counts; /* 1 where it counts, else 0: [D][BLOCK] for labels, [BLOCK] for classes */
    const int64_t *target;
    int64_t count; /* vectors */
} NAME(labelled_block);

/* Memory for a block's arrays, and `more` arrays of the same size behind them. */
static cd_status NAME(labelled_scratch)(T **scratch, cdk_vectors shape, int more, cd_error *err)
{
    void *memory;
    size_t bytes;
    size_t blocks = (size_t)(3 + more) * (size_t)cd_threads() * BLOCK;
    CD_TRY(cd_memory_size(&bytes, blocks, (size_t)shape.D, sizeof(T), err));
    CD_TRY(cd_memory_alloc(&memory, bytes, err));
    *scratch = memory;
    return CD_OK;
}

static NAME(labelled_block) NAME(labelled_block_at)(T *scratch, cdk_vectors shape, int more, int thread)
{
    int64_t size = shape.D * BLOCK;
    T *own = scratch + thread * (3 + more) * size;
    return (NAME(labelled_block)){.x = own, .truth = own + size, .counts = own + 2 * size};
}

static T *NAME(behind)(const NAME(labelled_block) * b, cdk_vectors shape, int i)
{
    return b->x + (3 + i) * shape.D * BLOCK;
}

/* Truth of the vectors first .. first + count - 1; x is left alone. */
static void NAME(fetch_truth)(NAME(labelled_block) * b, const cdk_labelled *l, cdk_vectors shape,
                              int64_t first, int64_t count)
{
    b->count = count;
    if (l->target != NULL) {
        b->target = l->target + first;
        for (int64_t j = 0; j < BLOCK; j++) {
            b->counts[j] = j < count && b->target[j] != l->ignore;
        }
        return;
    }
    NAME(gather)(b->truth, l->labels, shape, first, count);
    for (int64_t i = 0; i < shape.D * BLOCK; i++) {
        bool counts = i % BLOCK < count && b->truth[i] != (T)l->ignore;
        b->counts[i] = counts;
        b->truth[i] = counts ? b->truth[i] : 0;
    }
}

static int64_t NAME(block_end)(vector_piece piece, int64_t first)
{
    return piece.end - first < BLOCK ? piece.end - first : BLOCK;
}
