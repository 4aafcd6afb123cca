/* Making tensors from R: empty, filled, random. */
#include <math.h>

#include "base/interrupt.h"
#include "base/random.h"
#include "r/glue.h"
#include "r/registry.h"
#include "tensor/copy.h"
#include "tensor/format.h"
#include "tensor/lazy.h"

static int shape_from_r(int64_t *shape, SEXP size)
{
    if (size == R_NilValue) {
        return 0;
    }
    if (TYPEOF(size) != REALSXP) {
        cdr_stop(CD_EVALUE, "`size` must be a vector of whole numbers.");
    }
    int ndim = Rf_length(size);
    if (ndim > CD_MAX_DIMS) {
        cdr_stop(CD_EVALUE, "a tensor has at most %d dimensions, got %d.", CD_MAX_DIMS, ndim);
    }
    for (int i = 0; i < ndim; i++) {
        double value = REAL(size)[i];
        if (!(value >= 0 && value <= 9e15) || value != (double)(int64_t)value) {
            cdr_stop(CD_EVALUE, "`size` must hold whole numbers of at least 0, got %g.", value);
        }
        shape[i] = (int64_t)value;
    }
    return ndim;
}

cd_dtype cdr_dtype_code(SEXP dtype)
{
    int code = (int)cdr_int64(dtype, "dtype");
    if (code < 0 || code >= CD_DTYPES) {
        cdr_stop(CD_EDTYPE, "unknown dtype.");
    }
    return (cd_dtype)code;
}

/* Fills a tensor just made with value (a number, or NULL to leave the memory as it is) and wraps it up. */
static void finish_full(SEXP handle, cd_tensor *t, SEXP value, double fill, int grad, cd_status status,
                        cd_error *err)
{
    if (status == CD_OK && value != R_NilValue) {
        status = cd_tensor_fill(t, fill, err);
        t->storage->version = 0;
    }
    cdr_handle_set_tensor(handle, t, grad, status, err);
}

/* size: doubles; value: number, or NULL to leave the memory as it is. */
SEXP cdr_full(SEXP size, SEXP value, SEXP dtype, SEXP requires_grad)
{
    cd_error err;
    int64_t shape[CD_MAX_DIMS];
    cd_tensor *t = NULL;
    int ndim = shape_from_r(shape, size);
    cd_dtype type = cdr_dtype_code(dtype);
    int grad = cdr_flag(requires_grad, "requires_grad");
    double fill = value == R_NilValue ? 0 : cdr_double(value, "fill_value");
    SEXP handle = PROTECT(cdr_handle());
    cd_status status = cd_tensor_new(&t, type, ndim, shape, CD_CONTIGUOUS, &err);
    finish_full(handle, t, value, fill, grad, status, &err);
    UNPROTECT(1);
    return handle;
}

static cd_status new_in_format(cd_tensor **t, cd_dtype dtype, const cd_tensor *like, int64_t format,
                               cd_error *err)
{
    CD_TRY(cd_tensor_new_shape(t, dtype, like->ndim, like->shape, CD_CONTIGUOUS, err));
    cd_status status = cd_format_strides((*t)->stride, like, format, err);
    if (status == CD_OK) {
        status = cd_tensor_allocate(*t, err);
    }
    if (status != CD_OK) {
        cd_tensor_release(*t);
        *t = NULL;
    }
    return status;
}

/* The shape of input in a cd_format. */
SEXP cdr_full_like(SEXP input, SEXP value, SEXP dtype, SEXP requires_grad, SEXP format)
{
    cd_error err;
    cd_tensor *t = NULL;
    const cd_tensor *like = cdr_described(input, "input")->value;
    cd_dtype type = cdr_dtype_code(dtype);
    int grad = cdr_flag(requires_grad, "requires_grad");
    int64_t wanted = cdr_int64(format, "memory_format");
    double fill = value == R_NilValue ? 0 : cdr_double(value, "fill_value");
    SEXP handle = PROTECT(cdr_handle());
    cd_status status = new_in_format(&t, type, like, wanted, &err);
    finish_full(handle, t, value, fill, grad, status, &err);
    UNPROTECT(1);
    return handle;
}

/* ---- random filling ---- */

typedef enum { UNIFORM = 0, NORMAL, INTEGER_RANGE, BERNOULLI, DISTRIBUTIONS } distribution;

/* What users call the two parameters; a probability has no second one. */
static const char *const parameter[DISTRIBUTIONS][2] = {[UNIFORM] = {"from", "to"},
                                                        [NORMAL] = {"mean", "std"},
                                                        [INTEGER_RANGE] = {"low", "high"},
                                                        [BERNOULLI] = {"p", "p"}};

static distribution distribution_of(SEXP kind)
{
    const int64_t which = cdr_int64(kind, "kind");
    if (which < 0 || which >= DISTRIBUTIONS) {
        cdr_stop(CD_EINTERNAL, "unknown distribution.");
    }
    return (distribution)which;
}

/* Numbers drawn between two questions for an interrupt; a multiple of the block in which normals are drawn,
 * so that the numbers are those of one run. */
#define DRAWN_AT_ONCE ((int64_t)1 << 22)

static cd_status fill_contiguous(cd_generator *g, cd_tensor *t, distribution kind, double a, double b,
                                 cd_error *err)
{
    cd_random_run *const *const fill[] = {[UNIFORM] = cd_random_uniform,
                                          [NORMAL] = cd_random_normal,
                                          [INTEGER_RANGE] = cd_random_integers,
                                          [BERNOULLI] = cd_random_bernoulli};
    const int64_t size = (int64_t)cd_dtype_size(t->dtype);
    char *x = cd_tensor_data(t);
    int64_t left = cd_tensor_numel(t);
    for (; left >= 2 * DRAWN_AT_ONCE; left -= DRAWN_AT_ONCE) {
        fill[kind][t->dtype](g, x, DRAWN_AT_ONCE, a, b);
        x += DRAWN_AT_ONCE * size;
        CD_TRY(cd_interrupt_check(err));
    }
    fill[kind][t->dtype](g, x, left, a, b);
    return CD_OK;
}

/* The least and the largest integer a dtype holds; floats hold any that can be drawn, and 2^63 - 1 is no
 * double. */
static cd_status check_range(const cd_tensor *t, double low, double high, cd_error *err)
{
    static const double least[CD_DTYPES] = {
        [CD_BOOL] = 0,          [CD_UINT8] = 0,         [CD_INT32] = INT32_MIN, [CD_INT64] = -0x1p63,
        [CD_FLOAT32] = -0x1p63, [CD_FLOAT64] = -0x1p63, [CD_INT8] = INT8_MIN,   [CD_INT16] = INT16_MIN,
        [CD_FLOAT16] = -0x1p63, [CD_BFLOAT16] = -0x1p63};
    static const double end[CD_DTYPES] = {
        [CD_BOOL] = 2,         [CD_UINT8] = 256,      [CD_INT32] = 0x1p31, [CD_INT64] = 0x1p63,
        [CD_FLOAT32] = 0x1p63, [CD_FLOAT64] = 0x1p63, [CD_INT8] = 128,     [CD_INT16] = 0x1p15,
        [CD_FLOAT16] = 0x1p63, [CD_BFLOAT16] = 0x1p63};
    if (!(trunc(low) < trunc(high))) {
        return cd_fail(err, CD_EVALUE,
                       "random integers expect low < high as whole numbers, got low = %g and high = %g.", low,
                       high);
    }
    if (low < least[t->dtype] || high > end[t->dtype] || high >= 0x1p63) {
        return cd_fail(err, CD_EVALUE, "random integers from %g up to %g are beyond the range of %s.", low,
                       high, cd_dtype_name(t->dtype));
    }
    return CD_OK;
}

static cd_status check_random(const cd_tensor *t, distribution kind, double a, double b, cd_error *err)
{
    if ((kind == UNIFORM || kind == NORMAL) && !cd_dtype_is_float(t->dtype)) {
        return cd_fail(err, CD_EDTYPE, "uniform and normal numbers need a float tensor, got %s.",
                       cd_dtype_name(t->dtype));
    }
    if (kind == UNIFORM && !(a <= b && isfinite(b - a))) {
        return cd_fail(err, CD_EVALUE, "uniform expects from <= to, both finite, got from = %g and to = %g.",
                       a, b);
    }
    if (kind == NORMAL && !(b >= 0)) {
        return cd_fail(err, CD_EVALUE, "normal expects std >= 0, got %g.", b);
    }
    if (kind == INTEGER_RANGE) {
        return check_range(t, a, b, err);
    }
    if (kind == BERNOULLI && !(a >= 0 && a <= 1)) {
        return cd_fail(err, CD_EVALUE, "a probability lies between 0 and 1, got %g.", a);
    }
    return CD_OK;
}

static cd_status fill_random(cd_generator *g, cd_tensor *t, distribution kind, double a, double b,
                             cd_error *err)
{
    cd_tensor *dense;
    CD_TRY(check_random(t, kind, a, b, err));
    CD_TRY(cd_tensor_will_change(t, err));
    const cd_dtype drawn = cd_dtype_computed(t->dtype);
    if (cd_tensor_is_contiguous(t) && drawn == t->dtype) {
        t->storage->version++;
        return fill_contiguous(g, t, kind, a, b, err);
    }
    CD_TRY(cd_tensor_new(&dense, drawn, t->ndim, t->shape, CD_CONTIGUOUS, err));
    cd_status status = fill_contiguous(g, dense, kind, a, b, err);
    status = status == CD_OK ? cd_tensor_copy(t, dense, err) : status;
    cd_tensor_release(dense);
    return status;
}

/* kind: a distribution; a, b: its parameters; in_place: whether this is a user's in-place operation rather
 * than the making of a new tensor. Changes x and returns it. */
SEXP cdr_fill_random(SEXP x, SEXP kind, SEXP a, SEXP b, SEXP in_place)
{
    cd_generator *g = cdr_flag(in_place, "in_place") ? cd_random_in_place() : cd_random_default();
    cd_error err;
    cd_variable *v = cdr_defined(x, "self");
    const distribution which = distribution_of(kind);
    const double first = cdr_double(a, parameter[which][0]), second = cdr_double(b, parameter[which][1]);
    cd_status status = cd_check_in_place(v, &err);
    if (status == CD_OK) {
        status = fill_random(g, v->value, which, first, second, &err);
    }
    if (status != CD_OK) {
        cdr_raise(&err);
    }
    return x;
}

/* A random permutation of first .. first + n - 1 as int64. */
SEXP cdr_randperm(SEXP n, SEXP first)
{
    cd_error err;
    cd_tensor *t;
    int64_t size = cdr_int64(n, "n"), offset = cdr_int64(first, "first");
    SEXP handle = PROTECT(cdr_handle());
    if (cd_tensor_new(&t, CD_INT64, 1, &size, CD_CONTIGUOUS, &err) != CD_OK) {
        cdr_raise(&err);
    }
    int64_t *x = cd_tensor_data(t);
    const cd_status status = cd_random_permutation(cd_random_default(), x, size, &err);
    for (int64_t i = 0; status == CD_OK && i < size; i++) {
        x[i] += offset;
    }
    cdr_handle_set_tensor(handle, t, 0, status, &err);
    UNPROTECT(1);
    return handle;
}

SEXP cdr_seed(SEXP seed, SEXP old_behaviour)
{
    cd_random_seed_all((uint64_t)cdr_int64(seed, "seed"), cdr_flag(old_behaviour, "old_behaviour"));
    return R_NilValue;
}

/* ---- the state of the generators ---- */

/* Of one as doubles: 624 words, position, whether a normal is kept, that normal. */
enum { NEXT = CD_MT_SIZE, HAS_NORMAL, KEPT_NORMAL, GENERATOR_STATE };

static void write_generator(double *state, const cd_generator *g)
{
    for (int i = 0; i < CD_MT_SIZE; i++) {
        state[i] = g->state[i];
    }
    state[NEXT] = g->next;
    state[HAS_NORMAL] = g->has_normal;
    state[KEPT_NORMAL] = g->normal;
}

static void read_generator(cd_generator *g, const double *state)
{
    for (int i = 0; i < CD_MT_SIZE; i++) {
        g->state[i] = (uint32_t)state[i];
    }
    g->next = (int)state[NEXT];
    g->has_normal = state[HAS_NORMAL] != 0;
    g->normal = state[KEPT_NORMAL];
}

static bool is_whole(double x, double most)
{
    return x >= 0 && x <= most && x == floor(x);
}

static bool is_generator(const double *state)
{
    bool is = true;
    for (int i = 0; i < CD_MT_SIZE; i++) {
        is = is && is_whole(state[i], UINT32_MAX);
    }
    return is && is_whole(state[NEXT], CD_MT_SIZE) && is_whole(state[HAS_NORMAL], 1) &&
           isfinite(state[KEPT_NORMAL]);
}

/* The state of the default generator, and behind it that of the one of in-place filling where that has its
 * own. */
SEXP cdr_rng_state(void)
{
    const bool separate = cd_random_separate();
    SEXP state = PROTECT(Rf_allocVector(REALSXP, separate ? 2 * GENERATOR_STATE : GENERATOR_STATE));
    write_generator(REAL(state), cd_random_default());
    if (separate) {
        write_generator(REAL(state) + GENERATOR_STATE, cd_random_in_place());
    }
    UNPROTECT(1);
    return state;
}

SEXP cdr_set_rng_state(SEXP state)
{
    const R_xlen_t n = Rf_xlength(state);
    const bool separate = n == 2 * GENERATOR_STATE;
    if (TYPEOF(state) != REALSXP || (n != GENERATOR_STATE && !separate) || !is_generator(REAL_RO(state)) ||
        (separate && !is_generator(REAL_RO(state) + GENERATOR_STATE))) {
        cdr_stop(CD_EVALUE, "`state` must come from torch_get_rng_state().");
    }
    read_generator(cd_random_default(), REAL_RO(state));
    cd_random_set_separate(separate);
    if (separate) {
        read_generator(cd_random_in_place(), REAL_RO(state) + GENERATOR_STATE);
    }
    return R_NilValue;
}
