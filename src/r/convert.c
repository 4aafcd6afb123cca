/* Between R arrays and tensors. R arrays are column-major; index order is kept, so only strides differ. */
#include <math.h>
#include <string.h>

#include "r/glue.h"
#include "r/pixels.h"
#include "r/registry.h"
#include "tensor/copy.h"
#include "tensor/lazy.h"
#include "tensor/lazy_bytes.h"

static int is_integer64(SEXP x)
{
    return TYPEOF(x) == REALSXP && Rf_inherits(x, "integer64");
}

/* The dtype in which the R vector's memory can be read, and the one a tensor of it has by default. */
static int r_storage_dtype(SEXP x)
{
    switch (TYPEOF(x)) {
    case REALSXP:
        return is_integer64(x) ? CD_INT64 : CD_FLOAT64;
    case INTSXP:
    case LGLSXP:
        return CD_INT32;
    case RAWSXP:
        return CD_UINT8;
    default:
        return -1;
    }
}

static int default_dtype(SEXP x)
{
    switch (TYPEOF(x)) {
    case REALSXP:
        return is_integer64(x) ? CD_INT64 : CD_FLOAT32;
    case INTSXP:
        return CD_INT64;
    case LGLSXP:
        return CD_BOOL;
    default:
        return CD_UINT8;
    }
}

static int r_shape(int64_t *shape, SEXP x)
{
    SEXP dim = Rf_getAttrib(x, R_DimSymbol);
    if (dim == R_NilValue) {
        shape[0] = Rf_xlength(x);
        return 1;
    }
    int ndim = Rf_length(dim);
    for (int i = 0; i < ndim && i < CD_MAX_DIMS; i++) {
        shape[i] = INTEGER(dim)[i];
    }
    return ndim;
}

static void column_major(int64_t *stride, int ndim, const int64_t *shape)
{
    int64_t step = 1;
    for (int i = 0; i < ndim; i++) {
        stride[i] = step;
        step *= shape[i];
    }
}

/* What R may still have to make, such as the numbers of 1:10 or the pixels of a picture. */
static const void *r_data(SEXP x)
{
    switch (TYPEOF(x)) {
    case REALSXP:
        return REAL_RO(x);
    case RAWSXP:
        return RAW_RO(x);
    case LGLSXP:
        return LOGICAL_RO(x);
    default:
        return INTEGER_RO(x);
    }
}

void cdr_ready(SEXP x)
{
    if (cdr_is_handle(x)) {
        cdr_restore(x);
    } else if (ALTREP(x) && r_storage_dtype(x) >= 0 && cdr_labels_bytes(x) == NULL) {
        (void)r_data(x);
    }
}

/* The position of the first missing element from `from` on, or the length. Bytes have none. */
static R_xlen_t next_missing(SEXP x, R_xlen_t from)
{
    const R_xlen_t n = Rf_xlength(x);
    R_xlen_t i = from;
    if (TYPEOF(x) == RAWSXP) {
        return n;
    }
    const void *data = r_data(x);
    if (TYPEOF(x) != REALSXP) {
        const int *integer = data;
        while (i < n && integer[i] != NA_INTEGER) {
            i++;
        }
    } else if (is_integer64(x)) {
        const int64_t *integer = data;
        while (i < n && integer[i] != INT64_MIN) {
            i++;
        }
    } else {
        const double *real = data;
        while (i < n && !ISNAN(real[i])) {
            i++;
        }
    }
    return i;
}

/* Only floats can hold what is missing. */
static cd_status check_missing(SEXP x, int dtype, cd_error *err)
{
    if (TYPEOF(x) == RAWSXP || cd_dtype_is_float((cd_dtype)dtype)) {
        return CD_OK;
    }
    R_xlen_t i = next_missing(x, 0);
    return i == Rf_xlength(x)
               ? CD_OK
               : cd_fail(err, CD_EVALUE,
                         "element %lld is NA: integer and logical tensors have no missing values. "
                         "Give a float dtype to get NaN.",
                         (long long)i + 1);
}

/* The integers of x as doubles, those that are missing as NaN. */
static void integers_as_doubles(double *y, SEXP x)
{
    const R_xlen_t n = Rf_xlength(x);
    const void *data = r_data(x);
    const int64_t *wide = TYPEOF(x) == REALSXP ? data : NULL;
    const int *integer = data;
    for (R_xlen_t i = 0; i < n; i++) {
        const bool missing = wide != NULL ? wide[i] == INT64_MIN : integer[i] == NA_INTEGER;
        y[i] = missing ? NAN : wide != NULL ? (double)wide[i] : integer[i];
    }
}

/* Whether x has missing elements that floats know as NaN, but its own type does not. */
static bool has_missing_integers(SEXP x, int dtype)
{
    return TYPEOF(x) != RAWSXP && (TYPEOF(x) != REALSXP || is_integer64(x)) &&
           cd_dtype_is_float((cd_dtype)dtype) && next_missing(x, 0) < Rf_xlength(x);
}

/* A tensor of the elements of x where they are, or, where floats are wanted of integers with missing ones, of
 * doubles. */
static cd_status source_of(cd_tensor **source, SEXP x, int dtype, int ndim, const int64_t *shape,
                           cd_error *err)
{
    int64_t stride[CD_MAX_DIMS];
    const int64_t n = Rf_xlength(x);
    cd_tensor *doubles;
    column_major(stride, ndim, shape);
    if (!has_missing_integers(x, dtype)) {
        return cd_tensor_borrow(source, (void *)r_data(x), (cd_dtype)r_storage_dtype(x), ndim, shape, stride,
                                err);
    }
    CD_TRY(cd_tensor_new(&doubles, CD_FLOAT64, 1, &n, CD_CONTIGUOUS, err));
    integers_as_doubles(cd_tensor_data(doubles), x);
    cd_status status = cd_tensor_view(source, doubles, ndim, shape, stride, 0, err);
    cd_tensor_release(doubles);
    return status;
}

/* Labels just read from a file: their bytes. */
static cd_status tensor_from_labels(cd_tensor **t, cd_tensor *bytes, int dtype, cd_error *err)
{
    if (dtype < 0 || dtype == CD_INT64) {
        return cd_lazy_bytes_new(t, CD_INT64, bytes, err);
    }
    CD_TRY(cd_tensor_new(t, (cd_dtype)dtype, 2, bytes->shape, CD_CONTIGUOUS, err));
    return cd_tensor_copy(*t, bytes, err);
}

cd_status cdr_tensor_from_r(cd_tensor **t, SEXP x, int dtype, cd_error *err)
{
    cd_tensor *labels = cdr_labels_bytes(x);
    if (labels != NULL) {
        return tensor_from_labels(t, labels, dtype, err);
    }
    int64_t shape[CD_MAX_DIMS];
    cd_tensor *source;
    *t = NULL;
    if (r_storage_dtype(x) < 0) {
        return cd_fail(err, CD_EVALUE, "can't convert an object of type '%s' to a tensor.",
                       Rf_type2char(TYPEOF(x)));
    }
    int ndim = r_shape(shape, x);
    if (ndim > CD_MAX_DIMS) {
        return cd_fail(err, CD_ESHAPE, "a tensor has at most %d dimensions, got %d.", CD_MAX_DIMS, ndim);
    }
    int wanted = dtype >= 0 ? dtype : default_dtype(x);
    CD_TRY(check_missing(x, wanted, err));
    CD_TRY(source_of(&source, x, wanted, ndim, shape, err));
    cd_status status = cd_tensor_new(t, (cd_dtype)wanted, ndim, shape, CD_CONTIGUOUS, err);
    if (status == CD_OK) {
        status = cd_tensor_copy(*t, source, err);
    }
    cd_tensor_release(source);
    return status;
}

int cdr_is_number(SEXP x)
{
    int type = TYPEOF(x);
    return (type == REALSXP || type == INTSXP || type == LGLSXP) && Rf_xlength(x) == 1 &&
           Rf_getAttrib(x, R_DimSymbol) == R_NilValue && !is_integer64(x);
}

/* dtype: that of the floats it meets, or -1. */
static cd_status number_variable(cd_tensor **t, SEXP x, int dtype, cd_error *err)
{
    static const cd_dtype of_type[] = {[LGLSXP] = CD_BOOL, [INTSXP] = CD_INT64, [REALSXP] = CD_FLOAT64};
    const double value = Rf_asReal(x); /* of an NA of any type a double that is not a number */
    const bool missing = ISNAN(value);
    CD_TRY(missing && TYPEOF(x) != REALSXP ? check_missing(x, dtype >= 0 ? dtype : CD_INT64, err) : CD_OK);
    return cd_tensor_number(t, missing ? CD_FLOAT64 : of_type[TYPEOF(x)], value, err);
}

static int is_numeric(SEXP x)
{
    return (TYPEOF(x) == REALSXP && !is_integer64(x)) || TYPEOF(x) == INTSXP;
}

/* The float type of a tensor, or that of an array of doubles; -1 for anything else. */
static int float_dtype_of(SEXP x)
{
    if (!cdr_is_handle(x)) {
        return TYPEOF(x) == REALSXP && !is_integer64(x) && !cdr_is_number(x) ? CD_FLOAT32 : -1;
    }
    const cd_variable *v = R_ExternalPtrAddr(x);
    return v != NULL && v->value != NULL && cd_dtype_is_float(v->value->dtype) ? (int)v->value->dtype : -1;
}

cdr_company cdr_company_of(int n, const SEXP *x, bool numbers)
{
    cdr_company with = {.numbers = numbers, .dtype = -1};
    for (int i = 0; i < n; i++) {
        const int dtype = float_dtype_of(x[i]);
        if (dtype >= 0) {
            with.dtype =
                with.dtype < 0 ? dtype : (int)cd_dtype_promote((cd_dtype)dtype, (cd_dtype)with.dtype);
        }
    }
    return with;
}

static cd_status tensor_in_company(cd_tensor **t, SEXP x, cdr_company with, cd_error *err)
{
    if (with.numbers && cdr_is_number(x)) {
        return number_variable(t, x, with.dtype, err);
    }
    return cdr_tensor_from_r(t, x, is_numeric(x) ? with.dtype : -1, err);
}

cd_status cdr_as_operand(cd_variable **v, SEXP x, cdr_company with, cd_error *err)
{
    cd_tensor *t;
    *v = NULL;
    if (x == R_NilValue) {
        return CD_OK;
    }
    if (cdr_is_handle(x)) {
        cd_variable *held = R_ExternalPtrAddr(x);
        if (held == NULL) {
            return cd_fail(err, CD_EVALUE,
                           "the data of a tensor are gone: it was saved without them, or freed.");
        }
        *v = held->value != NULL ? cd_variable_retain(held) : NULL;
        return CD_OK;
    }
    CD_TRY(tensor_in_company(&t, x, with, err));
    return cd_variable_new(v, t, false, err);
}

cd_status cdr_as_variable(cd_variable **v, SEXP x, cdr_company with, cd_error *err)
{
    CD_TRY(cdr_as_operand(v, x, with, err));
    cd_status status = *v != NULL ? cd_tensor_materialise((*v)->value, err) : CD_OK;
    if (status != CD_OK) {
        cd_variable_release(*v);
        *v = NULL;
    }
    return status;
}

SEXP cdr_tensor(SEXP x, SEXP dtype, SEXP requires_grad)
{
    cd_error err;
    cd_tensor *t;
    int wanted = dtype == R_NilValue ? -1 : (int)cdr_dtype_code(dtype);
    int grad = cdr_flag(requires_grad, "requires_grad");
    cdr_ready(x);
    SEXP handle = PROTECT(cdr_handle());
    cd_status status = cdr_tensor_from_r(&t, x, wanted, &err);
    cdr_handle_set_tensor(handle, t, grad, status, &err);
    UNPROTECT(1);
    return handle;
}

/* ---- to R ---- */

static SEXPTYPE r_type(cd_dtype dtype)
{
    return cd_dtype_is_float(dtype) ? REALSXP : dtype == CD_BOOL ? LGLSXP : INTSXP;
}

SEXP cdr_sizes(int n, const int64_t *size)
{
    bool small = true;
    for (int i = 0; i < n; i++) {
        small = small && size[i] <= INT32_MAX;
    }
    SEXP x = Rf_allocVector(small ? INTSXP : REALSXP, n);
    for (int i = 0; small && i < n; i++) {
        INTEGER(x)[i] = (int)size[i];
    }
    for (int i = 0; !small && i < n; i++) {
        REAL(x)[i] = (double)size[i];
    }
    return x;
}

static SEXP allocate_result(const cd_tensor *t, SEXPTYPE type)
{
    SEXP dim = PROTECT(cdr_sizes(t->ndim, t->shape));
    if (t->ndim > 1 && TYPEOF(dim) != INTSXP) {
        char shape[CD_SHAPE_TEXT];
        cdr_stop(CD_EVALUE, "an R array has dimensions below 2^31, the tensor has shape %s.",
                 cd_shape_text(shape, t->ndim, t->shape));
    }
    SEXP x = PROTECT(Rf_allocVector(type, (R_xlen_t)cd_tensor_numel(t)));
    if (t->ndim > 1) {
        Rf_setAttrib(x, R_DimSymbol, dim);
    }
    UNPROTECT(2);
    return x;
}

/* Copies t into memory laid out column-major as dtype. */
static cd_status copy_out(void *data, cd_dtype dtype, const cd_tensor *t, cd_error *err)
{
    int64_t stride[CD_MAX_DIMS];
    cd_tensor *target;
    column_major(stride, t->ndim, t->shape);
    CD_TRY(cd_tensor_borrow(&target, data, dtype, t->ndim, t->shape, stride, err));
    cd_status status = cd_tensor_copy(target, t, err);
    cd_tensor_release(target);
    return status;
}

/* type: NULL for the natural R type, "double" for doubles, "integer64" for 64-bit integers in a double
 * vector, "raw" for bytes. */
SEXP cdr_as_array(SEXP x, SEXP type)
{
    cd_error err;
    const cd_tensor *t = cdr_looked_at(x, "x")->value;
    SEXPTYPE as = r_type(t->dtype);
    cd_dtype element = as == REALSXP ? CD_FLOAT64 : CD_INT32;
    if (type != R_NilValue) {
        const char *wanted = cdr_string(type, "type");
        as = strcmp(wanted, "raw") == 0 ? RAWSXP : REALSXP;
        element = as == RAWSXP ? CD_UINT8 : strcmp(wanted, "integer64") == 0 ? CD_INT64 : CD_FLOAT64;
    }
    SEXP result = PROTECT(allocate_result(t, as));
    if (copy_out((void *)r_data(result), element, t, &err) != CD_OK) {
        cdr_raise(&err);
    }
    UNPROTECT(1);
    return result;
}
