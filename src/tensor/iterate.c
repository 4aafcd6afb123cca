#include "tensor/iterate.h"

#include "base/parallel.h"
#include "tensor/elements.h"

/* Elements one thread should at least work on: below this, starting threads costs more than it saves. */
#define GRAIN 32768

typedef struct {
    int n, ndim;
    int64_t shape[CD_MAX_DIMS];
    int64_t stride[CD_MAX_DIMS][CD_MAX_OPERANDS];
    int64_t size[CD_MAX_OPERANDS];
    char *data[CD_MAX_OPERANDS];
    cd_run_body body;
    const void *context;
} loop_plan;

static void move_dim(loop_plan *p, int to, int from)
{
    p->shape[to] = p->shape[from];
    for (int k = 0; k < p->n; k++) {
        p->stride[to][k] = p->stride[from][k];
    }
}

static void insert_dim(loop_plan *p, int64_t size, const int64_t *stride)
{
    int at = p->ndim++;
    while (at > 0 && p->stride[at - 1][0] < stride[0]) {
        move_dim(p, at, at - 1);
        at--;
    }
    p->shape[at] = size;
    for (int k = 0; k < p->n; k++) {
        p->stride[at][k] = stride[k];
    }
}

static bool joins(const loop_plan *p, int outer, int inner)
{
    for (int k = 0; k < p->n; k++) {
        if (p->stride[outer][k] != p->stride[inner][k] * p->shape[inner]) {
            return false;
        }
    }
    return true;
}

static void merge_dims(loop_plan *p)
{
    int kept = 0;
    for (int i = 1; i < p->ndim; i++) {
        if (joins(p, kept, i)) {
            int64_t size = p->shape[kept] * p->shape[i];
            move_dim(p, kept, i);
            p->shape[kept] = size;
        } else {
            move_dim(p, ++kept, i);
        }
    }
    p->ndim = kept + 1;
}

typedef struct {
    int64_t index[CD_MAX_DIMS];
    char *data[CD_MAX_OPERANDS];
} position;

static void shift(const loop_plan *p, position *at, int dim, int64_t steps)
{
    for (int k = 0; k < p->n; k++) {
        at->data[k] += steps * p->stride[dim][k] * p->size[k];
    }
}

static void go_to(const loop_plan *p, position *at, int64_t element)
{
    for (int k = 0; k < p->n; k++) {
        at->data[k] = p->data[k];
    }
    for (int d = p->ndim - 1; d >= 0; d--) {
        at->index[d] = element % p->shape[d];
        element /= p->shape[d];
        shift(p, at, d, at->index[d]);
    }
}

static void advance(const loop_plan *p, position *at, int64_t n)
{
    int d = p->ndim - 1;
    at->index[d] += n;
    shift(p, at, d, n);
    while (d > 0 && at->index[d] == p->shape[d]) {
        shift(p, at, d, -p->shape[d]);
        at->index[d--] = 0;
        at->index[d]++;
        shift(p, at, d, 1);
    }
}

static void run_range(void *context, int64_t begin, int64_t end, int thread)
{
    const loop_plan *p = context;
    const int last = p->ndim - 1;
    position at;
    (void)thread;
    go_to(p, &at, begin);
    while (begin < end) {
        int64_t n = p->shape[last] - at.index[last];
        n = n < end - begin ? n : end - begin;
        p->body(p->context, at.data, p->stride[last], n);
        begin += n;
        advance(p, &at, n);
    }
}

cd_status cd_iterate(int n_operands, cd_tensor *const *operand, cd_run_body body, const void *context,
                     cd_error *err)
{
    loop_plan p = {.n = n_operands, .body = body, .context = context};
    const cd_tensor *out = operand[0];
    int64_t stride[CD_MAX_OPERANDS][CD_MAX_DIMS];
    for (int k = 0; k < n_operands; k++) {
        CD_TRY(cd_broadcast_strides(stride[k], operand[k], out->ndim, out->shape, err));
        p.data[k] = cd_tensor_data(operand[k]);
        p.size[k] = (int64_t)cd_dtype_size(operand[k]->dtype);
    }
    for (int d = 0; d < out->ndim; d++) {
        int64_t of_dim[CD_MAX_OPERANDS] = {0};
        for (int k = 0; k < n_operands; k++) {
            of_dim[k] = stride[k][d];
        }
        if (out->shape[d] != 1) {
            insert_dim(&p, out->shape[d], of_dim);
        }
    }
    if (p.ndim == 0) {
        int64_t none[CD_MAX_OPERANDS] = {0};
        insert_dim(&p, 1, none);
    }
    if (cd_tensor_numel(out) > 0) {
        merge_dims(&p);
        cd_parallel_for(cd_tensor_numel(out), GRAIN, run_range, &p);
    }
    return CD_OK;
}
