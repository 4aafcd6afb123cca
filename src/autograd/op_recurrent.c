/* A recurrent layer over whole sequences, for one direction: kernels/recurrent.h has the equations of one
 * step.
 *
 * inputs: x (total x G H, the input times its weights, with their bias), w (G H x H), h0 (B x H), the bias of
 * w (G H) or NULL, and, for an LSTM, c0 (B x H). Sequences are packed: step t has the rows of the sizes[t]
 * sequences that are long enough, longest first, so sizes never grow; the rows of all steps follow one
 * another. Outputs: h of every step (total x H), and the last h and c of each sequence.
 */
#include <string.h>

#include "autograd/dense.h"
#include "autograd/shapes.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "kernels/matmul.h"
#include "kernels/recurrent.h"

enum { X, W, H0, BIAS, C0 };
enum { CELL, REVERSE, FIRST_SIZE };
enum { Y, H_LAST, C_LAST };
enum { GATES, H_BEFORE, C_BEFORE, C_AFTER };

static cdk_cell cell_of(const double *attr)
{
    return (cdk_cell)attr[CELL];
}

/* ---- shapes ---- */

static cd_status check_matrix(const cd_call *call, int i, const char *name, int64_t rows, int64_t columns,
                              cd_error *err)
{
    const cd_tensor *t = i < call->n_in ? call->in[i] : NULL;
    char got[CD_SHAPE_TEXT];
    if (t == NULL || t->ndim != 2 || t->shape[0] != rows || t->shape[1] != columns) {
        return cd_fail(err, CD_ESHAPE, "recurrent: expected %s of size [%lld, %lld], got %s.", name,
                       (long long)rows, (long long)columns,
                       t == NULL ? "none" : cd_shape_text(got, t->ndim, t->shape));
    }
    if (t->dtype != call->in[X]->dtype) {
        return cd_fail(err, CD_EDTYPE, "recurrent: %s is %s, but the input is %s.", name,
                       cd_dtype_name(t->dtype), cd_dtype_name(call->in[X]->dtype));
    }
    return CD_OK;
}

/* Each size is from 1 to that of the step before; their sum is that of the rows of x. */
static cd_status check_sizes(const cd_call *call, cd_error *err)
{
    int64_t total = 0;
    double before = INT32_MAX;
    for (int t = FIRST_SIZE; t < call->n_attr; t++) {
        if (!(call->attr[t] >= 1 && call->attr[t] <= before)) {
            return cd_fail(err, CD_EVALUE, "recurrent: sizes of steps must be at least 1 and never grow.");
        }
        before = call->attr[t];
        total += cd_int_attr(call->attr, t);
    }
    if (call->in[X]->ndim != 2 || call->in[X]->shape[0] != total) {
        return cd_fail(err, CD_ESHAPE, "recurrent: expected an input of %lld rows.", (long long)total);
    }
    return CD_OK;
}

static cd_status check_bias(const cd_call *call, int64_t columns, cd_error *err)
{
    const cd_tensor *b = BIAS < call->n_in ? call->in[BIAS] : NULL;
    char got[CD_SHAPE_TEXT];
    if (b != NULL && (b->ndim != 1 || b->shape[0] != columns)) {
        return cd_fail(err, CD_ESHAPE, "recurrent: expected a bias of %lld elements, got size %s.",
                       (long long)columns, cd_shape_text(got, b->ndim, b->shape));
    }
    return CD_OK;
}

static cd_status recurrent_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[X];
    const cdk_cell cell = cell_of(call->attr);
    CD_TRY(cd_check_float(x, "recurrent", err));
    CD_TRY(check_sizes(call, err));
    const int64_t B = cd_int_attr(call->attr, FIRST_SIZE), wide = x->shape[1],
                  H = wide / cdk_cell_gates(cell);
    CD_TRY(check_matrix(call, W, "weight_hh", cdk_cell_gates(cell) * H, H, err));
    CD_TRY(check_bias(call, wide, err));
    CD_TRY(check_matrix(call, H0, "a hidden state", B, H, err));
    if (cell == CDK_CELL_LSTM) {
        CD_TRY(check_matrix(call, C0, "a cell state", B, H, err));
    }
    const int64_t all[] = {x->shape[0], H}, last[] = {B, H}, none[] = {0, H};
    CD_TRY(cd_out(call, Y, x->dtype, 2, all, CD_CONTIGUOUS, err));
    CD_TRY(cd_out(call, H_LAST, x->dtype, 2, last, CD_CONTIGUOUS, err));
    return cd_out(call, C_LAST, x->dtype, 2, cell == CDK_CELL_LSTM ? last : none, CD_CONTIGUOUS, err);
}

/* ---- steps ---- */

/* Everything dense, as the kernels want it; pointers to the first element. */
typedef struct {
    cdk_cell cell;
    cd_dtype dtype;
    int64_t H, wide, kept; /* elements of a row: of h, of x and p, of the gates kept */
    char *x, *w, *bias, *p;
    char *h, *c, *y;
    char *gates, *h_before, *c_before, *c_after;
    char *dy, *dh, *dc, *dx, *dp;
} sequence;

static char *row_of(const sequence *s, char *first, int64_t row, int64_t width)
{
    return first == NULL ? NULL : first + (size_t)(row * width) * cd_dtype_size(s->dtype);
}

static cdk_cell_step step_of(const sequence *s, int64_t row, int64_t rows)
{
    return (cdk_cell_step){.rows = rows,
                           .H = s->H,
                           .x = row_of(s, s->x, row, s->wide),
                           .p = s->p,
                           .bias = s->bias,
                           .h = s->h,
                           .c = s->c,
                           .gates = row_of(s, s->gates, row, s->kept),
                           .h_before = row_of(s, s->h_before, row, s->H),
                           .c_before = row_of(s, s->c_before, row, s->H),
                           .h_after = row_of(s, s->y, row, s->H),
                           .c_after = row_of(s, s->c_after, row, s->H),
                           .dy = row_of(s, s->dy, row, s->H),
                           .dh = s->dh,
                           .dc = s->dc,
                           .dx = row_of(s, s->dx, row, s->wide),
                           .dp = row_of(s, s->dp, row, s->wide)};
}

typedef cd_status do_step(const sequence *s, int64_t row, int64_t rows, cd_error *err);

/* The steps one after the other, from the first on or from the last. */
static cd_status each_step(do_step *f, const sequence *s, const double *attr, int n_attr, bool from_last,
                           cd_error *err)
{
    const int64_t steps = n_attr - FIRST_SIZE;
    int64_t row = 0;
    for (int64_t t = 0; from_last && t < steps; t++) {
        row += cd_int_attr(attr, FIRST_SIZE + (int)t);
    }
    for (int64_t i = 0; i < steps; i++) {
        const int64_t rows = cd_int_attr(attr, FIRST_SIZE + (int)(from_last ? steps - 1 - i : i));
        row -= from_last ? rows : 0;
        CD_TRY(f(s, row, rows, err));
        row += from_last ? 0 : rows;
        if (i % 64 == 63) {
            CD_TRY(cd_interrupt_check(err));
        }
    }
    return CD_OK;
}

static const int64_t at_start[] = {0};
static const cdk_batch one = {1, at_start, at_start};

static cd_status forward_step(const sequence *s, int64_t row, int64_t rows, cd_error *err)
{
    const cdk_matrix h = {s->h, s->H, 0}, w = {s->w, s->H, 1};
    CD_TRY(cdk_matmul[s->dtype](s->p, &h, &w, &one, rows, s->wide, s->H, err));
    const cdk_cell_step step = step_of(s, row, rows);
    cdk_cell_forward[s->dtype](s->cell, &step);
    return CD_OK;
}

/* ---- forward ---- */

typedef struct {
    cd_tensor *x, *w, *bias;
} dense_inputs;

static void dense_clear(dense_inputs *d)
{
    cd_tensor_release(d->x);
    cd_tensor_release(d->w);
    cd_tensor_release(d->bias);
}

static cd_status dense(cd_tensor **as, cd_tensor *t, cd_dtype dtype, cd_error *err)
{
    return t == NULL ? CD_OK : cd_tensor_as(as, t, dtype, CD_CONTIGUOUS, err);
}

static cd_status new_matrix(cd_tensor **t, cd_dtype dtype, int64_t rows, int64_t columns, cd_error *err)
{
    const int64_t shape[] = {rows, columns};
    return cd_tensor_new(t, dtype, 2, shape, CD_CONTIGUOUS, err);
}

static cd_status new_saved(cd_call *call, int64_t H, cd_error *err)
{
    const cd_dtype dtype = call->in[X]->dtype;
    const cdk_cell cell = cell_of(call->attr);
    const int64_t total = call->in[X]->shape[0];
    const int n = cell == CDK_CELL_LSTM ? C_AFTER : H_BEFORE;
    for (int i = GATES; i <= n; i++) {
        const int64_t width = i == GATES ? cdk_cell_kept(cell) * H : H;
        CD_TRY(new_matrix(&call->saved[i], dtype, total, width, err));
    }
    return CD_OK;
}

static char *data_or_null(const cd_tensor *t)
{
    return t == NULL ? NULL : cd_tensor_data(t);
}

static sequence sequence_of(const double *attr, cd_tensor *const *in, cd_tensor *const *saved)
{
    const cdk_cell cell = cell_of(attr);
    const int64_t wide = in[X]->shape[1], H = wide / cdk_cell_gates(cell);
    return (sequence){.cell = cell,
                      .dtype = in[X]->dtype,
                      .H = H,
                      .wide = wide,
                      .kept = cdk_cell_kept(cell) * H,
                      .gates = data_or_null(saved[GATES]),
                      .h_before = data_or_null(saved[H_BEFORE]),
                      .c_before = data_or_null(saved[C_BEFORE]),
                      .c_after = data_or_null(saved[C_AFTER])};
}

static cd_status run_forward(cd_call *call, const dense_inputs *d, cd_error *err)
{
    sequence s = sequence_of(call->attr, call->in, call->saved);
    void *product;
    size_t bytes;
    CD_TRY(cd_memory_size(&bytes, (size_t)cd_int_attr(call->attr, FIRST_SIZE), (size_t)s.wide,
                          cd_dtype_size(s.dtype), err));
    CD_TRY(cd_memory_alloc(&product, bytes, err));
    s.p = product;
    s.x = cd_tensor_data(d->x);
    s.w = cd_tensor_data(d->w);
    s.bias = data_or_null(d->bias);
    s.h = cd_tensor_data(call->out[H_LAST]);
    s.c = s.cell == CDK_CELL_LSTM ? cd_tensor_data(call->out[C_LAST]) : NULL;
    s.y = cd_tensor_data(call->out[Y]);
    cd_status status = each_step(forward_step, &s, call->attr, call->n_attr, call->attr[REVERSE] != 0, err);
    cd_memory_free(product);
    return status;
}

static cd_status recurrent_forward(cd_call *call, cd_error *err)
{
    dense_inputs d = {0};
    const cd_dtype dtype = call->in[X]->dtype;
    CD_TRY(new_saved(call, call->out[Y]->shape[1], err));
    CD_TRY(cd_tensor_copy(call->out[H_LAST], call->in[H0], err));
    if (cell_of(call->attr) == CDK_CELL_LSTM) {
        CD_TRY(cd_tensor_copy(call->out[C_LAST], call->in[C0], err));
    }
    cd_status status = dense(&d.x, call->in[X], dtype, err);
    if (status == CD_OK) {
        status = dense(&d.w, call->in[W], dtype, err);
    }
    if (status == CD_OK) {
        status = dense(&d.bias, BIAS < call->n_in ? call->in[BIAS] : NULL, dtype, err);
    }
    if (status == CD_OK) {
        status = run_forward(call, &d, err);
    }
    dense_clear(&d);
    return status;
}

/* ---- backward ---- */

/* What reaches the state before through p is added to what the cell left there. Cells but the GRU's leave
 * nothing. */
static cd_status backward_step(const sequence *s, int64_t row, int64_t rows, cd_error *err)
{
    const cdk_cell_step step = step_of(s, row, rows);
    cdk_cell_backward[s->dtype](s->cell, &step);
    const cdk_matrix dp = {step.dp, s->wide, 0}, w = {s->w, s->H, 0};
    if (s->cell != CDK_CELL_GRU) {
        return cdk_matmul[s->dtype](s->dh, &dp, &w, &one, rows, s->H, s->wide, err);
    }
    CD_TRY(cdk_matmul[s->dtype](s->p, &dp, &w, &one, rows, s->H, s->wide, err));
    for (int64_t i = 0; i < rows * s->H; i++) {
        if (s->dtype == CD_FLOAT32) {
            ((float *)(void *)s->dh)[i] += ((float *)(void *)s->p)[i];
        } else {
            ((double *)(void *)s->dh)[i] += ((double *)(void *)s->p)[i];
        }
    }
    return CD_OK;
}

/* What the walk needs and what it leaves; owned. */
typedef struct {
    cd_tensor *w, *y, *dy, *dh, *dc, *dx, *dp, *product;
} walk;

static void walk_clear(walk *k)
{
    cd_tensor *all[] = {k->w, k->y, k->dy, k->dh, k->dc, k->dx, k->dp, k->product};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        cd_tensor_release(all[i]);
    }
}

/* A copy of dy, or zeros. */
static cd_status start_from(cd_tensor **t, const cd_tensor *dy, cd_dtype dtype, int64_t rows, int64_t H,
                            cd_error *err)
{
    CD_TRY(new_matrix(t, dtype, rows, H, err));
    return dy == NULL ? cd_tensor_fill(*t, 0, err) : cd_tensor_copy(*t, dy, err);
}

static cd_status walk_make(walk *k, const cd_gradient *g, cd_error *err)
{
    const cdk_cell cell = cell_of(g->attr);
    const cd_tensor *x = g->in[X];
    const cd_dtype dtype = x->dtype;
    const int64_t B = cd_int_attr(g->attr, FIRST_SIZE), H = g->in[W]->shape[1];
    CD_TRY(dense(&k->w, g->in[W], dtype, err));
    CD_TRY(dense(&k->y, g->out[Y], dtype, err));
    CD_TRY(dense(&k->dy, g->dy[Y], dtype, err));
    CD_TRY(start_from(&k->dh, g->dy[H_LAST], dtype, B, H, err));
    CD_TRY(start_from(&k->dc, cell == CDK_CELL_LSTM ? g->dy[C_LAST] : NULL, dtype, B, H, err));
    CD_TRY(new_matrix(&k->dx, dtype, x->shape[0], x->shape[1], err));
    if (cell == CDK_CELL_GRU) {
        CD_TRY(new_matrix(&k->product, dtype, B, H, err));
        return new_matrix(&k->dp, dtype, x->shape[0], x->shape[1], err);
    }
    k->dp = cd_tensor_retain(k->dx);
    return CD_OK;
}

static cd_status walk_back(walk *k, const cd_gradient *g, cd_error *err)
{
    sequence s = sequence_of(g->attr, g->in, g->saved);
    s.w = cd_tensor_data(k->w);
    s.y = cd_tensor_data(k->y);
    s.dy = data_or_null(k->dy);
    s.dh = cd_tensor_data(k->dh);
    s.dc = s.cell == CDK_CELL_LSTM ? cd_tensor_data(k->dc) : NULL;
    s.dx = cd_tensor_data(k->dx);
    s.dp = cd_tensor_data(k->dp);
    s.p = data_or_null(k->product);
    return each_step(backward_step, &s, g->attr, g->n_attr, g->attr[REVERSE] == 0, err);
}

/* dw = dp' h_before, over all steps at once; db = the sum of dp. */
static cd_status weight_gradients(const walk *k, cd_gradient *g, cd_error *err)
{
    const int64_t total = k->dp->shape[0], wide = k->dp->shape[1], H = g->in[W]->shape[1];
    if (g->wants[W]) {
        CD_TRY(new_matrix(&g->dx[W], k->dp->dtype, wide, H, err));
        const cdk_matrix dp = {cd_tensor_data(k->dp), wide, 1},
                         h = {cd_tensor_data(g->saved[H_BEFORE]), H, 0};
        CD_TRY(cdk_matmul[k->dp->dtype](cd_tensor_data(g->dx[W]), &dp, &h, &one, wide, H, total, err));
    }
    return BIAS < g->n_in && g->wants[BIAS] ? cd_sum_to_shape(&g->dx[BIAS], k->dp, 1, &wide, err) : CD_OK;
}

static void give(cd_gradient *g, int i, cd_tensor *t)
{
    if (i < g->n_in && g->wants[i]) {
        g->dx[i] = cd_tensor_retain(t);
    }
}

static cd_status recurrent_backward(cd_gradient *g, cd_error *err)
{
    walk k = {0};
    cd_status status = walk_make(&k, g, err);
    if (status == CD_OK) {
        status = walk_back(&k, g, err);
    }
    if (status == CD_OK) {
        status = weight_gradients(&k, g, err);
    }
    if (status == CD_OK) {
        give(g, X, k.dx);
        give(g, H0, k.dh);
        give(g, C0, k.dc);
    }
    walk_clear(&k);
    return status;
}

const cd_op cd_op_recurrent = {.name = "recurrent",
                               .backward_name = "RecurrentBackward0",
                               .min_in = 3,
                               .max_in = 5,
                               .min_attr = FIRST_SIZE + 1,
                               .max_attr = CD_ANY_COUNT,
                               .n_out = 3,
                               .keeps = CD_KEEP_IN(W) | CD_KEEP_OUT(Y),
                               .shape = recurrent_shape,
                               .forward = recurrent_forward,
                               .backward = recurrent_backward};
