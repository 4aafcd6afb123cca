/* Back-propagation: visits the nodes behind the roots in the reverse of the order they were made in. */
#include <stdlib.h>
#include <string.h>

#include "autograd/fuse.h"
#include "autograd/pointwise.h"
#include "autograd/variable.h"
#include "base/interrupt.h"
#include "tensor/copy.h"

static int64_t next_mark = 1;

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
    if (leaf->grad->dtype == t->dtype && cd_tensor_is_dense(leaf->grad)) {
        leaf->grad->storage->version++;
        return cd_binary_into(leaf->grad, CDK_ADD, leaf->grad, t, t->dtype, "add", err);
    }
    cd_tensor *total, *pair[2] = {leaf->grad, t};
    CD_TRY(cd_run1(&total, CD_OP_add, 2, pair, 0, NULL, err));
    cd_status status = cd_tensor_copy(leaf->grad, total, err);
    cd_tensor_release(total);
    return status;
}

typedef struct {
    bool retain_graph;
    int n_targets;
    cd_variable *const *targets;
    cd_tensor **target_grads;
} backward_pass;

static int target_index(const backward_pass *pass, const cd_variable *leaf)
{
    for (int i = 0; i < pass->n_targets; i++) {
        if (pass->targets[i] == leaf) {
            return i;
        }
    }
    return -1;
}

static cd_status deliver(const backward_pass *pass, const cd_edge *edge, cd_tensor *dx, cd_error *err)
{
    if (edge->node != NULL) {
        return accumulate(&edge->node->dy[edge->output], dx, err);
    }
    if (pass->n_targets == 0) {
        return accumulate_leaf(edge->leaf, dx, err);
    }
    int i = target_index(pass, edge->leaf);
    return i < 0 ? CD_OK : accumulate(&pass->target_grads[i], dx, err);
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
    for (int o = 0; o < n->op->n_out; o++) {
        if (n->dy[o] == NULL) {
            continue;
        }
        if (n->watcher[o] != NULL && pass->n_targets == 0) {
            CD_TRY(accumulate_leaf(n->watcher[o], n->dy[o], err));
        }
        for (int i = 0; i < pass->n_targets; i++) {
            if (pass->targets[i]->creator == n && pass->targets[i]->output == o) {
                pass->target_grads[i] = cd_tensor_retain(n->dy[o]);
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
    bool looked_at = n->watcher[0] != NULL;
    for (int i = 0; i < pass->n_targets; i++) {
        looked_at = looked_at || pass->targets[i]->creator == n;
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

static cd_status run_backward(const backward_pass *pass, cd_node *n, bool *wants, cd_tensor **dx,
                              cd_error *err)
{
    cd_part part;
    cd_gradient g = gradient_of(n, wants, dx);
    g.frees_kept = !pass->retain_graph;
    const bool is_part = finds_part(&part, pass, n, &g);
    CD_TRY(is_part ? cd_fuse_backward_part(&g, &part, err) : n->op->backward(&g, err));
    for (int i = 0; i < n->n_in; i++) {
        if (dx[i] != NULL && wants[i]) {
            const bool to_part = i == 0 && is_part;
            CD_TRY(deliver(pass, to_part ? &n->edges[0].node->edges[part.input] : &n->edges[i], dx[i], err));
        }
        cd_tensor_release(dx[i]);
        dx[i] = NULL;
    }
    return CD_OK;
}

static void forget_gradients(cd_node *n)
{
    for (int o = 0; o < CD_MAX_OUTPUTS; o++) {
        cd_tensor_release(n->dy[o]);
        n->dy[o] = NULL;
    }
}

static cd_status visit(const backward_pass *pass, cd_node *n, cd_error *err)
{
    if (!has_gradient(n)) {
        return CD_OK;
    }
    CD_TRY(cd_interrupt_check(err));
    CD_TRY(check_usable(n, err));
    CD_TRY(hand_out(pass, n, err));
    n->freed = !pass->retain_graph;
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
    if (status == CD_OK && !pass->retain_graph) {
        cd_node_free_saved(n);
    }
    return status;
}

static cd_status seed_root(const backward_pass *pass, cd_variable *root, cd_tensor *grad, cd_error *err)
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

static cd_status run_pass(const backward_pass *pass, node_list *list, int n_roots, cd_variable *const *roots,
                          cd_tensor *const *root_grads, cd_error *err)
{
    CD_TRY(collect(list, n_roots, roots, err));
    if (list->count > 0) {
        qsort(list->nodes, (size_t)list->count, sizeof *list->nodes, by_falling_sequence);
    }
    for (int i = 0; i < n_roots; i++) {
        CD_TRY(seed_root(pass, roots[i], root_grads != NULL ? root_grads[i] : NULL, err));
    }
    for (int64_t k = 0; k < list->count; k++) {
        CD_TRY(visit(pass, list->nodes[k], err));
    }
    return CD_OK;
}

cd_status cd_backward(int n_roots, cd_variable *const *roots, cd_tensor *const *root_grads, bool retain_graph,
                      int n_targets, cd_variable *const *targets, cd_tensor **target_grads, cd_error *err)
{
    backward_pass pass = {retain_graph, n_targets, targets, target_grads};
    node_list list = {NULL, 0, 0};
    bool recorded = cd_set_grad_enabled(false);
    for (int i = 0; i < n_targets; i++) {
        target_grads[i] = NULL;
    }
    cd_status status = run_pass(&pass, &list, n_roots, roots, root_grads, err);
    for (int64_t k = 0; status != CD_OK && k < list.count; k++) {
        forget_gradients(list.nodes[k]);
    }
    for (int i = 0; status != CD_OK && i < n_targets; i++) {
        cd_tensor_release(target_grads[i]);
        target_grads[i] = NULL;
    }
    free(list.nodes);
    cd_set_grad_enabled(recorded);
    return status;
}
