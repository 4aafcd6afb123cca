/* Backward from R, and code of the user's that it calls. */
#include <setjmp.h>

#include "r/collect.h"
#include "r/glue.h"
#include "r/held.h"
#include "r/registry.h"

cd_variable *cdr_with_history(SEXP x, const char *what)
{
    cd_error err;
    cd_variable *v = cdr_variable(x, what);
    if (cd_variable_sync(v, &err) != CD_OK) {
        cdr_raise(&err);
    }
    return v;
}

/* ---- callbacks: R functions of a list of tensors that give a list of tensors or NULL ---- */

/* An R function that fails, or is left another way, must not jump over the engine: R's jump ends here, the
 * engine returns with a status, and the jump goes on from the entry point that is running, which has a token
 * for it. */
typedef struct {
    SEXP token;
    bool jumped; /* from a function of this pass, not of one inside */
} unwinding;

static unwinding current = {NULL, false};

typedef struct {
    SEXP function;
    int n_in;
    cd_variable *const *in;
} r_call;

static SEXP evaluate(void *context)
{
    const r_call *c = context;
    SEXP list = PROTECT(Rf_allocVector(VECSXP, c->n_in));
    for (int i = 0; i < c->n_in; i++) {
        if (c->in[i] != NULL) {
            SET_VECTOR_ELT(list, i, cdr_handle());
            cdr_handle_set(VECTOR_ELT(list, i), cd_variable_retain(c->in[i]));
        }
    }
    SEXP call = PROTECT(Rf_lang2(c->function, list));
    SEXP result = Rf_eval(call, R_GlobalEnv);
    UNPROTECT(2);
    return result;
}

static void leave(void *buffer, Rboolean jump)
{
    if (jump) {
        longjmp(*(jmp_buf *)buffer, 1);
    }
}

/* The variable of element i of a list, retained; NULL where it has none. */
static cd_variable *element(SEXP list, int i)
{
    SEXP x = i < Rf_length(list) ? VECTOR_ELT(list, i) : R_NilValue;
    cd_variable *v = cdr_is_handle(x) ? R_ExternalPtrAddr(x) : NULL;
    return v != NULL && v->value != NULL ? cd_variable_retain(v) : NULL;
}

static cd_status call_r(void *function, int n_in, cd_variable *const *in, int n_out, cd_variable **out,
                        cd_error *err)
{
    jmp_buf buffer;
    r_call call = {cdr_held_function(function), n_in, in};
    for (int i = 0; i < n_out; i++) {
        out[i] = NULL;
    }
    if (current.token == NULL) {
        return cd_fail(err, CD_EINTERNAL, "a function was called outside of a backward pass.");
    }
    if (setjmp(buffer)) {
        current.jumped = true;
        return cd_fail(err, CD_EINTERRUPT, "a function called by backward failed.");
    }
    SEXP result = R_UnwindProtect(evaluate, &call, leave, &buffer, current.token);
    for (int i = 0; i < n_out && TYPEOF(result) == VECSXP; i++) {
        out[i] = element(result, i);
    }
    return CD_OK;
}

static cd_callback callback_of(SEXP function)
{
    if (!Rf_isFunction(function)) {
        cdr_stop(CD_EVALUE, "`hook` must be a function.");
    }
    void *held = cdr_hold(function);
    if (held == NULL) {
        cdr_stop(CD_EALLOC, "cannot allocate a function of the graph.");
    }
    return (cd_callback){call_r, cdr_release_function, held};
}

/* hook: a function of list(gradient) that gives list(another one, or NULL). Gives the number by which it is
 * removed. */
SEXP cdr_add_hook(SEXP x, SEXP hook)
{
    cd_error err;
    int64_t id = 0;
    cd_variable *v = cdr_defined(x, "self");
    if (cd_add_hook(&id, v, callback_of(hook), &err) != CD_OK) {
        cdr_raise(&err);
    }
    return Rf_ScalarReal((double)id);
}

SEXP cdr_remove_hook(SEXP x, SEXP id)
{
    cd_remove_hook(cdr_with_history(x, "self"), cdr_int64(id, "id"));
    return R_NilValue;
}

/* ---- backward ---- */

/* R_alloc memory is freed by R at the end of the .Call, also when an error is raised. NULL in the list stays
 * NULL where `optional`. */
static cd_variable **variables_of(SEXP list, const char *what, bool optional)
{
    int n = Rf_length(list);
    cd_variable **v = (cd_variable **)R_alloc((size_t)n + 1, sizeof *v);
    for (int i = 0; i < n; i++) {
        SEXP x = VECTOR_ELT(list, i);
        v[i] = NULL;
        if (!optional || x != R_NilValue) {
            cdr_defined(x, what);
            v[i] = cdr_with_history(x, what);
        }
    }
    return v;
}

/* outputs: tensors computed from `inputs`; backward: a function of the list of their gradients (NULL where
 * there is none) that gives the list of those of the inputs. */
SEXP cdr_record_function(SEXP outputs, SEXP inputs, SEXP backward)
{
    cd_error err;
    cd_variable **out = variables_of(outputs, "outputs", true), **in = variables_of(inputs, "inputs", true);
    const int n = Rf_length(outputs);
    if (n > CD_MAX_OUTPUTS) {
        cdr_stop(CD_EVALUE, "a function may return at most %d tensors with a gradient, got %d.",
                 CD_MAX_OUTPUTS, n);
    }
    if (cd_record_custom(n, out, Rf_length(inputs), in, callback_of(backward), &err) != CD_OK) {
        cdr_raise(&err);
    }
    return outputs;
}

/* roots: list of tensors; root_grads: list of tensors or NULL, or NULL. */
static cd_backward_pass pass_of(SEXP roots, SEXP root_grads, SEXP retain_graph, SEXP create_graph)
{
    const int n = Rf_length(roots);
    if (root_grads != R_NilValue && Rf_length(root_grads) != n) {
        cdr_stop(CD_EVALUE, "%d gradients for %d tensors.", Rf_length(root_grads), n);
    }
    return (cd_backward_pass){
        .n_roots = n,
        .roots = variables_of(roots, "tensors", false),
        .root_grads = root_grads != R_NilValue ? variables_of(root_grads, "gradient", true) : NULL,
        .retain_graph = cdr_flag(retain_graph, "retain_graph"),
        .create_graph = cdr_flag(create_graph, "create_graph")};
}

static void run(const cd_backward_pass *pass)
{
    cd_error err;
    const unwinding outer = current;
    current = (unwinding){PROTECT(R_MakeUnwindCont()), false};
    cd_status status = cd_backward(pass, &err);
    const unwinding mine = current;
    current = outer;
    if (status != CD_OK && mine.jumped) {
        R_ContinueUnwind(mine.token);
    }
    if (status != CD_OK) {
        cdr_raise(&err);
    }
    UNPROTECT(1);
}

SEXP cdr_backward(SEXP roots, SEXP root_grads, SEXP retain_graph, SEXP create_graph)
{
    const cd_backward_pass pass = pass_of(roots, root_grads, retain_graph, create_graph);
    cdr_collect_before_backward();
    run(&pass);
    return R_NilValue;
}

/* Gradients of the roots with respect to targets, as a list; an element is undefined where none flows. */
SEXP cdr_backward_to(SEXP roots, SEXP root_grads, SEXP retain_graph, SEXP create_graph, SEXP targets)
{
    cd_error err;
    const int n = Rf_length(targets);
    cd_backward_pass pass = pass_of(roots, root_grads, retain_graph, create_graph);
    pass.n_targets = n;
    pass.targets = variables_of(targets, "inputs", false);
    pass.target_grads = (cd_variable **)R_alloc((size_t)n + 1, sizeof(cd_variable *));
    SEXP list = PROTECT(Rf_allocVector(VECSXP, n));
    for (int i = 0; i < n; i++) {
        SET_VECTOR_ELT(list, i, cdr_handle());
    }
    if (n > 0) {
        run(&pass);
    }
    for (int i = 0; i < n; i++) {
        if (pass.target_grads[i] != NULL) {
            cdr_handle_set(VECTOR_ELT(list, i), pass.target_grads[i]);
        } else {
            cdr_handle_set_tensor(VECTOR_ELT(list, i), NULL, 0, CD_OK, &err);
        }
    }
    UNPROTECT(1);
    return list;
}

/* Gives the state before. */
SEXP cdr_anomaly(SEXP on)
{
    return Rf_ScalarLogical(cd_set_anomaly_detection(cdr_flag(on, "enabled")));
}
