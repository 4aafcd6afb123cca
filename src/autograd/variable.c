#include "autograd/variable.h"

#include <stdlib.h>
#include <string.h>

#include "autograd/compute.h"
#include "autograd/fuse.h"
#include "autograd/strided.h"
#include "base/cell.h"
#include "tensor/copy.h"
#include "tensor/lazy.h"

static int64_t next_sequence = 1;

static cd_status no_node(cd_error *err)
{
    return cd_fail(err, CD_EALLOC, "cannot allocate a node of the graph.");
}

/* ---- nodes ---- */

static void hooks_free(cd_hook *hook)
{
    while (hook != NULL) {
        cd_hook *next = hook->next;
        hook->callback.release(hook->callback.function);
        cd_cell_free(hook, sizeof *hook);
        hook = next;
    }
}

static void custom_free(cd_callback *custom)
{
    if (custom != NULL) {
        custom->release(custom->function);
        cd_cell_free(custom, sizeof *custom);
    }
}

void cd_node_free_saved(cd_node *n)
{
    for (int i = 0; i < n->n_in; i++) {
        cd_tensor_release(n->in[i]);
        n->in[i] = NULL;
    }
    for (int i = 0; i < CD_MAX_OUTPUTS; i++) {
        cd_tensor_release(n->out[i]);
        n->out[i] = NULL;
    }
    for (int i = 0; i < CD_MAX_SAVED; i++) {
        cd_tensor_release(n->saved[i]);
        n->saved[i] = NULL;
    }
    hooks_free(n->hooks);
    n->hooks = NULL;
    custom_free(n->custom);
    n->custom = NULL;
}

/* Freeing a node releases its inputs' nodes; a long chain of them would overflow the stack if done by
 * recursion, so the outermost call works off a list. */
static cd_node *to_free = NULL;
static bool freeing = false;

static void node_release(cd_node *n);

/* A node and its arrays are one cell. */
static size_t node_bytes(int n_in, int n_attr)
{
    return sizeof(cd_node) + (size_t)n_in * (sizeof(cd_edge) + sizeof(cd_tensor *) + sizeof(int64_t)) +
           (size_t)n_attr * sizeof(double);
}

static void node_free(cd_node *n)
{
    cd_node_free_saved(n);
    for (int i = 0; i < n->n_in; i++) {
        node_release(n->edges[i].node);
        cd_variable_release(n->edges[i].leaf);
    }
    for (int i = 0; i < CD_MAX_OUTPUTS; i++) {
        cd_tensor_release(n->dy[i]);
    }
    cd_cell_free(n, node_bytes(n->n_in, n->n_attr));
}

static void node_release(cd_node *n)
{
    if (n == NULL || --n->refs > 0) {
        return;
    }
    n->next_to_free = to_free;
    to_free = n;
    if (freeing) {
        return;
    }
    freeing = true;
    while (to_free != NULL) {
        cd_node *next = to_free;
        to_free = next->next_to_free;
        node_free(next);
    }
    freeing = false;
}

static cd_node *node_new(const cd_op *op, int n_in, int n_attr, const double *attr)
{
    cd_node *n = cd_cell_new(node_bytes(n_in, n_attr));
    if (n == NULL) {
        return NULL;
    }
    n->refs = 1;
    n->op = op;
    n->n_in = n_in;
    n->n_attr = n_attr;
    n->edges = (cd_edge *)(n + 1);
    n->in = (cd_tensor **)(n->edges + n_in);
    n->in_version = (int64_t *)(n->in + n_in);
    n->attr = (double *)(n->in_version + n_in);
    if (n_attr > 0) {
        memcpy(n->attr, attr, (size_t)n_attr * sizeof *attr);
    }
    n->sequence = next_sequence++;
    return n;
}

/* The tensor itself where backward reads it, else dtype and shape. */
static cd_status keep(cd_tensor **kept, int64_t *version, cd_tensor *t, bool whole, cd_error *err)
{
    if (t == NULL) {
        *kept = NULL;
        return CD_OK;
    }
    if (!whole) {
        return cd_tensor_new_shape(kept, t->dtype, t->ndim, t->shape, cd_tensor_preferred_layout(t), err);
    }
    CD_TRY(cd_tensor_materialise(t, err));
    *version = t->storage->version;
    return cd_tensor_alias(kept, t, err);
}

static cd_edge edge_to(cd_variable *v)
{
    cd_edge edge = {NULL, 0, NULL};
    if (v == NULL || !v->requires_grad) {
        return edge;
    }
    if (v->creator != NULL) {
        edge.node = v->creator;
        edge.node->refs++;
        edge.output = v->output;
    } else {
        edge.leaf = cd_variable_retain(v);
    }
    return edge;
}

static cd_status node_record(cd_node **node, const cd_call *call, cd_variable *const *in, cd_error *err)
{
    unsigned keeps = call->op->keeps;
    cd_node *n = node_new(call->op, call->n_in, call->n_attr, call->attr);
    if (n == NULL) {
        return no_node(err);
    }
    *node = n;
    for (int i = 0; i < call->n_in; i++) {
        bool whole = (keeps & CD_KEEP_ALL_IN) != 0 || (i < 8 && (keeps & CD_KEEP_IN(i)) != 0);
        n->edges[i] = edge_to(in[i]);
        CD_TRY(keep(&n->in[i], &n->in_version[i], call->in[i], whole, err));
    }
    for (int i = 0; i < call->op->n_out; i++) {
        CD_TRY(keep(&n->out[i], &n->out_version[i], call->out[i], (keeps & CD_KEEP_OUT(i)) != 0, err));
    }
    for (int i = 0; i < CD_MAX_SAVED; i++) {
        n->saved[i] = cd_tensor_retain(call->saved[i]);
    }
    return CD_OK;
}

/* ---- variables ---- */

cd_status cd_variable_new(cd_variable **v, cd_tensor *value, bool requires_grad, cd_error *err)
{
    *v = cd_cell_new(sizeof **v);
    if (*v == NULL) {
        cd_tensor_release(value);
        return cd_fail(err, CD_EALLOC, "cannot allocate a variable.");
    }
    (*v)->refs = 1;
    (*v)->value = value;
    (*v)->requires_grad = requires_grad;
    return CD_OK;
}

cd_variable *cd_variable_retain(cd_variable *v)
{
    if (v != NULL) {
        v->refs++;
    }
    return v;
}

static void stop_watching(cd_variable *v)
{
    if (v->creator != NULL && v->creator->watcher[v->output] == v) {
        v->creator->watcher[v->output] = NULL;
    }
}

void cd_variable_release(cd_variable *v)
{
    if (v == NULL || --v->refs > 0) {
        return;
    }
    stop_watching(v);
    cd_tensor_release(v->value);
    cd_variable_set_grad(v, NULL, NULL);
    cd_tensor_release(v->pending);
    hooks_free(v->hooks);
    node_release(v->creator);
    cd_variable *base = v->base;
    cd_cell_free(v, sizeof *v);
    cd_variable_release(base);
}

void cd_variable_set_grad(cd_variable *v, cd_tensor *grad, cd_variable *history)
{
    cd_tensor *old = v->grad;
    cd_variable *old_history = v->grad_history;
    v->grad = cd_tensor_retain(grad);
    v->grad_history = cd_variable_retain(history);
    cd_tensor_release(old);
    cd_variable_release(old_history);
}

cd_status cd_variable_require_grad(cd_variable *v, bool requires_grad, cd_error *err)
{
    if (v->creator != NULL && !requires_grad) {
        return cd_fail(err, CD_EAUTOGRAD,
                       "you can only change requires_grad flags of leaf variables; use $detach() to get a "
                       "tensor without history.");
    }
    if (requires_grad && v->value != NULL && !cd_dtype_is_float(v->value->dtype)) {
        return cd_fail(err, CD_EDTYPE, "only tensors of floating point dtype can require gradients, got %s.",
                       cd_dtype_name(v->value->dtype));
    }
    v->requires_grad = requires_grad;
    if (requires_grad && v->creator == NULL && v->base != NULL) {
        cd_variable_release(v->base); /* a leaf: the history of its memory is its own */
        v->base = NULL;
    }
    return CD_OK;
}

cd_status cd_variable_retain_grad(cd_variable *v, cd_error *err)
{
    if (!v->requires_grad) {
        return cd_fail(err, CD_EAUTOGRAD, "can't retain_grad on a tensor that has requires_grad = FALSE.");
    }
    if (v->creator != NULL) {
        v->retains_grad = true;
        v->creator->watcher[v->output] = v;
    }
    return CD_OK;
}

cd_status cd_variable_detach(cd_variable **detached, const cd_variable *v, cd_error *err)
{
    cd_tensor *alias;
    CD_TRY(cd_tensor_materialise(v->value, err));
    CD_TRY(cd_tensor_alias(&alias, v->value, err));
    return cd_variable_new(detached, alias, false, err);
}

cd_status cd_variable_forget_history(cd_variable *v, cd_error *err)
{
    if (v->base != NULL) {
        return cd_fail(
            err, CD_EAUTOGRAD,
            "can't detach views in place. Use $detach() instead, or detach the tensor it is a view of.");
    }
    stop_watching(v);
    node_release(v->creator);
    v->creator = NULL;
    v->output = 0;
    v->requires_grad = false;
    v->retains_grad = false;
    return CD_OK;
}

/* ---- applying operators ---- */

static bool any_requires_grad(int n_in, cd_variable *const *in)
{
    for (int i = 0; i < n_in; i++) {
        if (in[i] != NULL && in[i]->requires_grad) {
            return true;
        }
    }
    return false;
}

static cd_status sync_all(int n_in, cd_variable *const *in, cd_error *err)
{
    for (int i = 0; cd_grad_enabled() && i < n_in; i++) {
        if (in[i] != NULL && in[i]->base != NULL) {
            CD_TRY(cd_variable_sync(in[i], err));
        }
    }
    return CD_OK;
}

/* Inputs of most operators fit here; cat and stack of many tensors go to the heap. */
#define FEW_INPUTS 16

static cd_tensor **values_of(cd_tensor **few, int n_in, cd_variable *const *in)
{
    cd_tensor **values = n_in <= FEW_INPUTS ? few : malloc((size_t)n_in * sizeof *values);
    for (int i = 0; values != NULL && i < n_in; i++) {
        values[i] = in[i] != NULL ? in[i]->value : NULL;
    }
    return values;
}

static void free_values(cd_tensor **few, cd_tensor **values)
{
    if (values != few) {
        free(values);
    }
}

/* v, made by a view operator from x. */
static void remember_base(cd_variable *v, cd_variable *x)
{
    if (!cd_grad_enabled()) {
        v->is_view_of_tracked = x->requires_grad;
    } else if (v->value->storage == x->value->storage && cd_dtype_is_float(v->value->dtype)) {
        v->is_view_of_tracked = x->is_view_of_tracked;
        v->base = cd_variable_retain(x->base != NULL ? x->base : x);
        v->seen = v->base->rewritten;
    }
}

static cd_status wrap_outputs(cd_variable **out, const cd_call *call, cd_node *node, cd_variable *const *in,
                              cd_error *err)
{
    for (int i = 0; i < call->op->n_out; i++) {
        bool tracked = node != NULL && cd_dtype_is_float(call->out[i]->dtype);
        CD_TRY(cd_variable_new(&out[i], cd_tensor_retain(call->out[i]), tracked, err));
        if (tracked) {
            out[i]->creator = node;
            out[i]->output = i;
            node->refs++;
        }
        if ((call->op->traits & CD_VIEW) != 0) {
            remember_base(out[i], in[0]);
        }
    }
    return CD_OK;
}

static cd_status apply_recorded(cd_variable **out, cd_call *call, cd_variable *const *in, cd_error *err)
{
    cd_node *node = NULL;
    cd_status status = cd_fuse_run(call, err);
    if (status == CD_OK && call->differentiable) {
        status = node_record(&node, call, in, err);
    }
    if (status == CD_OK) {
        status = wrap_outputs(out, call, node, in, err);
    }
    node_release(node);
    return status;
}

static void release_all(int n, cd_variable **v)
{
    for (int i = 0; i < n; i++) {
        cd_variable_release(v[i]);
        v[i] = NULL;
    }
}

/* *as is a new reference. */
static cd_status cast(cd_variable **as, cd_variable *v, cd_dtype dtype, cd_error *err)
{
    double attr[CD_CAST_ATTRS];
    if (v == NULL || v->value->dtype == dtype) {
        *as = cd_variable_retain(v);
        return CD_OK;
    }
    return cd_apply(as, cd_op_at(CD_OP_to_dtype), 1, &v, cd_cast_attributes(attr, dtype), attr, err);
}

static cd_status store_results(cd_variable **out, int n_out, int n_in, cd_tensor *const *in, cd_error *err)
{
    for (int i = 0; i < n_out; i++) {
        cd_variable *stored;
        CD_TRY(cast(&stored, out[i], cd_stored_type(out[i]->value->dtype, n_in, in), err));
        cd_variable_release(out[i]);
        out[i] = stored;
    }
    return CD_OK;
}

/* The operator on casts of its inputs, as autograd/compute.h says. */
static cd_status apply_to_casts(cd_variable **out, const cd_op *op, int n_in, cd_variable *const *in,
                                cd_tensor *const *values, int n_attr, const double *attr, cd_error *err)
{
    cd_variable **wide = calloc((size_t)n_in, sizeof *wide);
    cd_status status = wide == NULL ? no_node(err) : CD_OK;
    for (int i = 0; i < n_in && status == CD_OK; i++) {
        status =
            cast(&wide[i], in[i], values[i] == NULL ? CD_BOOL : cd_dtype_computed(values[i]->dtype), err);
    }
    if (status == CD_OK) {
        status = cd_apply(out, op, n_in, wide, n_attr, attr, err);
    }
    if (status == CD_OK) {
        status = store_results(out, op->n_out, n_in, values, err);
    }
    if (status != CD_OK) {
        release_all(op->n_out, out);
    }
    release_all(wide != NULL ? n_in : 0, wide);
    free(wide);
    return status;
}

cd_status cd_apply(cd_variable **out, const cd_op *op, int n_in, cd_variable *const *in, int n_attr,
                   const double *attr, cd_error *err)
{
    cd_tensor *few[FEW_INPUTS];
    cd_tensor **values = values_of(few, n_in, in);
    memset(out, 0, (size_t)op->n_out * sizeof *out);
    if (values == NULL) {
        return no_node(err);
    }
    if (cd_is_cast(op, n_in, values)) {
        cd_status status = apply_to_casts(out, op, n_in, in, values, n_attr, attr, err);
        free_values(few, values);
        return status;
    }
    cd_call call = {.op = op, .n_in = n_in, .in = values, .n_attr = n_attr, .attr = attr};
    cd_status status = sync_all(n_in, in, err);
    call.differentiable = cd_grad_enabled() && op->backward != NULL && any_requires_grad(n_in, in);
    if (status == CD_OK) {
        status = apply_recorded(out, &call, in, err);
    }
    if (status != CD_OK) {
        release_all(op->n_out, out);
    }
    cd_call_clear(&call);
    free_values(few, values);
    return status;
}

/* Expanded memory: a change of one element would be one of several. */
static bool is_expanded(const cd_tensor *t)
{
    for (int d = 0; d < t->ndim; d++) {
        if (t->shape[d] > 1 && t->stride[d] == 0) {
            return cd_tensor_numel(t) > 0;
        }
    }
    return false;
}

cd_status cd_check_in_place(const cd_variable *v, cd_error *err)
{
    if (v->value != NULL && is_expanded(v->value)) {
        return cd_fail(
            err, CD_EVALUE,
            "unsupported operation: more than one element of the written-to tensor refers to a single "
            "memory location. $clone() the expanded tensor before changing it in place.");
    }
    if (!cd_grad_enabled()) {
        return CD_OK;
    }
    if (v->requires_grad && v->creator == NULL) {
        return cd_fail(err, CD_EAUTOGRAD,
                       "a leaf Variable that requires grad is being used in an in-place operation. "
                       "Wrap the change in with_no_grad({ ... }).");
    }
    if (v->base != NULL && v->base->requires_grad && v->base->creator == NULL) {
        return cd_fail(err, CD_EAUTOGRAD,
                       "a view of a leaf Variable that requires grad is being used in an in-place operation. "
                       "Wrap the change in with_no_grad({ ... }).");
    }
    if (v->is_view_of_tracked) {
        return cd_fail(
            err, CD_EAUTOGRAD,
            "a view was created in no_grad mode and is being modified in place with grad mode enabled. "
            "Make the view and change it both inside or both outside of with_no_grad().");
    }
    return CD_OK;
}

/* Writes over the target directly when nothing recorded needs its old value. */
static bool can_overwrite(const cd_call *call, const cd_tensor *target)
{
    bool keeps_input = call->differentiable && (call->op->keeps & CD_KEEP_IN(0)) != 0;
    return (call->op->traits & CD_POINTWISE) != 0 && !keeps_input && cd_tensor_is_dense(target);
}

/* Backward reads inputs as they were before the change: those that are the target become a copy, *old. */
static cd_status keep_old(cd_tensor **old, cd_call *call, cd_tensor **values, cd_error *err)
{
    const unsigned keeps = call->op->keeps;
    cd_tensor *target = values[0];
    bool needed = false;
    for (int i = 0; i < call->n_in && call->differentiable; i++) {
        needed = needed || (values[i] == target &&
                            ((keeps & CD_KEEP_ALL_IN) != 0 || (i < 8 && (keeps & CD_KEEP_IN(i)) != 0)));
    }
    if (!needed) {
        return CD_OK;
    }
    CD_TRY(cd_tensor_materialise(target, err));
    CD_TRY(cd_tensor_clone(old, target, cd_tensor_preferred_layout(target), err));
    for (int i = 0; i < call->n_in; i++) {
        values[i] = values[i] == target ? *old : values[i];
    }
    return CD_OK;
}

static cd_status check_result(const cd_op *op, const cd_tensor *result, const cd_tensor *target,
                              cd_error *err)
{
    if (cd_dtype_is_float(result->dtype) && !cd_dtype_is_float(target->dtype)) {
        return cd_fail(err, CD_EDTYPE, "%s_: result type %s can't be cast to the desired output type %s.",
                       op->name, cd_dtype_name(result->dtype), cd_dtype_name(target->dtype));
    }
    return cd_check_fits(op, result, target, err);
}

static cd_status run_in_place(cd_call *call, cd_tensor *target, cd_error *err)
{
    bool done;
    CD_TRY(cd_fuse_in_place(&done, call, target, err));
    if (done) {
        return CD_OK;
    }
    CD_TRY(cd_tensor_will_change(target, err));
    if (can_overwrite(call, target)) {
        CD_TRY(call->op->shape(call, err));
        bool fits = call->out[0]->dtype == target->dtype && cd_tensor_same_strides(call->out[0], target);
        cd_tensor_release(call->out[0]);
        call->out[0] = NULL;
        if (fits) {
            CD_TRY(cd_call_run(call, target, err));
            target->storage->version++;
            return CD_OK;
        }
    }
    CD_TRY(cd_call_run(call, NULL, err));
    CD_TRY(cd_tensor_materialise(target, err));
    CD_TRY(check_result(call->op, call->out[0], target, err));
    return cd_tensor_copy(target, call->out[0], err);
}

static void continue_history(cd_variable *target, cd_node *node)
{
    stop_watching(target);
    node_release(target->creator);
    target->creator = node;
    target->output = 0;
    target->requires_grad = true;
    target->rewritten++;
    node->refs++;
    if (target->retains_grad) {
        node->watcher[0] = target;
    }
}

/* A node for an operation that has happened in place. in: the variables before it. */
static cd_status record_done(cd_node **node, cd_op_id op, cd_tensor *out, int n_in, cd_variable *const *in,
                             const cd_tensor *base, const cd_tensor *view, cd_error *err)
{
    double attr[CD_STRIDED_ATTRS];
    cd_tensor *values[2] = {NULL, NULL};
    for (int i = 0; i < n_in; i++) {
        values[i] = in[i]->value;
    }
    cd_call call = {.op = cd_op_at(op), .n_in = n_in, .in = values, .attr = attr, .out = {out}};
    call.n_attr = cd_strided_attributes(attr, base, view);
    return node_record(node, &call, in, err);
}

/* The base of a view whose new values `node` made: base = put(base, view). */
static cd_status rewrite_base(cd_variable *view, cd_node *node, cd_error *err)
{
    cd_node *put = NULL;
    cd_variable *base = view->base;
    cd_variable part = {.refs = 1, .value = view->value, .requires_grad = true, .creator = node};
    cd_status status = record_done(&put, CD_OP_put, base->value, 2, (cd_variable *const[]){base, &part},
                                   base->value, view->value, err);
    if (status == CD_OK) {
        continue_history(base, put);
        status = cd_variable_sync(view, err);
    }
    node_release(put);
    return status;
}

cd_status cd_variable_sync(cd_variable *v, cd_error *err)
{
    cd_node *node = NULL;
    cd_variable *base = v->base;
    if (base == NULL || v->seen == base->rewritten) {
        return CD_OK;
    }
    cd_status status =
        record_done(&node, CD_OP_as_strided, v->value, 1, &v->base, base->value, v->value, err);
    if (status == CD_OK) {
        continue_history(v, node);
        v->seen = base->rewritten;
    }
    node_release(node);
    return status;
}

static cd_status apply_in_place(cd_variable *target, cd_call *call, cd_tensor **values,
                                cd_variable *const *in, cd_error *err)
{
    cd_tensor *old = NULL, *value = target->value;
    cd_node *node = NULL;
    cd_status status = keep_old(&old, call, values, err);
    if (status == CD_OK) {
        status = run_in_place(call, value, err);
    }
    if (status == CD_OK && call->differentiable) {
        status = node_record(&node, call, in, err);
    }
    if (node != NULL && status == CD_OK && target->base != NULL) {
        status = rewrite_base(target, node, err);
    } else if (node != NULL && status == CD_OK) {
        continue_history(target, node);
    }
    node_release(node);
    cd_tensor_release(old);
    return status;
}

/* What is not computed in the types it is stored in is computed beside its place, and then written there. */
static cd_status apply_in_place_to_casts(cd_variable *target, const cd_op *op, int n_in,
                                         cd_variable *const *in, int n_attr, const double *attr,
                                         cd_error *err)
{
    cd_variable *result[CD_MAX_OUTPUTS];
    CD_TRY(cd_apply(result, op, n_in, in, n_attr, attr, err));
    cd_status status = check_result(op, result[0]->value, target->value, err);
    if (status == CD_OK) {
        status = cd_apply_in_place(target, cd_op_at(CD_OP_copy), 2, (cd_variable *const[]){target, result[0]},
                                   0, NULL, err);
    }
    release_all(op->n_out, result);
    return status;
}

cd_status cd_apply_in_place(cd_variable *target, const cd_op *op, int n_in, cd_variable *const *in,
                            int n_attr, const double *attr, cd_error *err)
{
    cd_tensor *few[FEW_INPUTS];
    CD_TRY(sync_all(n_in, in, err));
    CD_TRY(cd_check_in_place(target, err));
    cd_tensor **values = values_of(few, n_in, in);
    if (values == NULL) {
        return no_node(err);
    }
    if (cd_is_cast(op, n_in, values)) {
        free_values(few, values);
        return apply_in_place_to_casts(target, op, n_in, in, n_attr, attr, err);
    }
    cd_call call = {.op = op, .n_in = n_in, .in = values, .n_attr = n_attr, .attr = attr};
    call.differentiable = cd_grad_enabled() && op->backward != NULL && any_requires_grad(n_in, in);
    cd_status status = apply_in_place(target, &call, values, in, err);
    cd_call_clear(&call);
    free_values(few, values);
    return status;
}

/* ---- code of the user's ---- */

static cd_status custom_shape(cd_call *call, cd_error *err)
{
    return cd_fail(err, CD_EINTERNAL, "%s is not for calling.", call->op->name);
}

static cd_status custom_backward(cd_gradient *g, cd_error *err)
{
    return cd_fail(err, CD_EINTERNAL, "%s has no backward of its own.", g->op->name);
}

static const cd_op custom_op = {.name = "function",
                                .backward_name = "CustomFunction",
                                .max_in = CD_ANY_COUNT,
                                .n_out = CD_MAX_OUTPUTS,
                                .shape = custom_shape,
                                .backward = custom_backward};

static cd_status record_custom(cd_node **node, int n_out, cd_variable *const *out, int n_in,
                               cd_variable *const *in, cd_error *err)
{
    int64_t version;
    cd_node *n = node_new(&custom_op, n_in, 0, NULL);
    if (n == NULL) {
        return no_node(err);
    }
    *node = n;
    for (int i = 0; i < n_in; i++) {
        n->edges[i] = edge_to(in[i]);
        CD_TRY(keep(&n->in[i], &version, in[i] != NULL ? in[i]->value : NULL, false, err));
    }
    for (int i = 0; i < n_out; i++) {
        CD_TRY(keep(&n->out[i], &version, out[i] != NULL ? out[i]->value : NULL, false, err));
    }
    return CD_OK;
}

static void join_history(cd_node *node, int n_out, cd_variable *const *out)
{
    for (int i = 0; i < n_out; i++) {
        cd_variable *v = out[i];
        if (v != NULL && v->value != NULL && cd_dtype_is_float(v->value->dtype)) {
            continue_history(v, node);
            v->output = i;
        }
    }
}

cd_status cd_record_custom(int n_out, cd_variable *const *out, int n_in, cd_variable *const *in,
                           cd_callback callback, cd_error *err)
{
    cd_node *node = NULL;
    cd_status status = sync_all(n_in, in, err);
    if (status == CD_OK && cd_grad_enabled() && any_requires_grad(n_in, in)) {
        status = record_custom(&node, n_out, out, n_in, in, err);
    }
    cd_callback *custom = status == CD_OK && node != NULL ? cd_cell_new(sizeof *custom) : NULL;
    if (custom == NULL) {
        callback.release(callback.function);
        const bool nothing_to_do = status == CD_OK && node == NULL;
        node_release(node);
        return nothing_to_do || status != CD_OK ? status : no_node(err);
    }
    *custom = callback;
    node->custom = custom;
    join_history(node, n_out, out);
    node_release(node);
    return CD_OK;
}

static cd_hook **hooks_of(cd_variable *v)
{
    return v->creator != NULL ? &v->creator->hooks : &v->hooks;
}

cd_status cd_add_hook(int64_t *id, cd_variable *v, cd_callback callback, cd_error *err)
{
    static int64_t next_id = 1;
    cd_status status = cd_variable_sync(v, err);
    if (status == CD_OK && !v->requires_grad) {
        status =
            cd_fail(err, CD_EAUTOGRAD, "cannot register a hook on a tensor that doesn't require gradient.");
    }
    cd_hook *hook = status == CD_OK ? cd_cell_new(sizeof *hook) : NULL;
    if (hook == NULL) {
        callback.release(callback.function);
        return status != CD_OK ? status : no_node(err);
    }
    cd_hook **last = hooks_of(v);
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *hook = (cd_hook){.id = next_id++, .output = v->creator != NULL ? v->output : 0, .callback = callback};
    *last = hook;
    *id = hook->id;
    return CD_OK;
}

void cd_remove_hook(cd_variable *v, int64_t id)
{
    for (cd_hook **at = hooks_of(v); *at != NULL; at = &(*at)->next) {
        if ((*at)->id == id) {
            cd_hook *hook = *at;
            if (hook->running) {
                hook->id = 0; /* not called again, and freed with the others */
                return;
            }
            *at = hook->next;
            hook->next = NULL;
            hooks_free(hook);
            return;
        }
    }
}
