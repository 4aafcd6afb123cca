/* Operators: what one is, and the table of all of them.
 *
 * An operator is three small functions side by side in one file of its family (op_*.c):
 *
 *   shape     checks the inputs and announces the outputs with cd_out() (dtype, shape, layout), or, for a
 *             view, makes them with cd_tensor_view(); nothing is computed;
 *   forward   fills the outputs, whose memory is there by then; absent for views;
 *   backward  turns the gradients of the outputs (dy) into those of the inputs (dx); absent where there is
 *             none.
 *
 * Inputs are tensors, attributes are numbers in an order the file gives names to with an enum. To add one:
 * write it, add its line to table.def, give it a name in R. An operator knows no other one: what is computed
 * together with its neighbours is for autograd/fuse.c to see, which asks `fused`.
 */
#ifndef CANDELA_AUTOGRAD_OP_H
#define CANDELA_AUTOGRAD_OP_H

#include <stdbool.h>

#include "autograd/operators.h"
#include "base/status.h"
#include "kernels/epilogue.h"
#include "tensor/tensor.h"

#define CD_MAX_OUTPUTS 4
#define CD_MAX_SAVED 4
#define CD_ANY_COUNT 1000000

/* What backward reads besides dy; anything else is there as dtype and shape only. */
#define CD_KEEP_IN(i) (1u << (i)) /* i < 8 */
#define CD_KEEP_OUT(i) (1u << (8 + (i)))
#define CD_KEEP_ALL_IN (1u << 16) /* operators with any number of inputs */

/* Traits. */
#define CD_VIEW (1u << 0) /* outputs share the storage of in[0] */
#define CD_POINTWISE \
    (1u << 1) /* out[0][i] depends on in[0][i] only through reading it first: out may be in[0] */

#define CD_NUMBERS \
    (1u << 2) /* a plain number is an operand of its own kind; elsewhere it is a tensor of one element */

#define CD_ANY_DTYPE (1u << 6) /* moves elements, also of types that are only stored (autograd/compute.h) */

/* How backward itself is differentiated, for gradients of gradients; one of them, or the function `second`.
 * An operator with neither has no second derivative: asking for it is an error that names the operator. */
#define CD_COMPOSED (1u << 3) /* backward consists of operators (cd_run, cd_expr): they are recorded */
#define CD_LINEAR (1u << 4)   /* in in[0]; other inputs are indices, which keeps has */
#define CD_SCALES (1u << 5) /* element by element, dx = dy * slope, and the slope is constant but for jumps */

typedef struct cd_op cd_op;

/* One call of an operator, going forward. */
typedef struct cd_call {
    const cd_op *op;
    int n_in;
    cd_tensor *const *in; /* borrowed; NULL where an optional input is absent */
    int n_attr;
    const double *attr;
    bool differentiable;            /* backward may come: put what it needs into saved */
    cd_tensor *out[CD_MAX_OUTPUTS]; /* owned by the call */
    cd_tensor *saved[CD_MAX_SAVED]; /* owned by the call: results forward keeps for backward */
} cd_call;

/* The same call, going backward. */
typedef struct cd_gradient {
    const cd_op *op;
    int n_in;
    cd_tensor *const *in; /* kept inputs with data, others without storage; NULL where absent */
    int n_attr;
    const double *attr;
    cd_tensor *const *out; /* kept outputs with data, others without storage */
    cd_tensor *const *saved;
    cd_tensor *dy[CD_MAX_OUTPUTS]; /* gradient of each output, any strides; NULL means zero */
    const bool *wants;             /* per input: is its gradient asked for? */
    cd_tensor **dx;  /* per input: set to a new or retained tensor where wanted; NULL means zero */
    bool frees_kept; /* nobody goes backward through this call again: kept inputs may be released early */
} cd_gradient;

/* What an operator may be asked to do in the same pass over memory as its own work (autograd/fuse.h asks).
 * Vectors have one element for each channel; NULL means not asked for. */
typedef struct cd_fused {
    bool only_asks;           /* compute nothing, answer whether it can be done */
    const cdk_affine *before; /* convolutions: in[0] is replaced by its affine image on the way */
    cdk_epilogue after;       /* convolutions: activation and mask of the result */
    /* Mean and sum of squared distances from it: a convolution writes those of its result; a batch norm reads
     * those of in[0], which then needs no storage. */
    double *mean, *M2;
    /* A batch norm writes what it does to each channel, y = scale x + shift, here and leaves out[0] alone. */
    double *scale, *shift;
} cd_fused;

struct cd_op {
    const char *name;          /* "conv2d" */
    const char *backward_name; /* "ConvolutionBackward0", what printing shows; NULL: not differentiable */
    int min_in, max_in;        /* how many inputs */
    int min_attr, max_attr;    /* how many numbers; 0 and 0: none */
    int n_out;
    unsigned keeps;
    unsigned traits;
    cd_status (*shape)(cd_call *call, cd_error *err);
    cd_status (*forward)(cd_call *call, cd_error *err);
    cd_status (*backward)(cd_gradient *g, cd_error *err);
    /* Optional: the same as backward made of operators only, slower, for gradients of gradients. It reads
     * what backward reads (keeps), and of `saved` what does not depend on the inputs. */
    cd_status (*second)(cd_gradient *g, cd_error *err);
    /* Optional: forward and what `with` asks for, in one pass; *done is false, and nothing has happened,
     * where the operator cannot do that. Inputs have storage, but not where with->only_asks. out[0] may be a
     * slice of the channels of a larger channels-last tensor. */
    cd_status (*fused)(bool *done, cd_call *call, const cd_fused *with, cd_error *err);
};

/* Announces output i: dtype, shape, layout. */
cd_status cd_out(cd_call *call, int i, cd_dtype dtype, int ndim, const int64_t *shape, cd_layout layout,
                 cd_error *err);

/* Output i has the dtype, shape and layout of t. */
cd_status cd_out_like(cd_call *call, int i, const cd_tensor *t, cd_error *err);

/* The shape of t in a cd_format (tensor/format.h). */
cd_status cd_out_format(cd_call *call, int i, cd_dtype dtype, const cd_tensor *t, int64_t format,
                        cd_error *err);

/* The same with the order in memory of t, whatever it is: for element by element work. */
cd_status cd_out_ordered_like(cd_call *call, int i, const cd_tensor *t, cd_error *err);

/* Attribute i as an integer; NaN and what is out of range become the nearest end of int64. */
int64_t cd_int_attr(const double *attr, int i);

/* Backward will not read in[i] again: its memory is released where g->frees_kept, unless somebody else holds
 * it. */
void cd_gradient_done_with(const cd_gradient *g, int i);

/* Runs an operator on tensors, without recording anything: for operators built from others and for backward
 * functions. out receives op->n_out new references. */
cd_status cd_run(cd_tensor **out, const cd_op *op, int n_in, cd_tensor *const *in, int n_attr,
                 const double *attr, cd_error *err);

/* Does op, given these tensors, compute on casts of them, because some are of a type that is only stored? */
bool cd_is_cast(const cd_op *op, int n, cd_tensor *const *in);

/* Makes the operators known, in the order of their ids; the array is not copied. For table.c alone, which
 * refers to all operators: this file, which they refer to, cannot. */
void cd_ops_install(const cd_op *const *operators);

/* The operator with this id; NULL where id is out of range. */
const cd_op *cd_op_at(int id);

/* What runs in the place of cd_run, or NULL: the recorder of autograd/trail.h. Returns what did before. */
typedef cd_status (*cd_runner)(cd_tensor **out, const cd_op *op, int n_in, cd_tensor *const *in, int n_attr,
                               const double *attr, cd_error *err);
cd_runner cd_set_runner(cd_runner runner);

/* Is cd_run recorded? Then formulas must consist of operators, views too. */
bool cd_run_is_recorded(void);

/* The position of an operator in the table. */
cd_op_id cd_op_id_of(const cd_op *op);

/* cd_run for the operator with this id, which has one output. */
cd_status cd_run1(cd_tensor **out, cd_op_id id, int n_in, cd_tensor *const *in, int n_attr,
                  const double *attr, cd_error *err);

/* The steps of cd_run, for the recorder: checks counts, materialises the inputs, runs shape, allocates
 * (unless target is given, which then becomes out[0]), runs forward. The caller owns call->out and
 * call->saved afterwards, also on failure. */
cd_status cd_call_run(cd_call *call, cd_tensor *target, cd_error *err);
void cd_call_clear(cd_call *call);

/* Parts of cd_call_run, for fusion: the check of the counts; the inputs from the first'th on; what follows
 * shape. */
cd_status cd_call_check(const cd_call *call, cd_error *err);
cd_status cd_call_materialise(const cd_call *call, int first, cd_error *err);
cd_status cd_call_compute(cd_call *call, cd_error *err);

/* Whether an operator that reads or writes these, some of them NULL, takes so long that the user may stop it
 * in its middle (cd_stoppable_begin). Its functions then end with CD_EINTERRUPT; before they change what
 * outlives the call, they ask cd_stoppable_check(). */
bool cd_is_long_work(int n, cd_tensor *const *tensor);

/* CD_ESHAPE unless an in-place operation's result has the shape of its target. */
cd_status cd_check_fits(const cd_op *op, const cd_tensor *result, const cd_tensor *target, cd_error *err);

#endif
