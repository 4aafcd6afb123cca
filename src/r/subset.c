/* `x[i, j, ...]` and `x[i, j, ...] <- value`: R index expressions, already evaluated, become codes of one
 * view and tensors that index the view. */
#include <string.h>

#include "r/glue.h"
#include "r/registry.h"
#include "tensor/format.h"
#include "tensor/slice.h"

/* No tensor has more dimensions; new ones and an ellipsis come on top. */
#define MAX_INDICES 32

typedef struct {
    int n;                                         /* codes */
    double code[1 + MAX_INDICES * CD_INDEX_WIDTH]; /* [0] is the dim of the tensor index, for assign */
    int n_tensors;
    cd_variable *tensor[MAX_INDICES]; /* owned */
    int position[MAX_INDICES];        /* of the tensor's code */
    bool drop;
} parsed;

static void parsed_clear(parsed *p)
{
    for (int i = 0; i < p->n_tensors; i++) {
        cd_variable_release(p->tensor[i]);
    }
}

static double *code_at(parsed *p, int i)
{
    return p->code + 1 + i * CD_INDEX_WIDTH;
}

static void add_code(parsed *p, cd_index_kind kind, double a, double b, double c)
{
    double *code = code_at(p, p->n++);
    code[0] = kind;
    code[1] = a;
    code[2] = b;
    code[3] = c;
}

static cd_status add_tensor(parsed *p, cd_variable *v, cd_error *err)
{
    const cd_tensor *t = v->value;
    p->position[p->n_tensors] = p->n;
    p->tensor[p->n_tensors++] = v;
    if (t->dtype != CD_BOOL && t->dtype != CD_INT64) {
        return cd_fail(err, CD_EDTYPE, "Only long and boolean tensors are supported as an index, got %s.",
                       cd_dtype_name(t->dtype));
    }
    add_code(p, CD_INDEX_MASKED, t->dtype == CD_BOOL ? t->ndim : 1, 0, 0);
    return CD_OK;
}

static cd_status add_vector(parsed *p, SEXP x, cd_error *err)
{
    cd_tensor *t;
    cd_variable *v;
    bool nothing = TYPEOF(x) == LGLSXP && Rf_xlength(x) == 1 && LOGICAL_RO(x)[0] == NA_LOGICAL;
    int64_t none = 0;
    const double *real = TYPEOF(x) == REALSXP && !Rf_inherits(x, "integer64") ? REAL_RO(x) : NULL;
    for (R_xlen_t i = 0; real != NULL && i < Rf_xlength(x); i++) {
        if (ISNAN(real[i])) {
            return cd_fail(err, CD_EINDEX, "element %lld of an index is NA.", (long long)i + 1);
        }
    }
    cd_status status = nothing ? cd_tensor_new(&t, CD_INT64, 1, &none, CD_CONTIGUOUS, err)
                               : cdr_tensor_from_r(&t, x, TYPEOF(x) == LGLSXP ? CD_BOOL : CD_INT64, err);
    if (status != CD_OK) {
        cd_tensor_release(t);
        return status;
    }
    CD_TRY(cd_variable_new(&v, t, false, err));
    return add_tensor(p, v, err);
}

static bool is_scalar(SEXP x)
{
    return (TYPEOF(x) == REALSXP || TYPEOF(x) == INTSXP) && Rf_xlength(x) == 1 &&
           !Rf_inherits(x, "integer64") && Rf_getAttrib(x, R_DimSymbol) == R_NilValue;
}

static cd_status add_scalar(parsed *p, double at, cd_error *err)
{
    if (ISNAN(at)) {
        return cd_fail(err, CD_EINDEX, "an index is NA.");
    }
    if (p->drop) {
        add_code(p, CD_INDEX_AT, at, 0, 0);
        return CD_OK;
    }
    add_code(p, CD_INDEX_MASKED, 1, at, 0);
    return CD_OK;
}

static bool is_word(SEXP x, const char *word)
{
    return TYPEOF(x) == STRSXP && Rf_xlength(x) == 1 && strcmp(CHAR(STRING_ELT(x, 0)), word) == 0;
}

/* Start, end and step, as slc() makes them. */
static cd_status add_slice(parsed *p, SEXP x, cd_error *err)
{
    if (TYPEOF(x) != REALSXP || Rf_xlength(x) != 3) {
        return cd_fail(err, CD_EINDEX,
                       "a slice of three numbers is made by slc(), this one is something else.");
    }
    const double *range = REAL_RO(x);
    add_code(p, CD_INDEX_RANGE, range[0], range[1], range[2]);
    return CD_OK;
}

static cd_status add_index(parsed *p, SEXP x, cd_error *err)
{
    cd_variable *v;
    if (p->n == MAX_INDICES) {
        return cd_fail(err, CD_EINDEX, "at most %d indices.", MAX_INDICES);
    }
    if (x == R_NilValue) {
        add_code(p, CD_INDEX_NEW, 0, 0, 0);
    } else if (is_word(x, "all") || is_word(x, "ellipsis")) {
        add_code(p, is_word(x, "all") ? CD_INDEX_ALL : CD_INDEX_ELLIPSIS, 0, 0, 0);
    } else if (cdr_is_handle(x)) {
        CD_TRY(cdr_as_variable(&v, x, (cdr_company){.dtype = -1}, err));
        return v != NULL ? add_tensor(p, v, err)
                         : cd_fail(err, CD_EVALUE, "an index is an undefined tensor.");
    } else if (Rf_inherits(x, "slice")) {
        return add_slice(p, x, err);
    } else if (is_scalar(x)) {
        return add_scalar(p, Rf_asReal(x), err);
    } else if (TYPEOF(x) == REALSXP || TYPEOF(x) == INTSXP || TYPEOF(x) == LGLSXP) {
        return add_vector(p, x, err);
    } else {
        return cd_fail(err, CD_EINDEX, "a tensor cannot be indexed by an object of type '%s'.",
                       Rf_type2char(TYPEOF(x)));
    }
    return CD_OK;
}

/* With drop = FALSE a number keeps its dimension: it becomes a range of one element, checked against the
 * size. */
static cd_status keep_scalar_dims(parsed *p, const cd_tensor *x, cd_error *err)
{
    int dim = 0, taken = 0;
    for (int i = 0; i < p->n; i++) {
        const double *code = code_at(p, i);
        taken += code[0] == CD_INDEX_MASKED ? (int)code[1] : code[0] < CD_INDEX_NEW;
    }
    for (int i = 0; i < p->n; i++) {
        double *code = code_at(p, i);
        int uses = code[0] == CD_INDEX_MASKED ? (int)code[1] : code[0] < CD_INDEX_NEW;
        bool kept = code[0] == CD_INDEX_MASKED && code[2] != 0;
        uses = code[0] == CD_INDEX_ELLIPSIS ? x->ndim - taken : uses;
        if (kept && dim < x->ndim && (code[2] > (double)x->shape[dim] || code[2] < -(double)x->shape[dim])) {
            return cd_fail(err, CD_EINDEX, "index %lld is out of bounds for dimension %d with size %lld.",
                           (long long)code[2], dim + 1, (long long)x->shape[dim]);
        }
        if (kept) {
            code[0] = CD_INDEX_RANGE;
            code[1] = code[2];
            code[3] = 1;
        }
        dim += uses;
    }
    return CD_OK;
}

static cd_status parse(parsed *p, SEXP list, bool drop, const cd_tensor *x, cd_error *err)
{
    p->n = 0;
    p->n_tensors = 0;
    p->drop = drop;
    for (int i = 0; i < Rf_length(list); i++) {
        CD_TRY(add_index(p, VECTOR_ELT(list, i), err));
    }
    return drop ? CD_OK : keep_scalar_dims(p, x, err);
}

/* Dimension of the view in which each tensor index starts. */
static void place_tensors(int *dim, parsed *p, const cd_tensor *x)
{
    int used = 0, at = 0, next = 0;
    for (int i = 0; i < p->n; i++) {
        const double *code = code_at(p, i);
        used += code[0] == CD_INDEX_MASKED ? (int)code[1] : code[0] < CD_INDEX_NEW;
    }
    for (int i = 0; i < p->n; i++) {
        const double *code = code_at(p, i);
        if (next < p->n_tensors && p->position[next] == i) {
            dim[next++] = at;
        }
        switch ((cd_index_kind)code[0]) {
        case CD_INDEX_AT:
            break;
        case CD_INDEX_ELLIPSIS:
            at += x->ndim - used;
            break;
        case CD_INDEX_MASKED:
            at += (int)code[1];
            break;
        default:
            at++;
        }
    }
}

static const cd_op *view_op(parsed *p)
{
    for (int i = p->n - 1; i >= 0; i--) {
        double kind = code_at(p, i)[0];
        if (kind == CD_INDEX_AT || kind == CD_INDEX_RANGE || kind == CD_INDEX_NEW) {
            return cd_op_at(kind == CD_INDEX_AT ? CD_OP_select : CD_OP_slice);
        }
    }
    return p->n_tensors > 0 ? NULL : cd_op_at(CD_OP_slice);
}

/* *out = *out indexed by the tensors, one after the other. */
static cd_status apply_tensors(cd_variable **out, parsed *p, int *dim, cd_error *err)
{
    const cd_op *op = cd_op_at(CD_OP_index);
    int shift = 0;
    for (int i = 0; i < p->n_tensors; i++) {
        const cd_tensor *index = p->tensor[i]->value;
        cd_variable *in[2] = {*out, p->tensor[i]}, *next;
        double at = dim[i] + shift;
        CD_TRY(cd_apply(&next, op, 2, in, 1, &at, err));
        cd_variable_release(*out);
        *out = next;
        shift += index->dtype == CD_BOOL ? 1 - index->ndim : index->ndim - 1;
    }
    return CD_OK;
}

static cd_status index_variable(cd_variable **out, cd_variable *x, parsed *p, cd_error *err)
{
    int dim[MAX_INDICES];
    const cd_op *op = view_op(p);
    place_tensors(dim, p, x->value);
    if (op != NULL) {
        CD_TRY(cd_apply(out, op, 1, &x, p->n * CD_INDEX_WIDTH, p->code + 1, err));
    } else {
        *out = cd_variable_retain(x);
    }
    return apply_tensors(out, p, dim, err);
}

static void make_ready(SEXP list)
{
    for (R_xlen_t i = 0; TYPEOF(list) == VECSXP && i < Rf_xlength(list); i++) {
        cdr_ready(VECTOR_ELT(list, i));
    }
}

/* x: tensor; list: index values ("all", "ellipsis", NULL for a new dimension, slices, numbers, vectors,
 * tensors). */
SEXP cdr_index(SEXP x, SEXP list, SEXP drop)
{
    cd_error err;
    parsed p;
    cd_variable *out = NULL, *v = cdr_described(x, "x");
    int dropping = cdr_flag(drop, "drop");
    SEXP handle = PROTECT(cdr_handle());
    make_ready(list);
    cd_status status = parse(&p, list, dropping, v->value, &err);
    if (status == CD_OK) {
        status = index_variable(&out, v, &p, &err);
    }
    parsed_clear(&p);
    if (status != CD_OK) {
        cd_variable_release(out);
        cdr_raise(&err);
    }
    cdr_handle_set(handle, out);
    UNPROTECT(1);
    return handle;
}

static cd_status assign_variable(cd_variable *x, parsed *p, cd_variable *value, cd_error *err)
{
    int dim[MAX_INDICES] = {0};
    if (p->n_tensors > 1) {
        return cd_fail(err, CD_EINDEX, "Only one tensor is allowed in the index of an assignment, got %d.",
                       p->n_tensors);
    }
    if (value == NULL) {
        return cd_fail(err, CD_EVALUE, "the value assigned must be a number, an array or a tensor.");
    }
    place_tensors(dim, p, x->value);
    p->code[0] = dim[0];
    cd_variable *in[3] = {x, value, p->n_tensors > 0 ? p->tensor[0] : NULL};
    return cd_apply_in_place(x, cd_op_at(CD_OP_assign), p->n_tensors > 0 ? 3 : 2, in,
                             1 + p->n * CD_INDEX_WIDTH, p->code, err);
}

SEXP cdr_assign(SEXP x, SEXP list, SEXP value)
{
    cd_error err;
    parsed p;
    cd_variable *from = NULL, *v = cdr_defined(x, "x");
    make_ready(list);
    cdr_ready(value);
    cd_status status = parse(&p, list, true, v->value, &err);
    if (status == CD_OK) {
        status = cdr_as_variable(&from, value, cdr_company_of(1, &x, true), &err);
    }
    if (status == CD_OK) {
        status = assign_variable(v, &p, from, &err);
    }
    parsed_clear(&p);
    cd_variable_release(from);
    if (status != CD_OK) {
        cdr_raise(&err);
    }
    return x;
}

/* ---- what a tensor is ---- */

SEXP cdr_stride(SEXP x)
{
    const cd_tensor *t = cdr_defined(x, "x")->value;
    return cdr_sizes(t->ndim, t->stride);
}

SEXP cdr_numel(SEXP x)
{
    int64_t n = cd_tensor_numel(cdr_described(x, "x")->value);
    return n <= INT32_MAX ? Rf_ScalarInteger((int)n) : Rf_ScalarReal((double)n);
}

/* format: one that a tensor can have (tensor/format.h). */
SEXP cdr_is_contiguous(SEXP x, SEXP format)
{
    const cd_tensor *t = cdr_described(x, "x")->value;
    return Rf_ScalarLogical(cd_format_is(t, (cd_format)cdr_int64(format, "memory_format")));
}

SEXP cdr_storage_offset(SEXP x)
{
    return Rf_ScalarReal((double)cdr_defined(x, "x")->value->offset);
}

static void swap_contents(cd_variable *x, cd_variable *y)
{
    cd_variable old = *x;
    x->value = y->value;
    x->requires_grad = y->requires_grad;
    x->is_view_of_tracked = y->is_view_of_tracked;
    x->creator = y->creator;
    x->output = y->output;
    x->seen = y->seen;
    y->value = old.value;
    y->requires_grad = old.requires_grad;
    y->creator = old.creator;
    y->output = old.output;
    if (y->base == x) { /* a view of itself is none */
        y->base = NULL;
        cd_variable_release(x);
    }
}

/* x$unsqueeze_() and the like: x becomes y, which was computed from x and is not used afterwards. */
SEXP cdr_become(SEXP x, SEXP y)
{
    cd_error err;
    cd_variable *to = cdr_defined(x, "self"), *from = cdr_defined(y, "y");
    if (cd_variable_sync(to, &err) != CD_OK || cd_check_in_place(to, &err) != CD_OK) {
        cdr_raise(&err);
    }
    if (to->creator != NULL && to->creator->watcher[to->output] == to) {
        to->creator->watcher[to->output] = NULL;
    }
    swap_contents(to, from);
    return x;
}
