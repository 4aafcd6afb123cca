/* Back-propagation: visits the nodes behind the roots in the reverse of the order they were made in. */
#include <stdlib.h>
#include <string.h>

#include "autograd/fuse.h"
#include "autograd/pointwise.h"
#include "autograd/second.h"
#include "autograd/trail.h"
#include "autograd/variable.h"
#include "base/interrupt.h"
#include "tensor/copy.h"
#include "tensor/lazy.h"

static int64_t next_mark = 1;
static bool detecting = false;

bool cd_set_anomaly_detection(bool on)
{
    const bool before = detecting;
    detecting = on;
    return before;
}

typedef struct {
    cd_node **nodes;
    int64_t count, capacity;
} node_list;

static cd_status append(node_list *list, cd_node *n, cd_error *err)
{
    if (list->count == list->capacity) {
        int64_t capacity = list->capacity > 0 ? 2 * list->capacity : 256;
        cd_node **nodes = realloc(list->nodes, (size_t)capacity * sizeof *nodes);
        if (nodes == NULL) {
            return cd_fail(err, CD_EALLOC, "cannot allocate the list of the graph's nodes.");
        }
        list->nodes = nodes;
        list->capacity = capacity;
    }
    list->nodes[list->count++] = n;
    return CD_OK;
}

/* Breadth first: the list itself is the queue. */
static cd_status collect(node_list *list, int n_roots, cd_variable *const *roots, cd_error *err)
{
    int64_t mark = next_mark++;
    for (int i = 0; i < n_roots; i++) {
        cd_node *n = roots[i]->creator;
        if (n != NULL && n->mark != mark) {
            n->mark = mark;
            CD_TRY(append(list, n, err));
        }
    }
    for (int64_t k = 0; k < list->count; k++) {
        cd_node *n = list->nodes[k];
        for (int i = 0; i < n->n_in; i++) {
            cd_node *input = n->edges[i].node;
            if (input != NULL && input->mark != mark) {
                input->mark = mark;
                CD_TRY(append(list, input, err));
            }
        }
    }
    return CD_OK;
}

static int by_falling_sequence(const void *a, const void *b)
{
    int64_t x = (*(cd_node *const *)a)->sequence, y = (*(cd_node *const *)b)->sequence;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* *sum += t. The first contribution is retained, not copied: it may be shared, so a second one makes a new
 * sum. */
static cd_status accumulate(cd_tensor **sum, cd_tensor *t, cd_error *err)
{
    if (*sum == NULL) {
        *sum = cd_tensor_retain(t);
        return CD_OK;
    }
    cd_tensor *total, *pair[2] = {*sum, t};
    CD_TRY(cd_run1(&total, CD_OP_add, 2, pair, 0, NULL, err));
    cd_tensor_release(*sum);
    *sum = total;
    return CD_OK;
}

/* In the layout of the leaf. */
static cd_status first_gradient(cd_variable *leaf, cd_tensor *t, cd_error *err)
{
    const cd_layout layout = cd_tensor_preferred_layout(leaf->value);
    const bool as_wanted =
        layout == CD_CHANNELS_LAST ? cd_tensor_is_channels_last(t) : cd_tensor_is_contiguous(t);
    if (as_wanted && t->storage->refs == 1 && t->refs == 1) {
        leaf->grad = cd_tensor_retain(t);
        return CD_OK;
    }
    return cd_tensor_clone(&leaf->grad, t, layout, err);
}

/* A leaf keeps its gradient: it must own the memory, dense, and later passes add to it in place, so that a
 * user who holds x$grad sees it grow. */
static cd_status accumulate_leaf(cd_variable *leaf, cd_tensor *t, cd_error *err)
{
    if (leaf->grad == NULL) {
        return first_gradient(leaf, t, err);
    }
    if (leaf->grad->dtype == t->dtype && cd_dtype_has_kernels(t->dtype) && cd_tensor_is_dense(leaf->grad)) {
        leaf->grad->storage->version++;
        return cd_binary_into(leaf->grad, CDK_ADD, leaf->grad, t, t->dtype, "add", err);
    }
    cd_tensor *total, *pair[2] = {leaf->grad, t};
    CD_TRY(cd_run1(&total, CD_OP_add, 2, pair, 0, NULL, err));
    cd_status status = cd_tensor_copy(leaf->grad, total, err);
    cd_tensor_release(total);
    return status;
}

/* A pass that is recorded: gradients are tensors with a history, which a sum in place would lose. */
static cd_status accumulate_recorded(cd_trail *trail, cd_variable *leaf, cd_tensor *t, cd_error *err)
{
    cd_tensor *total = NULL;
    if (leaf->grad == NULL) {
        cd_variable_set_grad(leaf, t, t->history);
        return CD_OK;
    }
    if (leaf->grad_history != NULL) {
        CD_TRY(cd_trail_know(trail, leaf->grad, cd_variable_retain(leaf->grad_history), err));
    }
    CD_TRY(accumulate(&total, leaf->grad, err));
    cd_status status = accumulate(&total, t, err);
    if (status == CD_OK) {
        cd_variable_set_grad(leaf, total, total->history);
    }
    cd_tensor_release(total);
    return status;
}

/* A pass as it runs. */
typedef struct {
    const cd_backward_pass *asked;
    cd_tensor **target_sum; /* one for each target */
    cd_trail *trail;        /* NULL unless it is recorded */
    node_list nodes;
    int n_hooked, most_hooked;
    cd_variable **hooked; /* leaves with hooks that a gradient has reached */
} backward_pass;

static bool keeps_graph(const backward_pass *pass)
{
    return pass->asked->retain_graph;
}

static int target_index(const backward_pass *pass, const cd_variable *leaf)
{
    for (int i = 0; i < pass->asked->n_targets; i++) {
        if (pass->asked->targets[i] == leaf) {
            return i;
        }
    }
    return -1;
}

static cd_status accumulate_grad(const backward_pass *pass, cd_variable *v, cd_tensor *dx, cd_error *err)
{
    return pass->trail != NULL ? accumulate_recorded(pass->trail, v, dx, err) : accumulate_leaf(v, dx, err);
}

static cd_status accumulate_at(const backward_pass *pass, cd_variable *leaf, cd_tensor *dx, cd_error *err)
{
    if (pass->asked->n_targets == 0) {
        return accumulate_grad(pass, leaf, dx, err);
    }
    int i = target_index(pass, leaf);
    return i < 0 ? CD_OK : accumulate(&pass->target_sum[i], dx, err);
}

/* Hooks see the whole gradient of a leaf: it is delivered when the pass is over. */
static cd_status hold_back(backward_pass *pass, cd_variable *leaf, cd_tensor *dx, cd_error *err)
{
    if (leaf->pending == NULL) {
        if (pass->n_hooked == pass->most_hooked) {
            const int most = pass->most_hooked > 0 ? 2 * pass->most_hooked : 16;
            cd_variable **hooked = realloc(pass->hooked, (size_t)most * sizeof *hooked);
            if (hooked == NULL) {
                return cd_fail(err, CD_EALLOC, "cannot allocate the list of leaves with hooks.");
            }
            pass->hooked = hooked;
            pass->most_hooked = most;
        }
        pass->hooked[pass->n_hooked++] = cd_variable_retain(leaf);
    }
    return accumulate(&leaf->pending, dx, err);
}

static cd_status deliver(backward_pass *pass, const cd_edge *edge, cd_tensor *dx, cd_error *err)
{
    if (edge->node != NULL) {
        return accumulate(&edge->node->dy[edge->output], dx, err);
    }
    return edge->leaf->hooks != NULL ? hold_back(pass, edge->leaf, dx, err)
                                     : accumulate_at(pass, edge->leaf, dx, err);
}

/* ---- code of the user's ---- */

/* Calls it as if no pass were going on. */
static cd_status call_back(const backward_pass *pass, const cd_callback *callback, int n_in,
                           cd_tensor *const *in, int n_out, cd_variable **out, cd_error *err)
{
    cd_variable *v[CD_MAX_OUTPUTS] = {NULL};
    cd_status status = CD_OK;
    for (int i = 0; i < n_in && status == CD_OK; i++) {
        status = in[i] != NULL ? cd_trail_variable(&v[i], in[i], err) : CD_OK;
    }
    if (status == CD_OK) {
        cd_trail *trail = cd_trail_pause();
        const bool before = cd_set_grad_enabled(pass->trail != NULL);
        status = callback->call(callback->function, n_in, v, n_out, out, err);
        cd_set_grad_enabled(before);
        cd_trail_resume(trail);
    }
    for (int i = 0; i < n_in; i++) {
        cd_variable_release(v[i]);
    }
    return status;
}

/* What the callback gave, as a gradient of the shape of `like`. Takes over v. */
static cd_status take_gradient(cd_tensor **gradient, const backward_pass *pass, cd_variable *v,
                               const cd_tensor *like, cd_error *err)
{
    char have[CD_SHAPE_TEXT], want[CD_SHAPE_TEXT];
    cd_tensor *t = v->value;
    cd_status status = cd_tensor_materialise(t, err);
    if (status == CD_OK && !cd_tensor_same_shape(t, like)) {
        status =
            cd_fail(err, CD_ESHAPE, "a gradient has shape %s where the tensor has %s: they must be the same.",
                    cd_shape_text(have, t->ndim, t->shape), cd_shape_text(want, like->ndim, like->shape));
    }
    if (status != CD_OK) {
        cd_variable_release(v);
        return status;
    }
    cd_tensor *old = *gradient;
    *gradient = cd_tensor_retain(t);
    cd_tensor_release(old);
    if (pass->trail == NULL) {
        cd_variable_release(v);
        return CD_OK;
    }
    return cd_trail_know(pass->trail, t, v, err);
}

static void mark_running(cd_hook *hook, bool running)
{
    for (; hook != NULL; hook = hook->next) {
        hook->running = running;
    }
}

static cd_status run_each_hook(const backward_pass *pass, const cd_hook *hook, int output,
                               cd_tensor **gradient, cd_error *err)
{
    for (; hook != NULL; hook = hook->next) {
        cd_variable *other = NULL;
        if (hook->output != output || hook->id == 0) {
            continue;
        }
        CD_TRY(call_back(pass, &hook->callback, 1, gradient, 1, &other, err));
        if (other != NULL) {
            CD_TRY(take_gradient(gradient, pass, other, *gradient, err));
        }
    }
    return CD_OK;
}

static cd_status run_hooks(const backward_pass *pass, cd_hook *hooks, int output, cd_tensor **gradient,
                           cd_error *err)
{
    if (hooks == NULL || *gradient == NULL) {
        return CD_OK;
    }
    mark_running(hooks, true);
    cd_status status = run_each_hook(pass, hooks, output, gradient, err);
    mark_running(hooks, false);
    return status;
}

static cd_status deliver_hooked(backward_pass *pass, cd_error *err)
{
    cd_status status = CD_OK;
    for (int i = 0; i < pass->n_hooked; i++) {
        cd_variable *leaf = pass->hooked[i];
        cd_tensor *gradient = leaf->pending;
        leaf->pending = NULL;
        if (status == CD_OK) {
            status = run_hooks(pass, leaf->hooks, 0, &gradient, err);
        }
        if (status == CD_OK) {
            status = accumulate_at(pass, leaf, gradient, err);
        }
        cd_tensor_release(gradient);
        cd_variable_release(leaf);
    }
    pass->n_hooked = 0;
    return status;
}

static cd_status run_custom(const backward_pass *pass, const cd_node *n, const bool *wants, cd_tensor **dx,
                            cd_error *err)
{
    cd_variable **out = calloc((size_t)n->n_in + 1, sizeof *out);
    if (out == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate gradients.");
    }
    cd_status status = call_back(pass, n->custom, n->op->n_out, n->dy, n->n_in, out, err);
    for (int i = 0; i < n->n_in; i++) {
        if (out[i] != NULL && status == CD_OK && wants[i] && out[i]->value != NULL) {
            status = take_gradient(&dx[i], pass, out[i], n->in[i], err);
        } else {
            cd_variable_release(out[i]);
        }
    }
    free(out);
    return status;
}

static cd_status check_versions(const cd_node *n, cd_error *err)
{
    bool changed = false;
    int64_t expected = 0, found = 0;
    for (int i = 0; i < n->n_in + CD_MAX_OUTPUTS && !changed; i++) {
        const cd_tensor *t = i < n->n_in ? n->in[i] : n->out[i - n->n_in];
        if (t != NULL && t->storage != NULL) {
            expected = i < n->n_in ? n->in_version[i] : n->out_version[i - n->n_in];
            found = t->storage->version;
            changed = expected != found;
        }
    }
    if (!changed) {
        return CD_OK;
    }
    return cd_fail(err, CD_EAUTOGRAD,
                   "one of the variables needed for gradient computation has been modified by an inplace "
                   "operation: %s needs a tensor that is at version %lld; expected version %lld instead. "
                   "Use the operation without the trailing underscore, or $clone() the tensor before.",
                   n->op->backward_name, (long long)found, (long long)expected);
}

static cd_status check_usable(const cd_node *n, cd_error *err)
{
    if (n->freed) {
        return cd_fail(
            err, CD_EAUTOGRAD,
            "Trying to backward through the graph a second time, but the saved intermediate results "
            "have already been freed. Specify retain_graph = TRUE when calling backward the first "
            "time.");
    }
    return check_versions(n, err);
}

/* Gradients of watched outputs, and of targets that are not leaves. */
static cd_status hand_out(const backward_pass *pass, cd_node *n, cd_error *err)
{
    const cd_backward_pass *asked = pass->asked;
    for (int o = 0; o < n->op->n_out; o++) {
        CD_TRY(run_hooks(pass, n->hooks, o, &n->dy[o], err));
        if (n->dy[o] == NULL) {
            continue;
        }
        if (n->watcher[o] != NULL && asked->n_targets == 0) {
            CD_TRY(accumulate_grad(pass, n->watcher[o], n->dy[o], err));
        }
        for (int i = 0; i < asked->n_targets; i++) {
            if (asked->targets[i]->creator == n && asked->targets[i]->output == o) {
                pass->target_sum[i] = cd_tensor_retain(n->dy[o]);
            }
        }
    }
    return CD_OK;
}

static bool has_gradient(const cd_node *n)
{
    for (int o = 0; o < n->op->n_out; o++) {
        if (n->dy[o] != NULL) {
            return true;
        }
    }
    return false;
}

static cd_gradient gradient_of(const cd_node *n, bool *wants, cd_tensor **dx)
{
    cd_gradient g = {.op = n->op,
                     .n_in = n->n_in,
                     .in = n->in,
                     .n_attr = n->n_attr,
                     .attr = n->attr,
                     .out = n->out,
                     .saved = n->saved,
                     .wants = wants,
                     .dx = dx};
    memcpy(g.dy, n->dy, sizeof g.dy);
    for (int i = 0; i < n->n_in; i++) {
        wants[i] = n->edges[i].node != NULL || n->edges[i].leaf != NULL;
    }
    return g;
}

static bool gradient_is_looked_at(const backward_pass *pass, const cd_node *n)
{
    bool looked_at = n->watcher[0] != NULL || n->hooks != NULL || detecting;
    for (int i = 0; i < pass->asked->n_targets; i++) {
        looked_at = looked_at || pass->asked->targets[i]->creator == n;
    }
    return looked_at;
}

/* Inputs of a join are few; one of many is not worth looking at. */
#define FEW_PARTS 8

/* Where n's first input is a join of which one part alone wants a gradient, and the gradient of the whole is
 * of interest to nobody: that part. */
static bool finds_part(cd_part *part, const backward_pass *pass, const cd_node *n, const cd_gradient *g)
{
    const cd_node *join = n->n_in > 0 ? n->edges[0].node : NULL;
    bool wants[FEW_PARTS];
    if (join == NULL || join->n_in > FEW_PARTS || gradient_is_looked_at(pass, join)) {
        return false;
    }
    const cd_gradient of_join = gradient_of(join, wants, NULL);
    return cd_fuse_finds_part(part, g, &of_join);
}

static cd_status know(cd_trail *trail, cd_tensor *t, const cd_edge *edge, cd_error *err)
{
    cd_variable *v;
    if (t == NULL || t->storage == NULL || (edge->node == NULL && edge->leaf == NULL)) {
        return CD_OK;
    }
    if (edge->leaf != NULL) {
        return cd_trail_know(trail, t, cd_variable_retain(edge->leaf), err);
    }
    CD_TRY(cd_variable_new(&v, cd_tensor_retain(t), true, err));
    v->creator = edge->node;
    v->output = edge->output;
    edge->node->refs++;
    return cd_trail_know(trail, t, v, err);
}

/* Backward by operators that are recorded, what they read being known with its history. */
static cd_status run_second(const backward_pass *pass, cd_node *n, cd_gradient *g, cd_error *err)
{
    for (int i = 0; i < n->n_in; i++) {
        CD_TRY(know(pass->trail, n->in[i], &n->edges[i], err));
    }
    for (int i = 0; i < n->op->n_out; i++) {
        const cd_edge itself = {n, i, NULL};
        CD_TRY(know(pass->trail, n->out[i], &itself, err));
    }
    return cd_second(g, err);
}

static cd_status check_no_nan(const cd_node *n, int i, cd_tensor *dx, cd_error *err)
{
    cd_tensor *nan = NULL, *any = NULL;
    CD_TRY(cd_run1(&nan, CD_OP_isnan, 1, &dx, 0, NULL, err));
    cd_status status = cd_run1(&any, CD_OP_any, 1, &nan, 0, NULL, err);
    if (status == CD_OK && *(const uint8_t *)cd_tensor_data(any) != 0) {
        status = cd_fail(err, CD_EAUTOGRAD, "Function '%s' returned nan values in its %dth output.",
                         n->op->backward_name, i);
    }
    cd_tensor_release(nan);
    cd_tensor_release(any);
    return status;
}

static cd_status deliver_all(backward_pass *pass, const cd_node *n, const bool *wants, cd_tensor **dx,
                             const cd_edge *first, cd_error *err)
{
    for (int i = 0; i < n->n_in; i++) {
        if (dx[i] != NULL && wants[i]) {
            if (detecting) {
                CD_TRY(check_no_nan(n, i, dx[i], err));
            }
            CD_TRY(deliver(pass, i == 0 ? first : &n->edges[i], dx[i], err));
        }
        cd_tensor_release(dx[i]);
        dx[i] = NULL;
    }
    return CD_OK;
}

static cd_status run_backward(backward_pass *pass, cd_node *n, bool *wants, cd_tensor **dx, cd_error *err)
{
    cd_part part;
    cd_gradient g = gradient_of(n, wants, dx);
    const cd_edge *first = n->edges;
    g.frees_kept = !keeps_graph(pass) && pass->trail == NULL;
    if (n->custom != NULL) {
        CD_TRY(run_custom(pass, n, wants, dx, err));
    } else if (pass->trail != NULL) {
        CD_TRY(run_second(pass, n, &g, err));
    } else {
        const bool is_part = finds_part(&part, pass, n, &g);
        const bool is_long =
            cd_stoppable_begin(cd_is_long_work(n->op->n_out, n->dy) || cd_is_long_work(n->n_in, n->in));
        first = is_part ? &n->edges[0].node->edges[part.input] : first;
        CD_TRY(cd_stoppable_end(
            is_long, is_part ? cd_fuse_backward_part(&g, &part, err) : n->op->backward(&g, err), err));
    }
    return deliver_all(pass, n, wants, dx, first, err);
}

static void forget_gradients(cd_node *n)
{
    for (int o = 0; o < CD_MAX_OUTPUTS; o++) {
        cd_tensor_release(n->dy[o]);
        n->dy[o] = NULL;
    }
}

/* What is known of a node's own tensors, and of intermediate results. */
static void forget_node(cd_trail *trail, const cd_node *n, int64_t from)
{
    for (int i = 0; i < n->n_in; i++) {
        cd_trail_forget_tensor(trail, n->in[i], from);
    }
    for (int i = 0; i < n->op->n_out; i++) {
        cd_trail_forget_tensor(trail, n->out[i], from);
    }
    cd_trail_forget(trail, from, from);
}

static cd_status visit(backward_pass *pass, cd_node *n, cd_error *err)
{
    const int64_t known = pass->trail != NULL ? pass->trail->count : 0;
    if (!has_gradient(n)) {
        return CD_OK;
    }
    CD_TRY(cd_interrupt_check(err));
    CD_TRY(check_usable(n, err));
    CD_TRY(hand_out(pass, n, err));
    n->freed = !keeps_graph(pass);
    bool *wants = calloc((size_t)n->n_in + 1, sizeof *wants);
    cd_tensor **dx = calloc((size_t)n->n_in + 1, sizeof *dx);
    cd_status status = wants != NULL && dx != NULL ? run_backward(pass, n, wants, dx, err)
                                                   : cd_fail(err, CD_EALLOC, "cannot allocate gradients.");
    for (int i = 0; dx != NULL && i < n->n_in; i++) {
        cd_tensor_release(dx[i]);
    }
    free(wants);
    free(dx);
    forget_gradients(n);
    if (pass->trail != NULL) {
        forget_node(pass->trail, n, known);
    }
    if (status == CD_OK && !keeps_graph(pass)) {
        cd_node_free_saved(n);
    }
    return status;
}

static cd_status seed_root(backward_pass *pass, cd_variable *root, cd_tensor *grad, cd_error *err)
{
    char have[CD_SHAPE_TEXT], want[CD_SHAPE_TEXT];
    cd_edge edge = {root->creator, root->output, root};
    cd_tensor *seed;
    if (!root->requires_grad) {
        return cd_fail(err, CD_EAUTOGRAD,
                       "element 0 of tensors does not require grad and does not have a grad_fn: nothing to "
                       "differentiate. Was it computed inside with_no_grad(), or from tensors without "
                       "requires_grad = TRUE?");
    }
    if (grad != NULL) {
        if (!cd_tensor_same_shape(grad, root->value)) {
            return cd_fail(err, CD_ESHAPE, "the gradient has shape %s, the tensor %s: they must be the same.",
                           cd_shape_text(have, grad->ndim, grad->shape),
                           cd_shape_text(want, root->value->ndim, root->value->shape));
        }
        return deliver(pass, &edge, grad, err);
    }
    if (cd_tensor_numel(root->value) != 1) {
        return cd_fail(err, CD_EAUTOGRAD,
                       "grad can be implicitly created only for scalar outputs, got a tensor of shape %s. "
                       "Reduce it with $sum() or $mean(), or pass `gradient`.",
                       cd_shape_text(have, root->value->ndim, root->value->shape));
    }
    CD_TRY(
        cd_tensor_new(&seed, root->value->dtype, root->value->ndim, root->value->shape, CD_CONTIGUOUS, err));
    cd_status status = cd_tensor_fill(seed, 1, err);
    if (status == CD_OK) {
        status = deliver(pass, &edge, seed, err);
    }
    cd_tensor_release(seed);
    return status;
}

static cd_status seed_roots(backward_pass *pass, cd_error *err)
{
    const cd_backward_pass *asked = pass->asked;
    for (int i = 0; i < asked->n_roots; i++) {
        cd_variable *grad = asked->root_grads != NULL ? asked->root_grads[i] : NULL;
        if (grad != NULL && pass->trail != NULL && grad->requires_grad) {
            CD_TRY(cd_trail_know(pass->trail, grad->value, cd_variable_retain(grad), err));
        }
        CD_TRY(seed_root(pass, asked->roots[i], grad != NULL ? grad->value : NULL, err));
    }
    return CD_OK;
}

static cd_status run_pass(backward_pass *pass, cd_error *err)
{
    node_list *list = &pass->nodes;
    CD_TRY(collect(list, pass->asked->n_roots, pass->asked->roots, err));
    if (list->count > 0) {
        qsort(list->nodes, (size_t)list->count, sizeof *list->nodes, by_falling_sequence);
    }
    CD_TRY(seed_roots(pass, err));
    for (int64_t k = 0; k < list->count; k++) {
        CD_TRY(visit(pass, list->nodes[k], err));
    }
    return deliver_hooked(pass, err);
}

/* The gradients of the targets as variables. */
static cd_status give_targets(const backward_pass *pass, cd_status status, cd_error *err)
{
    const cd_backward_pass *asked = pass->asked;
    for (int i = 0; i < asked->n_targets; i++) {
        cd_tensor *sum = pass->target_sum[i];
        if (status == CD_OK && sum != NULL) {
            status = cd_trail_variable(&asked->target_grads[i], sum, err);
        }
        cd_tensor_release(sum);
    }
    for (int i = 0; status != CD_OK && i < asked->n_targets; i++) {
        cd_variable_release(asked->target_grads[i]);
        asked->target_grads[i] = NULL;
    }
    return status;
}

static void pass_clear(backward_pass *pass)
{
    for (int i = 0; i < pass->n_hooked; i++) {
        cd_tensor_release(pass->hooked[i]->pending);
        pass->hooked[i]->pending = NULL;
        cd_variable_release(pass->hooked[i]);
    }
    free(pass->hooked);
    free(pass->nodes.nodes);
    free(pass->target_sum);
}

cd_status cd_backward(const cd_backward_pass *asked, cd_error *err)
{
    backward_pass pass = {.asked = asked};
    pass.target_sum = calloc((size_t)asked->n_targets + 1, sizeof(cd_tensor *));
    if (pass.target_sum == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate gradients.");
    }
    cd_trail trail, *paused = asked->create_graph ? NULL : cd_trail_pause();
    const bool recorded = cd_set_grad_enabled(false);
    if (asked->create_graph) {
        cd_trail_open(&trail);
        pass.trail = &trail;
    }
    for (int i = 0; i < asked->n_targets; i++) {
        asked->target_grads[i] = NULL;
    }
    cd_status status = run_pass(&pass, err);
    for (int64_t k = 0; status != CD_OK && k < pass.nodes.count; k++) {
        forget_gradients(pass.nodes.nodes[k]);
    }
    status = give_targets(&pass, status, err);
    if (pass.trail != NULL) {
        cd_trail_close(pass.trail);
    } else {
        cd_trail_resume(paused);
    }
    pass_clear(&pass);
    cd_set_grad_enabled(recorded);
    return status;
}
