#include "kernels/sort.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"

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

typedef void (*item_reader)(sort_item *item, const void *x, const cdk_sorting *s);

#define DEFINE_READER(name, type, key_of)                                    \
    static void name(sort_item *item, const void *row, const cdk_sorting *s) \
    {                                                                        \
        const type *x = row;                                                 \
        for (int64_t i = 0; i < s->n; i++) {                                 \
            uint64_t key = key_of(x[i * s->inner]);                          \
            item[i] = (sort_item){s->descending ? ~key : key, i};            \
        }                                                                    \
    }

DEFINE_READER(read_f64, double, key_of_real)
DEFINE_READER(read_i64, int64_t, key_of_whole)

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

/* Elements are moved as the eight bytes they are. */
static void write_items(int64_t *value, int64_t *index, const int64_t *x, const sort_item *item,
                        const cdk_sorting *s)
{
    for (int64_t i = 0; i < s->m; i++) {
        value[i * s->inner] = x[item[i].index * s->inner];
        index[i * s->inner] = item[i].index + 1;
    }
}

/* Position in the order of the first element that is wanted. */
static int64_t first_wanted(const cdk_sorting *s, const sort_item *item, bool has_nan)
{
    if (!s->median) {
        return 0;
    }
    int64_t numbers = s->n;
    while (has_nan && numbers > 0 && item[numbers - 1].key == LARGEST_KEY) {
        numbers--;
    }
    return numbers < s->n ? numbers : (s->n - 1) / 2;
}

typedef struct {
    int64_t *value, *index;
    const int64_t *x;
    item_reader read;
    bool has_nan; /* the type has values that are not a number */
} sort_work;

static cd_status sort_rows(const sort_work *w, sort_item *item, const cdk_sorting *s, cd_error *err)
{
    sort_item *sorted;
    int64_t rows = s->n > 0 ? s->outer * s->inner : 0;
    for (int64_t row = 0; row < rows; row++) {
        int64_t o = row / s->inner, j = row % s->inner;
        const int64_t *x = w->x + o * s->n * s->inner + j, to = o * s->m * s->inner + j;
        w->read(item, x, s);
        CD_TRY(sort_items(&sorted, item, item + s->n, s->n, err));
        if ((row * s->n) % MANY_ITEMS + s->n >= MANY_ITEMS) {
            CD_TRY(cd_interrupt_check(err));
        }
        sorted += first_wanted(s, sorted, w->has_nan);
        write_items(w->value + to, w->index + to, x, sorted, s);
    }
    return CD_OK;
}

static cd_status sort_with_items(const sort_work *w, const cdk_sorting *s, cd_error *err)
{
    sort_item *item = malloc((size_t)(s->n > 0 ? s->n : 1) * 2 * sizeof *item);
    if (item == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate memory to sort %lld elements.", (long long)s->n);
    }
    cd_status status = sort_rows(w, item, s, err);
    free(item);
    return status;
}

static cd_status sort_f64(void *value, int64_t *index, const void *x, const cdk_sorting *s, cd_error *err)
{
    return sort_with_items(&(sort_work){value, index, x, read_f64, true}, s, err);
}

static cd_status sort_i64(void *value, int64_t *index, const void *x, const cdk_sorting *s, cd_error *err)
{
    return sort_with_items(&(sort_work){value, index, x, read_i64, false}, s, err);
}

cdk_sort_run *const cdk_sort[CD_DTYPES] = {[CD_INT64] = sort_i64, [CD_FLOAT64] = sort_f64};
