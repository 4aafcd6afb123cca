/* Operators along one dimension that find elements: the largest, the order, the median; cumulative sums.
 * Indices are Long and count from 1. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/op.h"
#include "autograd/pointwise.h"
#include "base/interrupt.h"
#include "kernels/reduce.h"
#include "tensor/copy.h"

/* x seen as [outer][n][inner] around the dimension. */
typedef struct {
    int dim;
    int64_t outer, n, inner;
} layout_along;

static cd_status find_along(layout_along *a, const cd_tensor *x, int64_t dim, cd_error *err)
{
    CD_TRY(cd_tensor_dim(&a->dim, x, dim, err));
    a->outer = a->inner = 1;
    a->n = x->ndim > 0 ? x->shape[a->dim] : 1;
    for (int d = 0; d < x->ndim; d++) {
        *(d < a->dim ? &a->outer : &a->inner) *= d == a->dim ? 1 : x->shape[d];
    }
    return CD_OK;
}

static int shape_without(int64_t *shape, const cd_tensor *x, int dim, bool keepdim)
{
    int ndim = 0;
    for (int d = 0; d < x->ndim; d++) {
        if (d != dim || keepdim) {
            shape[ndim++] = d == dim ? 1 : x->shape[d];
        }
    }
    return ndim;
}

static cd_status check_not_empty(const cd_call *call, int64_t n, cd_error *err)
{
    return n > 0 ? CD_OK : cd_fail(err, CD_EVALUE, "%s(): the dimension to search is empty.", call->op->name);
}

/* ---- max_dim, min_dim, argmax, argmin: attributes keepdim, dim (none: all elements in row-major order) ----
 */

enum { KEEPDIM, DIM };

static cd_status pair_shape(cd_call *call, cd_error *err)
{
    layout_along a;
    int64_t shape[CD_MAX_DIMS];
    CD_TRY(find_along(&a, call->in[0], cd_int_attr(call->attr, DIM), err));
    CD_TRY(check_not_empty(call, a.n, err));
    int ndim = shape_without(shape, call->in[0], a.dim, call->attr[KEEPDIM] != 0);
    CD_TRY(cd_out(call, 0, call->in[0]->dtype, ndim, shape, CD_CONTIGUOUS, err));
    return cd_out(call, 1, CD_INT64, ndim, shape, CD_CONTIGUOUS, err);
}

/* Channels of channels-last images lie side by side: no copy is needed, and the result is N, H, W. */
static cd_status find_extreme(cd_tensor *value, cd_tensor *index, bool smallest, cd_tensor *x, layout_along a,
                              cd_error *err)
{
    cd_tensor *dense;
    bool channels = a.dim == 1 && cd_tensor_preferred_layout(x) == CD_CHANNELS_LAST;
    CD_TRY(cd_tensor_as(&dense, x, x->dtype, channels ? CD_CHANNELS_LAST : CD_CONTIGUOUS, err));
    if (channels) {
        a.outer *= a.inner;
        a.inner = 1;
    }
    cdk_arg_extreme(value != NULL ? cd_tensor_data(value) : NULL, cd_tensor_data(index), smallest,
                    cd_tensor_data(dense), x->dtype, a.outer, a.n, a.inner);
    cd_tensor_release(dense);
    return CD_OK;
}

static cd_status pair_forward(cd_call *call, bool smallest, cd_error *err)
{
    layout_along a;
    CD_TRY(find_along(&a, call->in[0], cd_int_attr(call->attr, DIM), err));
    return find_extreme(call->out[0], call->out[1], smallest, call->in[0], a, err);
}

static cd_status max_dim_forward(cd_call *call, cd_error *err)
{
    return pair_forward(call, false, err);
}

static cd_status min_dim_forward(cd_call *call, cd_error *err)
{
    return pair_forward(call, true, err);
}

static cd_status arg_shape(cd_call *call, cd_error *err)
{
    layout_along a;
    int64_t shape[CD_MAX_DIMS];
    cd_tensor *x = call->in[0];
    bool keepdim = call->attr[KEEPDIM] != 0;
    if (call->n_attr <= DIM) {
        CD_TRY(check_not_empty(call, cd_tensor_numel(x), err));
        for (int d = 0; d < x->ndim; d++) {
            shape[d] = 1;
        }
        return cd_out(call, 0, CD_INT64, keepdim ? x->ndim : 0, shape, CD_CONTIGUOUS, err);
    }
    CD_TRY(find_along(&a, x, cd_int_attr(call->attr, DIM), err));
    CD_TRY(check_not_empty(call, a.n, err));
    int ndim = shape_without(shape, x, a.dim, keepdim);
    return cd_out(call, 0, CD_INT64, ndim, shape, CD_CONTIGUOUS, err);
}

static cd_status arg_forward(cd_call *call, bool smallest, cd_error *err)
{
    layout_along a = {.dim = 0, .outer = 1, .n = cd_tensor_numel(call->in[0]), .inner = 1};
    if (call->n_attr > DIM) {
        CD_TRY(find_along(&a, call->in[0], cd_int_attr(call->attr, DIM), err));
        return find_extreme(NULL, call->out[0], smallest, call->in[0], a, err);
    }
    cd_tensor *x;
    CD_TRY(cd_tensor_as(&x, call->in[0], call->in[0]->dtype, CD_CONTIGUOUS, err));
    a.dim = -1;
    cdk_arg_extreme(NULL, cd_tensor_data(call->out[0]), smallest, cd_tensor_data(x), x->dtype, 1, a.n, 1);
    cd_tensor_release(x);
    return CD_OK;
}

static cd_status argmax_forward(cd_call *call, cd_error *err)
{
    return arg_forward(call, false, err);
}

static cd_status argmin_forward(cd_call *call, cd_error *err)
{
    return arg_forward(call, true, err);
}

/* ---- gradients go to the elements that were found ---- */

/* dx[o][index - 1][j] += dy[o][i][j]; index and dy are [outer][m][inner]. */
static void scatter_back(double *dx, const int64_t *index, const double *dy, const layout_along *a, int64_t m)
{
    for (int64_t o = 0; o < a->outer; o++) {
        for (int64_t i = 0; i < m; i++) {
            for (int64_t j = 0; j < a->inner; j++) {
                int64_t from = (o * m + i) * a->inner + j;
                dx[(o * a->n + index[from] - 1) * a->inner + j] += dy[from];
            }
        }
    }
}

static cd_status found_backward_along(cd_gradient *g, int64_t dim, cd_error *err)
{
    layout_along a;
    cd_tensor *dy = NULL, *dx = NULL;
    CD_TRY(find_along(&a, g->in[0], dim, err));
    if (g->dy[0] == NULL || !g->wants[0]) {
        return CD_OK;
    }
    int64_t around = a.outer * a.inner, m = around > 0 ? cd_tensor_numel(g->out[1]) / around : 0;
    cd_status status = cd_tensor_as(&dy, g->dy[0], CD_FLOAT64, CD_CONTIGUOUS, err);
    if (status == CD_OK) {
        status = cd_tensor_new(&dx, CD_FLOAT64, g->in[0]->ndim, g->in[0]->shape, CD_CONTIGUOUS, err);
    }
    if (status == CD_OK) {
        memset(cd_tensor_data(dx), 0, (size_t)cd_tensor_numel(dx) * sizeof(double));
        scatter_back(cd_tensor_data(dx), cd_tensor_data(g->out[1]), cd_tensor_data(dy), &a, m);
        status = cd_tensor_as(&g->dx[0], dx, g->in[0]->dtype, CD_CONTIGUOUS, err);
    }
    cd_tensor_release(dy);
    cd_tensor_release(dx);
    return status;
}

static cd_status found_backward(cd_gradient *g, cd_error *err)
{
    return found_backward_along(g, cd_int_attr(g->attr, DIM), err);
}

/* ---- sort: attributes descending, dim; topk has a third, k; median keepdim, dim ---- */

enum { DESCENDING = 0, K = 2 };

/* An element as a number whose unsigned order is the order asked for, and where it came from. */
typedef struct {
    uint64_t key;
    int64_t index;
} sort_item;

#define LARGEST_KEY UINT64_MAX

/* NaN is larger than everything; the two zeros are equal. */
static uint64_t key_of_real(double x)
{
    uint64_t bits;
    double value = x == 0 ? 0 : x;
    if (isnan(x)) {
        return LARGEST_KEY;
    }
    memcpy(&bits, &value, sizeof bits);
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

static uint64_t key_of_whole(int64_t x)
{
    return (uint64_t)x ^ UINT64_C(1) << 63;
}

/* Which of the sorted elements a result consists of: m from `first` on. */
typedef struct {
    bool falling, median;
    int64_t m;
} selection;

static void read_items(sort_item *item, const cd_tensor *x, int64_t at, int64_t n, int64_t step, bool falling)
{
    const double *real = x->dtype == CD_FLOAT64 ? cd_tensor_data(x) : NULL;
    const int64_t *whole = x->dtype == CD_FLOAT64 ? NULL : cd_tensor_data(x);
    for (int64_t i = 0; i < n; i++) {
        uint64_t key = real != NULL ? key_of_real(real[at + i * step]) : key_of_whole(whole[at + i * step]);
        item[i] = (sort_item){falling ? ~key : key, i};
    }
}

static void insertion_sort(sort_item *item, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        sort_item moved = item[i];
        int64_t j = i;
        for (; j > 0 && item[j - 1].key > moved.key; j--) {
            item[j] = item[j - 1];
        }
        item[j] = moved;
    }
}

enum { DIGITS = 8, DIGIT_VALUES = 256 };

static void count_digits(int64_t count[DIGITS][DIGIT_VALUES], const sort_item *item, int64_t n)
{
    memset(count, 0, DIGITS * sizeof *count);
    for (int64_t i = 0; i < n; i++) {
        for (int d = 0; d < DIGITS; d++) {
            count[d][item[i].key >> 8 * d & 255]++;
        }
    }
}

/* One stable pass; gives 0, moving nothing, where all elements have the same digit. */
static int move_by_digit(sort_item *to, const sort_item *from, int64_t *count, int digit, int64_t n)
{
    if (count[from[0].key >> 8 * digit & 255] == n) {
        return 0;
    }
    for (int64_t v = 0, start = 0; v < DIGIT_VALUES; v++) {
        int64_t many = count[v];
        count[v] = start;
        start += many;
    }
    for (int64_t i = 0; i < n; i++) {
        to[count[from[i].key >> 8 * digit & 255]++] = from[i];
    }
    return 1;
}

enum { FEW_ITEMS = 64, MANY_ITEMS = 1 << 18 };

/* Sorts item[0..n) with the help of spare[0..n); *sorted is the one that holds the result. */
static cd_status sort_items(sort_item **sorted, sort_item *item, sort_item *spare, int64_t n, cd_error *err)
{
    int64_t count[DIGITS][DIGIT_VALUES];
    *sorted = item;
    if (n < FEW_ITEMS) {
        insertion_sort(item, n);
        return CD_OK;
    }
    count_digits(count, item, n);
    for (int d = 0; d < DIGITS; d++) {
        if (n > MANY_ITEMS) {
            CD_TRY(cd_interrupt_check(err));
        }
        if (move_by_digit(spare, *sorted, count[d], d, n)) {
            sort_item *was = *sorted;
            *sorted = spare;
            spare = was;
        }
    }
    return CD_OK;
}

static void write_items(cd_tensor *value, int64_t *index, const cd_tensor *x, const sort_item *item,
                        int64_t to, int64_t from, int64_t m, int64_t step)
{
    const int64_t *source = cd_tensor_data(x);
    int64_t *target = cd_tensor_data(value);
    for (int64_t i = 0; i < m; i++) {
        target[to + i * step] = source[from + item[i].index * step];
        index[to + i * step] = item[i].index + 1;
    }
}

/* The lower of the middle elements; the first NaN if there is one. */
static int64_t first_selected(const selection *s, const sort_item *item, int64_t n, bool real)
{
    if (!s->median) {
        return 0;
    }
    int64_t numbers = n;
    while (real && numbers > 0 && item[numbers - 1].key == LARGEST_KEY) {
        numbers--;
    }
    return numbers < n ? numbers : (n - 1) / 2;
}

static cd_status sort_rows(cd_tensor *value, cd_tensor *index, const cd_tensor *x, const layout_along *a,
                           const selection *s, cd_error *err)
{
    sort_item *sorted, *item = malloc((size_t)(a->n > 0 ? a->n : 1) * 2 * sizeof *item);
    cd_status status = CD_OK;
    if (item == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate memory to sort %lld elements.", (long long)a->n);
    }
    int64_t rows = a->n > 0 ? a->outer * a->inner : 0;
    for (int64_t row = 0; status == CD_OK && row < rows; row++) {
        int64_t o = row / a->inner, j = row % a->inner, from = o * a->n * a->inner + j;
        read_items(item, x, from, a->n, a->inner, s->falling);
        status = sort_items(&sorted, item, item + a->n, a->n, err);
        if (status == CD_OK && (row * a->n) % MANY_ITEMS + a->n >= MANY_ITEMS) {
            status = cd_interrupt_check(err);
        }
        if (status == CD_OK) {
            sorted += first_selected(s, sorted, a->n, x->dtype == CD_FLOAT64);
            write_items(value, cd_tensor_data(index), x, sorted, o * s->m * a->inner + j, from, s->m,
                        a->inner);
        }
    }
    free(item);
    return status;
}

static cd_status run_sort(cd_call *call, selection s, cd_error *err)
{
    layout_along a;
    cd_tensor *x = NULL, *value = NULL, *out = call->out[0];
    cd_dtype exact = cd_dtype_widest(out->dtype);
    CD_TRY(find_along(&a, call->in[0], cd_int_attr(call->attr, DIM), err));
    cd_status status = cd_tensor_as(&x, call->in[0], exact, CD_CONTIGUOUS, err);
    if (status == CD_OK) {
        status = cd_tensor_new(&value, exact, out->ndim, out->shape, CD_CONTIGUOUS, err);
    }
    if (status == CD_OK) {
        status = sort_rows(value, call->out[1], x, &a, &s, err);
    }
    if (status == CD_OK) {
        status = cd_tensor_copy(out, value, err);
    }
    cd_tensor_release(x);
    cd_tensor_release(value);
    return status;
}

static cd_status selected_shape(cd_call *call, int64_t m, cd_error *err)
{
    layout_along a;
    cd_tensor *x = call->in[0];
    int64_t shape[CD_MAX_DIMS];
    CD_TRY(find_along(&a, x, cd_int_attr(call->attr, DIM), err));
    if (m > a.n) {
        return cd_fail(err, CD_EVALUE, "topk(): `k` is %lld, but the dimension has only %lld elements.",
                       (long long)m, (long long)a.n);
    }
    for (int d = 0; d < x->ndim; d++) {
        shape[d] = d == a.dim && m >= 0 ? m : x->shape[d];
    }
    CD_TRY(cd_out(call, 0, x->dtype, x->ndim, shape, CD_CONTIGUOUS, err));
    return cd_out(call, 1, CD_INT64, x->ndim, shape, CD_CONTIGUOUS, err);
}

static cd_status sort_shape(cd_call *call, cd_error *err)
{
    return selected_shape(call, -1, err);
}

static cd_status sort_forward(cd_call *call, cd_error *err)
{
    layout_along a;
    CD_TRY(find_along(&a, call->in[0], cd_int_attr(call->attr, DIM), err));
    return run_sort(call, (selection){call->attr[DESCENDING] != 0, false, a.n}, err);
}

static cd_status topk_shape(cd_call *call, cd_error *err)
{
    if (call->attr[K] < 0) {
        return cd_fail(err, CD_EVALUE, "topk(): `k` must not be negative, got %g.", call->attr[K]);
    }
    return selected_shape(call, cd_int_attr(call->attr, K), err);
}

static cd_status topk_forward(cd_call *call, cd_error *err)
{
    return run_sort(call, (selection){call->attr[DESCENDING] != 0, false, cd_int_attr(call->attr, K)}, err);
}

static cd_status median_forward(cd_call *call, cd_error *err)
{
    return run_sort(call, (selection){false, true, 1}, err);
}

/* ---- cumsum, cumprod: attributes dim, dtype (-1: by rule) ---- */

enum { CUM_DIM, CUM_DTYPE };

static cd_status cum_shape(cd_call *call, cd_error *err)
{
    cd_dtype dtype = call->in[0]->dtype;
    dtype = cd_dtype_is_float(dtype) ? dtype : CD_INT64;
    dtype = call->attr[CUM_DTYPE] >= 0 ? (cd_dtype)cd_int_attr(call->attr, CUM_DTYPE) : dtype;
    return cd_out(call, 0, dtype, call->in[0]->ndim, call->in[0]->shape, CD_CONTIGUOUS, err);
}

static cd_status run_cumulate(cd_call *call, bool product, cd_error *err)
{
    layout_along a;
    cd_tensor *x;
    CD_TRY(find_along(&a, call->in[0], cd_int_attr(call->attr, CUM_DIM), err));
    CD_TRY(cd_tensor_as(&x, call->in[0], call->out[0]->dtype, CD_CONTIGUOUS, err));
    cdk_cumulate(cd_tensor_data(call->out[0]), product, cd_tensor_data(x), x->dtype, a.outer, a.n, a.inner);
    cd_tensor_release(x);
    return CD_OK;
}

static cd_status cumsum_forward(cd_call *call, cd_error *err)
{
    return run_cumulate(call, false, err);
}

static cd_status cumprod_forward(cd_call *call, cd_error *err)
{
    return run_cumulate(call, true, err);
}

/* dx[k] = sum over i >= k of dy[i] */
static void cumsum_row_back(double *dx, const double *dy, const double *x, int64_t n, int64_t step)
{
    double sum = 0;
    (void)x;
    for (int64_t i = n - 1; i >= 0; i--) {
        sum += dy[i * step];
        dx[i * step] = sum;
    }
}

/* dx[k] = sum over i >= k of dy[i] times the product of x[0..i] without x[k] */
static void cumprod_row_back(double *dx, const double *dy, const double *x, int64_t n, int64_t step)
{
    double before = 1;
    for (int64_t k = 0; k < n; k++) {
        double product = before, sum = 0;
        for (int64_t i = k; i < n; i++) {
            product *= i > k ? x[i * step] : 1;
            sum += dy[i * step] * product;
        }
        dx[k * step] = sum;
        before *= x[k * step];
    }
}

typedef void (*row_back)(double *dx, const double *dy, const double *x, int64_t n, int64_t step);

static cd_status cumulate_backward(cd_gradient *g, row_back back, cd_tensor *input, cd_error *err)
{
    layout_along a;
    cd_tensor *dy = NULL, *x = NULL, *dx = NULL;
    CD_TRY(find_along(&a, g->in[0], cd_int_attr(g->attr, CUM_DIM), err));
    cd_status status = cd_tensor_as(&dy, g->dy[0], CD_FLOAT64, CD_CONTIGUOUS, err);
    if (status == CD_OK) {
        status = cd_tensor_as(&x, input, CD_FLOAT64, CD_CONTIGUOUS, err);
    }
    if (status == CD_OK) {
        status = cd_tensor_new(&dx, CD_FLOAT64, dy->ndim, dy->shape, CD_CONTIGUOUS, err);
    }
    for (int64_t row = 0; status == CD_OK && row < a.outer * a.inner; row++) {
        int64_t at = row / a.inner * a.n * a.inner + row % a.inner;
        back((double *)cd_tensor_data(dx) + at, (double *)cd_tensor_data(dy) + at,
             (double *)cd_tensor_data(x) + at, a.n, a.inner);
    }
    if (status == CD_OK) {
        status = cd_tensor_as(&g->dx[0], dx, g->in[0]->dtype, CD_CONTIGUOUS, err);
    }
    cd_tensor_release(dy);
    cd_tensor_release(x);
    cd_tensor_release(dx);
    return status;
}

static cd_status cumsum_backward(cd_gradient *g, cd_error *err)
{
    return cumulate_backward(g, cumsum_row_back, g->dy[0], err);
}

static cd_status cumprod_backward(cd_gradient *g, cd_error *err)
{
    return cumulate_backward(g, cumprod_row_back, g->in[0], err);
}

#define ALONG(id, printed, outputs, kept, shape_rule, gradient) \
    const cd_op cd_op_##id = {.name = #id,                      \
                              .backward_name = printed,         \
                              .min_in = 1,                      \
                              .max_in = 1,                      \
                              .n_out = outputs,                 \
                              .keeps = kept,                    \
                              .shape = shape_rule,              \
                              .forward = id##_forward,          \
                              .backward = gradient}

ALONG(max_dim, "MaxBackward0", 2, CD_KEEP_OUT(1), pair_shape, found_backward);
ALONG(min_dim, "MinBackward0", 2, CD_KEEP_OUT(1), pair_shape, found_backward);
ALONG(median, "MedianBackward1", 2, CD_KEEP_OUT(1), pair_shape, found_backward);
ALONG(sort, "SortBackward0", 2, CD_KEEP_OUT(1), sort_shape, found_backward);
ALONG(topk, "TopkBackward0", 2, CD_KEEP_OUT(1), topk_shape, found_backward);
ALONG(argmax, NULL, 1, 0, arg_shape, NULL);
ALONG(argmin, NULL, 1, 0, arg_shape, NULL);
ALONG(cumsum, "CumsumBackward0", 1, 0, cum_shape, cumsum_backward);
ALONG(cumprod, "CumprodBackward0", 1, CD_KEEP_IN(0), cum_shape, cumprod_backward);
