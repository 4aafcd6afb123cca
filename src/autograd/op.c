#include "autograd/op.h"

#include <stdlib.h>
#include <string.h>

#include "autograd/compute.h"
#include "base/interrupt.h"
#include "tensor/format.h"
#include "tensor/lazy.h"

static const cd_op *const *all_operators;

void cd_ops_install(const cd_op *const *operators)
{
    all_operators = operators;
}

const cd_op *cd_op_at(int id)
{
    return id >= 0 && id < CD_OPS ? all_operators[id] : NULL;
}

cd_op_id cd_op_id_of(const cd_op *op)
{
    int id = 0;
    while (id < CD_OPS && all_operators[id] != op) {
        id++;
    }
    return (cd_op_id)id;
}

cd_status cd_out(cd_call *call, int i, cd_dtype dtype, int ndim, const int64_t *shape, cd_layout layout,
                 cd_error *err)
{
    return cd_tensor_new_shape(&call->out[i], dtype, ndim, shape, layout, err);
}

cd_status cd_out_like(cd_call *call, int i, const cd_tensor *t, cd_error *err)
{
    return cd_out(call, i, t->dtype, t->ndim, t->shape, cd_tensor_preferred_layout(t), err);
}

cd_status cd_out_format(cd_call *call, int i, cd_dtype dtype, const cd_tensor *t, int64_t format,
                        cd_error *err)
{
    CD_TRY(cd_out(call, i, dtype, t->ndim, t->shape, CD_CONTIGUOUS, err));
    return cd_format_strides(call->out[i]->stride, t, format, err);
}

cd_status cd_out_ordered_like(cd_call *call, int i, const cd_tensor *t, cd_error *err)
{
    return cd_out_format(call, i, t->dtype, t, CD_FORMAT_PRESERVE, err);
}

int64_t cd_int_attr(const double *attr, int i)
{
    const double limit = 9223372036854774784.0; /* the largest double below 2^63 */
    return attr[i] < limit ? (attr[i] > -limit ? (int64_t)attr[i] : INT64_MIN) : INT64_MAX;
}

void cd_gradient_done_with(const cd_gradient *g, int i)
{
    if (g->frees_kept && g->in[i] != NULL && g->in[i]->refs == 1) {
        cd_tensor_drop_storage(g->in[i]);
    }
}

cd_status cd_call_check(const cd_call *call, cd_error *err)
{
    const cd_op *op = call->op;
    if (call->n_in < op->min_in || call->n_in > op->max_in) {
        return cd_fail(err, CD_EVALUE, "%s takes %d to %d tensors, got %d.", op->name, op->min_in, op->max_in,
                       call->n_in);
    }
    if (call->n_attr < op->min_attr || call->n_attr > op->max_attr) {
        return cd_fail(err, CD_EVALUE,
                       "%s: an argument has the wrong length: %d numbers in all where it takes %s%d.",
                       op->name, call->n_attr, call->n_attr < op->min_attr ? "at least " : "at most ",
                       call->n_attr < op->min_attr ? op->min_attr : op->max_attr);
    }
    for (int i = 0; i < op->min_in; i++) {
        if (call->in[i] == NULL) {
            return cd_fail(err, CD_EVALUE, "%s: input %d must be a tensor, got NULL or an undefined tensor.",
                           op->name, i + 1);
        }
    }
    return CD_OK;
}

cd_status cd_check_fits(const cd_op *op, const cd_tensor *result, const cd_tensor *target, cd_error *err)
{
    char have[CD_SHAPE_TEXT], want[CD_SHAPE_TEXT];
    if (cd_tensor_same_shape(target, result)) {
        return CD_OK;
    }
    return cd_fail(err, CD_ESHAPE, "%s_: the result has shape %s, which does not fit in place into %s.",
                   op->name, cd_shape_text(have, result->ndim, result->shape),
                   cd_shape_text(want, target->ndim, target->shape));
}

static cd_status use_target(cd_call *call, cd_tensor *target, cd_error *err)
{
    CD_TRY(cd_check_fits(call->op, call->out[0], target, err));
    CD_TRY(cd_tensor_materialise(target, err));
    cd_tensor_release(call->out[0]);
    call->out[0] = cd_tensor_retain(target);
    return CD_OK;
}

cd_status cd_call_materialise(const cd_call *call, int first, cd_error *err)
{
    const bool is_view = call->op->forward == NULL;
    for (int i = first; i < call->n_in; i++) {
        CD_TRY((is_view ? cd_tensor_compute : cd_tensor_materialise)(call->in[i], err));
    }
    return CD_OK;
}

/* Elements of the inputs or outputs from which on the user may stop an operator. */
#define LONG_WORK ((int64_t)1 << 24)

bool cd_is_long_work(int n, cd_tensor *const *tensor)
{
    int64_t elements = 0;
    for (int i = 0; i < n; i++) {
        elements += tensor[i] != NULL ? cd_tensor_numel(tensor[i]) : 0;
    }
    return elements >= LONG_WORK;
}

/* What writes into memory that was there before is not cut short: it would be left half done. */
cd_status cd_call_compute(cd_call *call, cd_error *err)
{
    bool is_new = true;
    for (int i = 0; i < call->op->n_out; i++) {
        is_new = is_new && call->out[i]->storage == NULL;
        if (call->out[i]->storage == NULL) {
            CD_TRY(cd_tensor_allocate(call->out[i], err));
        }
    }
    if (call->op->forward == NULL) {
        return CD_OK;
    }
    const bool is_long =
        is_new && (cd_is_long_work(call->op->n_out, call->out) || cd_is_long_work(call->n_in, call->in));
    cd_stoppable_begin(is_long);
    return cd_stoppable_end(is_long, call->op->forward(call, err), err);
}

cd_status cd_call_run(cd_call *call, cd_tensor *target, cd_error *err)
{
    CD_TRY(cd_call_check(call, err));
    CD_TRY(cd_call_materialise(call, 0, err));
    CD_TRY(call->op->shape(call, err));
    if (target != NULL) {
        CD_TRY(use_target(call, target, err));
    }
    return cd_call_compute(call, err);
}

void cd_call_clear(cd_call *call)
{
    for (int i = 0; i < CD_MAX_OUTPUTS; i++) {
        cd_tensor_release(call->out[i]);
        call->out[i] = NULL;
    }
    for (int i = 0; i < CD_MAX_SAVED; i++) {
        cd_tensor_release(call->saved[i]);
        call->saved[i] = NULL;
    }
}

static cd_runner other_runner = NULL;

cd_runner cd_set_runner(cd_runner runner)
{
    cd_runner before = other_runner;
    other_runner = runner;
    return before;
}

bool cd_run_is_recorded(void)
{
    return other_runner != NULL;
}

bool cd_is_cast(const cd_op *op, int n, cd_tensor *const *in)
{
    return (op->traits & (CD_VIEW | CD_ANY_DTYPE)) == 0 && cd_any_only_stored(n, in);
}

/* *as is a new reference; NULL for NULL. */
static cd_status cast(cd_tensor **as, cd_tensor *t, cd_dtype dtype, cd_error *err)
{
    double attr[CD_CAST_ATTRS];
    if (t == NULL || t->dtype == dtype) {
        *as = cd_tensor_retain(t);
        return CD_OK;
    }
    return cd_run1(as, CD_OP_to_dtype, 1, &t, cd_cast_attributes(attr, dtype), attr, err);
}

static cd_status run_cast(cd_tensor **out, const cd_op *op, int n, cd_tensor **wide, cd_tensor *const *in,
                          int n_attr, const double *attr, cd_error *err)
{
    for (int i = 0; i < n; i++) {
        CD_TRY(cast(&wide[i], in[i], in[i] == NULL ? CD_BOOL : cd_dtype_computed(in[i]->dtype), err));
    }
    CD_TRY(cd_run(out, op, n, wide, n_attr, attr, err));
    for (int i = 0; i < op->n_out; i++) {
        cd_tensor *stored;
        CD_TRY(cast(&stored, out[i], cd_stored_type(out[i]->dtype, n, in), err));
        cd_tensor_release(out[i]);
        out[i] = stored;
    }
    return CD_OK;
}

static cd_status run_with_casts(cd_tensor **out, const cd_op *op, int n, cd_tensor *const *in, int n_attr,
                                const double *attr, cd_error *err)
{
    memset(out, 0, (size_t)op->n_out * sizeof *out);
    cd_tensor **wide = calloc((size_t)n, sizeof *wide);
    if (wide == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate a list of %d tensors.", n);
    }
    cd_status status = run_cast(out, op, n, wide, in, n_attr, attr, err);
    for (int i = 0; i < n; i++) {
        cd_tensor_release(wide[i]);
    }
    for (int i = 0; status != CD_OK && i < op->n_out; i++) {
        cd_tensor_release(out[i]);
        out[i] = NULL;
    }
    free(wide);
    return status;
}

cd_status cd_run(cd_tensor **out, const cd_op *op, int n_in, cd_tensor *const *in, int n_attr,
                 const double *attr, cd_error *err)
{
    if (cd_is_cast(op, n_in, in)) {
        return run_with_casts(out, op, n_in, in, n_attr, attr, err);
    }
    if (other_runner != NULL) {
        return other_runner(out, op, n_in, in, n_attr, attr, err);
    }
    cd_call call = {.op = op, .n_in = n_in, .in = in, .n_attr = n_attr, .attr = attr};
    cd_status status = cd_call_run(&call, NULL, err);
    for (int i = 0; i < op->n_out; i++) {
        out[i] = status == CD_OK ? cd_tensor_retain(call.out[i]) : NULL;
    }
    cd_call_clear(&call);
    return status;
}

cd_status cd_run1(cd_tensor **out, cd_op_id id, int n_in, cd_tensor *const *in, int n_attr,
                  const double *attr, cd_error *err)
{
    const cd_op *op = cd_op_at(id);
    *out = NULL;
    if (op->n_out != 1) {
        return cd_fail(err, CD_EINTERNAL, "%s has %d outputs, not one.", op->name, op->n_out);
    }
    return cd_run(out, op, n_in, in, n_attr, attr, err);
}
