/* What R asks of a tensor handle, and gradients. */
#include <stdio.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "r/collect.h"
#include "r/glue.h"
#include "r/registry.h"
#include "tensor/copy.h"
#include "tensor/lazy.h"

SEXP cdr_is_undefined(SEXP x)
{
    return Rf_ScalarLogical(cdr_variable(x, "x")->value == NULL);
}

/* Asked of a list, R's vapply() would hold its elements beyond the call. */
SEXP cdr_are_tensors(SEXP x)
{
    if (TYPEOF(x) != VECSXP) {
        return Rf_ScalarLogical(false);
    }
    for (R_xlen_t i = 0; i < XLENGTH(x); i++) {
        if (!Rf_inherits(VECTOR_ELT(x, i), "candela_tensor")) {
            return Rf_ScalarLogical(false);
        }
    }
    return Rf_ScalarLogical(true);
}

SEXP cdr_shape(SEXP x)
{
    const cd_tensor *t = cdr_described(x, "self")->value;
    return cdr_sizes(t->ndim, t->shape);
}

SEXP cdr_dtype(SEXP x)
{
    return Rf_ScalarInteger(cdr_described(x, "self")->value->dtype);
}

SEXP cdr_requires_grad(SEXP x)
{
    return Rf_ScalarLogical(cdr_with_history(x, "self")->requires_grad);
}

SEXP cdr_set_requires_grad(SEXP x, SEXP value)
{
    cd_error err;
    cd_variable *v = cdr_with_history(x, "self");
    if (cd_variable_require_grad(v, cdr_flag(value, "requires_grad"), &err) != CD_OK) {
        cdr_raise(&err);
    }
    return x;
}

SEXP cdr_is_leaf(SEXP x)
{
    return Rf_ScalarLogical(cdr_with_history(x, "self")->creator == NULL);
}

SEXP cdr_retain_grad(SEXP x)
{
    cd_error err;
    if (cd_variable_retain_grad(cdr_with_history(x, "self"), &err) != CD_OK) {
        cdr_raise(&err);
    }
    return x;
}

/* Address of the first element, to tell whether two tensors share memory. */
SEXP cdr_data_ptr(SEXP x)
{
    char text[32];
    const cd_variable *v = cdr_looked_at(x, "self");
    snprintf(text, sizeof text, "%p", cd_tensor_data(v->value));
    return Rf_mkString(text);
}

/* Address of the variable: two handles of one variable have the same. */
SEXP cdr_identity(SEXP x)
{
    char text[32];
    snprintf(text, sizeof text, "%p", (void *)cdr_variable(x, "self"));
    return Rf_mkString(text);
}

/* The gradient as a tensor sharing its memory; undefined where there is none. */
SEXP cdr_grad(SEXP x)
{
    cd_error err;
    cd_tensor *alias = NULL;
    const cd_variable *v = cdr_variable(x, "self");
    SEXP handle = PROTECT(cdr_handle());
    if (v->grad_history != NULL) {
        cdr_handle_set(handle, cd_variable_retain(v->grad_history));
    } else {
        cd_status status = v->grad != NULL ? cd_tensor_alias(&alias, v->grad, &err) : CD_OK;
        cdr_handle_set_tensor(handle, alias, 0, status, &err);
    }
    UNPROTECT(1);
    return handle;
}

static void check_grad(const cd_tensor *grad, const cd_tensor *t)
{
    char has[CD_SHAPE_TEXT], wanted[CD_SHAPE_TEXT];
    if (!cd_tensor_same_shape(grad, t)) {
        cdr_stop(CD_ESHAPE, "`grad` must have the shape of the tensor, %s, but has %s.",
                 cd_shape_text(wanted, t->ndim, t->shape), cd_shape_text(has, grad->ndim, grad->shape));
    }
    if (grad->dtype != t->dtype) {
        cdr_stop(CD_EDTYPE, "`grad` must have the dtype of the tensor, %s, but has %s.",
                 cd_dtype_name(t->dtype), cd_dtype_name(grad->dtype));
    }
}

/* value: a tensor of the same shape and dtype, or NULL / undefined to remove the gradient. */
SEXP cdr_set_grad(SEXP x, SEXP value)
{
    cd_variable *v = cdr_defined(x, "self");
    cd_tensor *grad = value == R_NilValue ? NULL : cdr_variable(value, "grad")->value;
    if (grad != NULL) {
        check_grad(grad, v->value);
    }
    cd_error err;
    if (cd_tensor_materialise(grad, &err) != CD_OK) {
        cdr_raise(&err);
    }
    cd_variable_set_grad(v, grad, NULL);
    return x;
}

SEXP cdr_detach(SEXP x)
{
    cd_error err;
    cd_variable *detached;
    const cd_variable *v = cdr_defined(x, "self");
    SEXP handle = PROTECT(cdr_handle());
    if (cd_variable_detach(&detached, v, &err) != CD_OK) {
        cdr_raise(&err);
    }
    cdr_handle_set(handle, detached);
    UNPROTECT(1);
    return handle;
}

/* The variable becomes a leaf. */
SEXP cdr_detach_(SEXP x)
{
    cd_error err;
    if (cd_variable_forget_history(cdr_with_history(x, "self"), &err) != CD_OK) {
        cdr_raise(&err);
    }
    return x;
}

/* x shows the memory of another tensor of its dtype. */
SEXP cdr_set_data(SEXP x, SEXP data)
{
    cd_error err;
    cd_variable *to = cdr_variable(x, "self");
    const cd_variable *from = cdr_defined(data, "new_data");
    cd_tensor *alias;
    if (to->value != NULL && to->value->dtype != from->value->dtype) {
        cdr_stop(CD_EDTYPE, "`new_data` must have the dtype of the tensor, %s, but has %s.",
                 cd_dtype_name(to->value->dtype), cd_dtype_name(from->value->dtype));
    }
    if (cd_tensor_alias(&alias, from->value, &err) != CD_OK) {
        cdr_raise(&err);
    }
    cd_tensor_release(to->value);
    to->value = alias;
    return x;
}

SEXP cdr_output_nr(SEXP x)
{
    return Rf_ScalarInteger(cdr_with_history(x, "self")->output);
}

/* Address of the memory, to tell whether two tensors share it. */
SEXP cdr_storage_ptr(SEXP x)
{
    char text[32];
    snprintf(text, sizeof text, "%p", cdr_looked_at(x, "self")->value->storage->data);
    return Rf_mkString(text);
}

/* NULL asks, TRUE or FALSE sets; gives the state before. */
SEXP cdr_grad_mode(SEXP enabled)
{
    bool before = cd_grad_enabled();
    if (enabled != R_NilValue) {
        cd_set_grad_enabled(cdr_flag(enabled, "enabled"));
    }
    return Rf_ScalarLogical(before);
}

/* ---- a tensor behind another handle ---- */

static SEXP another_handle(SEXP handle)
{
    SEXP another = PROTECT(cdr_handle());
    Rf_copyMostAttrib(handle, another);
    cdr_handle_set(another, cd_variable_retain(R_ExternalPtrAddr(handle)));
    UNPROTECT(1);
    return another;
}

/* The same tensors behind handles of their own, for a call whose frames may refer to them longer than the old
 * handles are to live. Lists are gone through; anything else is left as it is. */
SEXP cdr_other_handles(SEXP x)
{
    if (cdr_is_handle(x)) {
        return R_ExternalPtrAddr(x) != NULL ? another_handle(x) : x;
    }
    if (TYPEOF(x) != VECSXP) {
        return x;
    }
    SEXP others = PROTECT(Rf_shallow_duplicate(x));
    for (R_xlen_t i = 0; i < Rf_xlength(x); i++) {
        SET_VECTOR_ELT(others, i, cdr_other_handles(VECTOR_ELT(x, i)));
    }
    UNPROTECT(1);
    return others;
}

/* ---- marks ---- */

/* A mark is lost when R writes it and reads it again: addresses of R objects kept beside it are no longer
 * right then. */
SEXP cdr_mark(void)
{
    static char here;
    return R_MakeExternalPtr(&here, R_NilValue, R_NilValue);
}

SEXP cdr_is_marked(SEXP mark)
{
    return Rf_ScalarLogical(TYPEOF(mark) == EXTPTRSXP && R_ExternalPtrAddr(mark) != NULL);
}

/* ---- the graph, as users see it ---- */

static SEXP node_tag(void)
{
    return Rf_install("candela_node");
}

static void finalize_node_holder(SEXP pointer)
{
    cd_variable *v = R_ExternalPtrAddr(pointer);
    R_ClearExternalPtr(pointer);
    cd_variable_release(v);
}

/* A node is shown through a variable that holds it: list(name, pointer), NULL where there is none. */
static SEXP describe_node(cd_node *node, int output)
{
    cd_error err;
    cd_variable *holder;
    SEXP result = PROTECT(Rf_allocVector(VECSXP, 2));
    SET_VECTOR_ELT(result, 0, Rf_mkString(node->op->backward_name));
    SEXP pointer = PROTECT(R_MakeExternalPtr(NULL, node_tag(), R_NilValue));
    R_RegisterCFinalizerEx(pointer, finalize_node_holder, FALSE);
    SET_VECTOR_ELT(result, 1, pointer);
    if (cd_variable_new(&holder, NULL, false, &err) != CD_OK) {
        cdr_raise(&err);
    }
    holder->creator = node;
    holder->output = output;
    node->refs++;
    R_SetExternalPtrAddr(pointer, holder);
    UNPROTECT(2);
    return result;
}

SEXP cdr_grad_fn(SEXP x)
{
    const cd_variable *v = cdr_with_history(x, "self");
    return v->creator == NULL ? R_NilValue : describe_node(v->creator, v->output);
}

static SEXP describe_edge(const cd_edge *edge)
{
    if (edge->node != NULL) {
        return describe_node(edge->node, edge->output);
    }
    SEXP leaf = PROTECT(Rf_allocVector(VECSXP, 2));
    SET_VECTOR_ELT(leaf, 0, Rf_mkString("torch::autograd::AccumulateGrad"));
    UNPROTECT(1);
    return leaf;
}

/* pointer: of a node as cdr_grad_fn gives it. The nodes its inputs came from. */
SEXP cdr_next_functions(SEXP pointer)
{
    if (TYPEOF(pointer) != EXTPTRSXP || R_ExternalPtrTag(pointer) != node_tag() ||
        R_ExternalPtrAddr(pointer) == NULL) {
        return Rf_allocVector(VECSXP, 0);
    }
    const cd_node *node = ((cd_variable *)R_ExternalPtrAddr(pointer))->creator;
    int count = 0;
    SEXP list = PROTECT(Rf_allocVector(VECSXP, node->n_in));
    for (int i = 0; i < node->n_in; i++) {
        if (node->edges[i].node != NULL || node->edges[i].leaf != NULL) {
            SET_VECTOR_ELT(list, count++, describe_edge(&node->edges[i]));
        }
    }
    list = Rf_lengthgets(list, count);
    UNPROTECT(1);
    return list;
}

/* ---- settings ---- */

#define MOST_THREADS 1000000

SEXP cdr_threads(SEXP n)
{
    if (n != R_NilValue) {
        const int64_t threads = cdr_int64(n, "num_threads");
        cd_set_threads(threads < MOST_THREADS ? (int)threads : MOST_THREADS);
    }
    return Rf_ScalarInteger(cd_threads());
}

/* Instruction set in use, the best this machine has; reads CANDELA_SIMD anew. */
SEXP cdr_cpu(void)
{
    cd_cpu_refresh();
    SEXP names = PROTECT(Rf_allocVector(STRSXP, 2));
    SET_STRING_ELT(names, 0, Rf_mkChar(cd_cpu_name(cd_cpu_level())));
    SET_STRING_ELT(names, 1, Rf_mkChar(cd_cpu_name(cd_cpu_best())));
    UNPROTECT(1);
    return names;
}

/* NULL asks, TRUE or FALSE sets whether operators may defer work to fuse it; gives the state before. */
SEXP cdr_fusing(SEXP on)
{
    bool before = cd_deferring();
    if (on != R_NilValue) {
        cd_set_deferring(cdr_flag(on, "on"));
    }
    return Rf_ScalarLogical(before);
}

/* Bytes in use, cached, and the peak of the first. */
SEXP cdr_memory(void)
{
    cd_memory_counters count = cd_memory_count();
    SEXP bytes = PROTECT(Rf_allocVector(REALSXP, 3));
    REAL(bytes)[0] = (double)count.in_use;
    REAL(bytes)[1] = (double)count.cached;
    REAL(bytes)[2] = (double)count.peak;
    UNPROTECT(1);
    return bytes;
}

/* limit: bytes, 0 for none, NULL to leave it; trim: give unused blocks back; reset_peak. */
SEXP cdr_memory_control(SEXP limit, SEXP trim, SEXP reset_peak)
{
    if (limit != R_NilValue) {
        cd_memory_set_limit((size_t)cdr_int64(limit, "limit"));
    }
    if (cdr_flag(trim, "trim")) {
        cdr_handles_trim();
        cd_memory_trim();
    }
    if (cdr_flag(reset_peak, "reset_peak")) {
        cd_memory_reset_peak();
    }
    return R_NilValue;
}
