#include "r/saved.h"

#include <R_ext/Altrep.h>
#include <string.h>

#include "io/file.h"
#include "r/condition.h"
#include "tensor/copy.h"
#include "tensor/lazy.h"

enum { VERSION, DTYPE, SHAPE, CHANNELS_LAST, REQUIRES_GRAD, BYTES, STATE };

#define THIS_VERSION 1
#define UNDEFINED (-1) /* the dtype of a tensor that is none */

static R_altrep_class_t slot_class;

/* ---- writing ---- */

static SEXP describe(int dtype, const cd_tensor *t, bool channels_last, bool requires_grad)
{
    const int ndim = t != NULL ? t->ndim : 0;
    const R_xlen_t nbytes = t != NULL ? (R_xlen_t)(cd_tensor_numel(t) * (int64_t)cd_dtype_size(t->dtype)) : 0;
    SEXP state = PROTECT(Rf_allocVector(VECSXP, STATE));
    SET_VECTOR_ELT(state, VERSION, Rf_ScalarInteger(THIS_VERSION));
    SET_VECTOR_ELT(state, DTYPE, Rf_ScalarInteger(dtype));
    SET_VECTOR_ELT(state, SHAPE, Rf_allocVector(REALSXP, ndim));
    for (int i = 0; i < ndim; i++) {
        REAL(VECTOR_ELT(state, SHAPE))[i] = (double)t->shape[i];
    }
    SET_VECTOR_ELT(state, CHANNELS_LAST, Rf_ScalarLogical(channels_last));
    SET_VECTOR_ELT(state, REQUIRES_GRAD, Rf_ScalarLogical(requires_grad));
    SET_VECTOR_ELT(state, BYTES, Rf_allocVector(RAWSXP, nbytes));
    UNPROTECT(1);
    return state;
}

static cd_status write_elements(void *bytes, cd_tensor *t, bool channels_last, cd_error *err)
{
    cd_tensor *target = NULL;
    int64_t stride[CD_MAX_DIMS];
    cd_tensor_fill_strides(stride, t->ndim, t->shape, channels_last ? CD_CHANNELS_LAST : CD_CONTIGUOUS);
    CD_TRY(cd_tensor_borrow(&target, bytes, t->dtype, t->ndim, t->shape, stride, err));
    cd_status status = cd_tensor_copy(target, t, err);
    cd_tensor_release(target);
    cd_little_swap(bytes, cd_dtype_size(t->dtype), cd_tensor_numel(t));
    return status;
}

static cd_variable *variable_at(SEXP anchor)
{
    cd_variable **place;
    memcpy(&place, RAW(anchor), sizeof place);
    return *place;
}

static SEXP slot_state(SEXP slot)
{
    cd_error err;
    const cd_variable *v = variable_at(R_altrep_data1(slot));
    if (v == NULL) {
        return Rf_allocVector(VECSXP, 0);
    }
    if (v->value == NULL) {
        return describe(UNDEFINED, NULL, false, false);
    }
    const bool channels_last = cd_tensor_is_channels_last(v->value);
    SEXP state = PROTECT(describe(v->value->dtype, v->value, channels_last, v->requires_grad));
    cd_status status = cd_tensor_materialise(v->value, &err);
    if (status == CD_OK) {
        status = write_elements(RAW(VECTOR_ELT(state, BYTES)), v->value, channels_last, &err);
    }
    if (status != CD_OK) {
        cdr_raise(&err);
    }
    UNPROTECT(1);
    return state;
}

/* ---- reading ---- */

static SEXP slot_from_state(SEXP class, SEXP state)
{
    (void)class;
    return state;
}

static R_xlen_t slot_length(SEXP slot)
{
    (void)slot;
    return 0;
}

static bool is_vector(SEXP state, int i, int type, R_xlen_t least, R_xlen_t most)
{
    SEXP x = VECTOR_ELT(state, i);
    return TYPEOF(x) == type && Rf_xlength(x) >= least && Rf_xlength(x) <= most;
}

int cdr_saved_is_state(SEXP slot)
{
    return TYPEOF(slot) == VECSXP && Rf_xlength(slot) == STATE && is_vector(slot, VERSION, INTSXP, 1, 1) &&
           is_vector(slot, DTYPE, INTSXP, 1, 1) && is_vector(slot, SHAPE, REALSXP, 0, CD_MAX_DIMS) &&
           is_vector(slot, CHANNELS_LAST, LGLSXP, 1, 1) && is_vector(slot, REQUIRES_GRAD, LGLSXP, 1, 1) &&
           is_vector(slot, BYTES, RAWSXP, 0, R_XLEN_T_MAX);
}

static cd_status damaged(cd_error *err)
{
    return cd_fail(err, CD_EFORMAT, "a tensor that was restored from a file or another process is damaged.");
}

static cd_status tensor_from(cd_tensor **t, SEXP state, int dtype, cd_error *err)
{
    int64_t shape[CD_MAX_DIMS];
    const int ndim = Rf_length(VECTOR_ELT(state, SHAPE));
    SEXP bytes = VECTOR_ELT(state, BYTES);
    double elements = 1;
    for (int i = 0; i < ndim; i++) {
        double size = REAL(VECTOR_ELT(state, SHAPE))[i];
        if (!(size >= 0 && size <= 4503599627370496.0)) {
            return damaged(err);
        }
        shape[i] = (int64_t)size;
        elements *= size;
    }
    const bool channels_last = LOGICAL(VECTOR_ELT(state, CHANNELS_LAST))[0] == TRUE && ndim == 4;
    if (dtype < 0 || dtype >= CD_DTYPES ||
        elements * (double)cd_dtype_size((cd_dtype)dtype) != (double)Rf_xlength(bytes)) {
        return damaged(err);
    }
    CD_TRY(cd_tensor_new(t, (cd_dtype)dtype, ndim, shape, channels_last ? CD_CHANNELS_LAST : CD_CONTIGUOUS,
                         err));
    unsigned char *data = cd_tensor_data(*t);
    if (Rf_xlength(bytes) > 0) {
        memcpy(data, RAW(bytes), (size_t)Rf_xlength(bytes));
    }
    cd_little_swap(data, cd_dtype_size((cd_dtype)dtype), cd_tensor_numel(*t));
    for (R_xlen_t i = 0; dtype == CD_BOOL && i < Rf_xlength(bytes); i++) {
        data[i] = data[i] != 0;
    }
    return CD_OK;
}

cd_status cdr_saved_variable(cd_variable **v, SEXP state, cd_error *err)
{
    cd_tensor *t = NULL;
    const int dtype = INTEGER(VECTOR_ELT(state, DTYPE))[0];
    if (INTEGER(VECTOR_ELT(state, VERSION))[0] != THIS_VERSION) {
        return cd_fail(err, CD_EFORMAT,
                       "a tensor was saved by a later version of candela, which this one cannot read.");
    }
    if (dtype != UNDEFINED) {
        CD_TRY(tensor_from(&t, state, dtype, err));
    }
    CD_TRY(cd_variable_new(v, t, false, err));
    cd_status status = CD_OK;
    if (t != NULL && LOGICAL(VECTOR_ELT(state, REQUIRES_GRAD))[0] == TRUE) {
        status = cd_variable_require_grad(*v, true, err);
    }
    if (status != CD_OK) {
        cd_variable_release(*v);
        *v = NULL;
    }
    return status;
}

/* ---- slots ---- */

SEXP cdr_saved_slot(SEXP anchor)
{
    return R_new_altrep(slot_class, anchor, R_NilValue);
}

SEXP cdr_saved_anchor(SEXP slot)
{
    return R_altrep_data1(slot);
}

void cdr_saved_init(DllInfo *dll)
{
    slot_class = R_make_altraw_class("tensor", "candela", dll);
    R_set_altrep_Length_method(slot_class, slot_length);
    R_set_altrep_Serialized_state_method(slot_class, slot_state);
    R_set_altrep_Unserialize_method(slot_class, slot_from_state);
}
