/* Variables and the tape: tensors that remember how they were computed.
 *
 * A cd_variable is what a user holds: a tensor, whether it requires a gradient, the gradient, and the node
 * that computed it (its creator; a leaf has none). Nodes hold what their operator's backward reads and, for
 * each input, an edge to the node or leaf it came from. Nodes never hold the variables they computed, so
 * there are no cycles.
 */
#ifndef CANDELA_AUTOGRAD_VARIABLE_H
#define CANDELA_AUTOGRAD_VARIABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "autograd/op.h"
#include "autograd/recording.h"
#include "base/status.h"
#include "tensor/tensor.h"

typedef struct cd_node cd_node;
typedef struct cd_variable cd_variable;

/* Code of the user's that backward calls: in (NULL where there is none) to out, new references or NULL.
 * `release` is called once, when nobody can call it any more. */
typedef struct cd_callback {
    cd_status (*call)(void *function, int n_in, cd_variable *const *in, int n_out, cd_variable **out,
                      cd_error *err);
    void (*release)(void *function);
    void *function;
} cd_callback;

/* A callback that sees the gradient of one variable, and may give another in its place. */
typedef struct cd_hook {
    struct cd_hook *next; /* in the order they were added in */
    int64_t id;           /* 0: removed */
    int output;           /* of the node */
    bool running;         /* backward goes through the list it is in */
    cd_callback callback;
} cd_hook;

struct cd_variable {
    int64_t refs;
    cd_tensor *value; /* NULL: undefined */
    bool requires_grad;
    bool retains_grad;         /* keep the gradient although not a leaf */
    bool is_view_of_tracked;   /* made without recording, of a variable that requires a gradient */
    cd_tensor *grad;           /* NULL: none */
    cd_variable *grad_history; /* of grad, where it can be differentiated itself; NULL: none */
    cd_hook *hooks;            /* of a leaf */
    cd_tensor *pending;        /* of a leaf with hooks, during backward: its gradient so far */
    cd_node *creator;          /* one reference; NULL for a leaf */
    int output;                /* which output of the creator */
    /* A view made while recording knows the variable whose memory it shows, which is none itself. When that
     * is changed in place, through itself or through any view, the history of all its views changes too:
     * cd_variable_sync(). */
    cd_variable *base; /* one reference; NULL: no view */
    int64_t rewritten; /* how often the history of a base has changed in place */
    int64_t seen;      /* base->rewritten when the history of a view was made */
};

typedef struct cd_edge {
    cd_node *node;     /* one reference, or NULL */
    int output;        /* of node */
    cd_variable *leaf; /* one reference, or NULL; neither: no gradient flows */
} cd_edge;

struct cd_node {
    int64_t refs;
    int64_t sequence; /* inputs of a node always have smaller numbers */
    const cd_op *op;
    int n_in;
    cd_edge *edges;
    cd_tensor **in; /* kept, or shape only */
    cd_tensor *out[CD_MAX_OUTPUTS];
    cd_tensor *saved[CD_MAX_SAVED];
    int64_t *in_version;
    int64_t out_version[CD_MAX_OUTPUTS];
    int n_attr;
    double *attr;
    bool freed;                           /* backward has been here */
    cd_variable *watcher[CD_MAX_OUTPUTS]; /* borrowed: a variable with retains_grad, or NULL */
    cd_tensor *dy[CD_MAX_OUTPUTS];        /* during backward */
    int64_t mark;                         /* of the backward pass that last visited it */
    cd_hook *hooks;                       /* of the outputs */
    cd_callback *custom;                  /* what goes backward in the place of op->backward, or NULL */
    cd_node *next_to_free;
};

/* Wraps a tensor (takes over the reference, also on failure). Caller owns one
 * reference. value may be NULL. */
cd_status cd_variable_new(cd_variable **v, cd_tensor *value, bool requires_grad, cd_error *err);
cd_variable *cd_variable_retain(cd_variable *v);
void cd_variable_release(cd_variable *v);

/* Applies an operator and records it where an input requires a gradient. out receives op->n_out new
 * references. in[i] may be NULL (absent). */
cd_status cd_apply(cd_variable **out, const cd_op *op, int n_in, cd_variable *const *in, int n_attr,
                   const double *attr, cd_error *err);

/* The same with the result written into target, which must be in[0]; its history then continues with this
 * operation, and that of the tensor it is a view of with put(base, result).
 * Errors: CD_EAUTOGRAD for a leaf that requires a gradient, a view of one, or a view made without recording;
 * CD_EVALUE for an expanded tensor. */
cd_status cd_apply_in_place(cd_variable *target, const cd_op *op, int n_in, cd_variable *const *in,
                            int n_attr, const double *attr, cd_error *err);

/* Brings the history of v up to date, where v is a view of what was changed in place since. To be called
 * before its creator or requires_grad is read. */
cd_status cd_variable_sync(cd_variable *v, cd_error *err);

/* May v be changed in place now? The check of cd_apply_in_place. */
cd_status cd_check_in_place(const cd_variable *v, cd_error *err);

/* v$requires_grad_(). Errors: CD_EAUTOGRAD for a non-leaf set to false, CD_EDTYPE for integers. */
cd_status cd_variable_require_grad(cd_variable *v, bool requires_grad, cd_error *err);

/* Keeps v's gradient in backward although v is no leaf. */
cd_status cd_variable_retain_grad(cd_variable *v, cd_error *err);

/* A variable on the same storage without history. */
cd_status cd_variable_detach(cd_variable **detached, const cd_variable *v, cd_error *err);

/* v becomes a leaf that requires no gradient. Errors: CD_EAUTOGRAD for a view, whose history is its
 * base's. */
cd_status cd_variable_forget_history(cd_variable *v, cd_error *err);

/* Gives up what a node keeps for backward, code of the user's too: its environment may hold what the node
 * computed. */
void cd_node_free_saved(cd_node *n);

/* A function of the user's: `out`, variables without history that were computed from `in`, get one whose
 * backward is the callback, from the gradients of out to those of in. It is taken over, also on failure.
 * Without recording, or where no input requires a gradient, nothing happens. n_out is at most
 * CD_MAX_OUTPUTS. */
cd_status cd_record_custom(int n_out, cd_variable *const *out, int n_in, cd_variable *const *in,
                           cd_callback callback, cd_error *err);

/* Calls the callback with the gradient of v when backward knows it; *id is for cd_remove_hook. The callback
 * is taken over, also on failure. Errors: CD_EAUTOGRAD where v requires no gradient. */
cd_status cd_add_hook(int64_t *id, cd_variable *v, cd_callback callback, cd_error *err);

/* Nothing happens where it is gone. */
void cd_remove_hook(cd_variable *v, int64_t id);

/* The gradient of v, and its history, become these; NULL removes. */
void cd_variable_set_grad(cd_variable *v, cd_tensor *grad, cd_variable *history);

/* Shall backward check every gradient for NaN? Returns what was before. */
bool cd_set_anomaly_detection(bool on);

/* Back-propagation: d(sum of root_grads * roots) / d(leaf), added to each leaf's grad. */
typedef struct cd_backward_pass {
    int n_roots;
    cd_variable *const *roots;
    cd_variable *const *root_grads; /* NULL, or NULL where a root has one element: 1 */
    bool retain_graph;              /* keep what the nodes saved */
    bool create_graph; /* record the pass, so that gradients can be differentiated (autograd/trail.h) */
    /* With targets nothing is added to leaves; target_grads receives the gradients of the targets instead,
     * new references (NULL where none flows). */
    int n_targets;
    cd_variable *const *targets;
    cd_variable **target_grads;
} cd_backward_pass;

/* Errors: CD_EAUTOGRAD (no graph, second time, changed in place, NaN found), CD_ESHAPE, CD_EINTERRUPT, and
 * those of callbacks. */
cd_status cd_backward(const cd_backward_pass *pass, cd_error *err);

#endif
