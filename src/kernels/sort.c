/* Before all others: loops are to become vector code. */
#include "kernels/levels.h"

#include "kernels/sort.h"

#include <math.h>
#include <stdbool.h>
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

/* The same in 32 bits, where the digits above are 0 or, descending, all set. */
static uint64_t key_of_single(float x)
{
    uint32_t bits;
    float value = x == 0 ? 0 : x;
    if (isnan(x)) {
        return UINT32_MAX;
    }
    memcpy(&bits, &value, sizeof bits);
    return bits >> 31 ? ~bits : bits | UINT32_C(1) << 31;
}

static uint64_t key_of_whole(int64_t x)
{
    return (uint64_t)x ^ UINT64_C(1) << 63;
}

/* item = all elements of a row; or, the best of them: item has room for 2 m, and gets m in no order. */
typedef void (*item_reader)(sort_item *item, const void *x, const cdk_sorting *s);
static void keep_best(sort_item *item, int64_t n, int64_t m);

/* The best m are those of the elements so far that came before the m-th best of them was known; whenever the
 * room is full, what is not among the best m of it goes, and the worst that stays is the limit for what
 * comes. An element equal to it comes later in order, so it is not wanted. Blocks of neighbours none of which
 * may come before the limit are passed over: the comparisons let NaN, and everything beside a limit that is
 * NaN, be looked at. */
enum { PASSED_OVER = 64 };

#define DEFINE_READER(name, type, key_of)                                           \
    static bool any_before_##name(const type *x, type limit, bool descending)       \
    {                                                                               \
        int any = 0;                                                                \
        if (descending) {                                                           \
            for (int k = 0; k < PASSED_OVER; k++) {                                 \
                any |= !(x[k] <= limit);                                            \
            }                                                                       \
        } else {                                                                    \
            for (int k = 0; k < PASSED_OVER; k++) {                                 \
                any |= !(x[k] >= limit);                                            \
            }                                                                       \
        }                                                                           \
        return any != 0;                                                            \
    }                                                                               \
    static void name(sort_item *item, const void *row, const cdk_sorting *s)        \
    {                                                                               \
        const type *x = row;                                                        \
        for (int64_t i = 0; i < s->n; i++) {                                        \
            uint64_t key = key_of(x[i * s->inner]);                                 \
            item[i] = (sort_item){s->descending ? ~key : key, i};                   \
        }                                                                           \
    }                                                                               \
    static void best_##name(sort_item *item, const void *row, const cdk_sorting *s) \
    {                                                                               \
        const type *x = row;                                                        \
        const uint64_t turn = s->descending ? UINT64_MAX : 0;                       \
        uint64_t limit = UINT64_MAX;                                                \
        type worst = 0;                                                             \
        bool limited = false;                                                       \
        int64_t kept = 0, looked_at = 0;                                            \
        for (int64_t i = 0; i < s->n; i++) {                                        \
            if (limited && i >= looked_at) {                                        \
                for (; i + PASSED_OVER <= s->n; i += PASSED_OVER) {                 \
                    if (any_before_##name(x + i, worst, s->descending)) {           \
                        break;                                                      \
                    }                                                               \
                }                                                                   \
                looked_at = i + PASSED_OVER;                                        \
                if (i == s->n) {                                                    \
                    break;                                                          \
                }                                                                   \
            }                                                                       \
            const uint64_t key = key_of(x[i * s->inner]) ^ turn;                    \
            if (key < limit || i < s->m) {                                          \
                item[kept++] = (sort_item){key, i};                                 \
            }                                                                       \
            if (kept == 2 * s->m) {                                                 \
                keep_best(item, kept, s->m);                                        \
                kept = s->m;                                                        \
                limit = item[s->m - 1].key;                                         \
                worst = x[item[s->m - 1].index * s->inner];                         \
                limited = s->inner == 1;                                            \
            }                                                                       \
        }                                                                           \
        keep_best(item, kept, s->m);                                                \
    }

DEFINE_READER(read_f32, float, key_of_single)
DEFINE_READER(read_f64, double, key_of_real)
DEFINE_READER(read_i64, int64_t, key_of_whole)

static bool comes_before(sort_item a, sort_item b)
{
    return a.key < b.key || (a.key == b.key && a.index < b.index);
}

static void exchange(sort_item *a, sort_item *b)
{
    const sort_item moved = *a;
    *a = *b;
    *b = moved;
}

/* Puts the item of low .. high that is third of three samples' order where it belongs, smaller ones before
 * it. */
static int64_t divide(sort_item *item, int64_t low, int64_t high)
{
    const int64_t middle = low + (high - low) / 2;
    if (comes_before(item[middle], item[low])) {
        exchange(item + middle, item + low);
    }
    if (comes_before(item[high], item[low])) {
        exchange(item + high, item + low);
    }
    if (comes_before(item[middle], item[high])) {
        exchange(item + middle, item + high);
    }
    int64_t at = low;
    for (int64_t i = low; i < high; i++) {
        if (comes_before(item[i], item[high])) {
            exchange(item + i, item + at++);
        }
    }
    exchange(item + at, item + high);
    return at;
}

/* The first m in order of the n items come first, the last of them at m - 1. */
static void keep_best(sort_item *item, int64_t n, int64_t m)
{
    int64_t low = 0, high = n - 1;
    while (low < high) {
        int64_t at = divide(item, low, high);
        if (at == m - 1) {
            return;
        }
        low = at < m - 1 ? at + 1 : low;
        high = at > m - 1 ? at - 1 : high;
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

/* Items moved between two questions for an interrupt. */
#define MOVED_AT_ONCE ((int64_t)1 << 21)

/* One stable pass; *moved is false, and nothing is, where all elements have the same digit. */
static cd_status move_by_digit(bool *moved, sort_item *to, const sort_item *from, int64_t *count, int digit,
                               int64_t n, cd_error *err)
{
    *moved = count[from[0].key >> 8 * digit & 255] != n;
    if (!*moved) {
        return CD_OK;
    }
    for (int64_t v = 0, start = 0; v < DIGIT_VALUES; v++) {
        int64_t many = count[v];
        count[v] = start;
        start += many;
    }
    for (int64_t first = 0; first < n; first += MOVED_AT_ONCE) {
        const int64_t end = first + MOVED_AT_ONCE < n ? first + MOVED_AT_ONCE : n;
        for (int64_t i = first; i < end; i++) {
            to[count[from[i].key >> 8 * digit & 255]++] = from[i];
        }
        CD_TRY(end < n ? cd_interrupt_check(err) : CD_OK);
    }
    return CD_OK;
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
        bool moved;
        CD_TRY(move_by_digit(&moved, spare, *sorted, count[d], d, n, err));
        if (moved) {
            sort_item *was = *sorted;
            *sorted = spare;
            spare = was;
        }
    }
    return CD_OK;
}

#define DEFINE_WRITE(T)                                                                      \
    static void write_##T(void *value, int64_t *index, const void *x, const sort_item *item, \
                          const cdk_sorting *s)                                              \
    {                                                                                        \
        for (int64_t i = 0; i < s->m; i++) {                                                 \
            ((T *)value)[i * s->inner] = ((const T *)x)[item[i].index * s->inner];           \
            index[i * s->inner] = item[i].index + 1;                                         \
        }                                                                                    \
    }

/* Elements are moved as the bytes they are. */
DEFINE_WRITE(uint32_t)
DEFINE_WRITE(uint64_t)

/* Position in the order of the first element that is wanted. */
static int64_t first_wanted(const cdk_sorting *s, const sort_item *item, uint64_t nan_key)
{
    if (!s->median) {
        return 0;
    }
    int64_t numbers = s->n;
    while (nan_key != 0 && numbers > 0 && item[numbers - 1].key == nan_key) {
        numbers--;
    }
    return numbers < s->n ? numbers : (s->n - 1) / 2;
}

typedef struct {
    char *value;
    int64_t *index;
    const char *x;
    item_reader read, read_best;
    uint64_t nan_key; /* of what is not a number; 0 for types without */
    int64_t size;
} sort_work;

/* A few of many: found without sorting the rest. */
static bool wants_few(const cdk_sorting *s)
{
    return !s->median && s->m > 0 && s->m <= s->n / 8;
}

static void exchange_keys(sort_item *item, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        item[i] = (sort_item){(uint64_t)item[i].index, (int64_t)item[i].key};
    }
}

/* The best, by index and then by key, so that equal elements keep their order. */
static cd_status sort_best(sort_item **sorted, sort_item *item, sort_item *spare, int64_t m, cd_error *err)
{
    exchange_keys(item, m);
    CD_TRY(sort_items(sorted, item, spare, m, err));
    exchange_keys(*sorted, m);
    return sort_items(sorted, *sorted, *sorted == item ? spare : item, m, err);
}

static cd_status sort_row(const sort_work *w, sort_item *item, int64_t row, const cdk_sorting *s,
                          cd_error *err)
{
    const int64_t o = row / s->inner, j = row % s->inner, to = o * s->m * s->inner + j;
    const char *x = w->x + (o * s->n * s->inner + j) * w->size;
    const bool few = wants_few(s);
    sort_item *sorted;
    (few ? w->read_best : w->read)(item, x, s);
    CD_TRY(few ? sort_best(&sorted, item, item + 2 * s->m, s->m, err)
               : sort_items(&sorted, item, item + s->n, s->n, err));
    if ((row * s->n) % MANY_ITEMS + s->n >= MANY_ITEMS) {
        CD_TRY(cd_interrupt_check(err));
    }
    sorted += first_wanted(s, sorted, w->nan_key);
    for (int64_t k = 0; k < s->m; k += MOVED_AT_ONCE) {
        cdk_sorting part = *s;
        const int64_t at = to + k * s->inner;
        part.m = s->m - k < MOVED_AT_ONCE ? s->m - k : MOVED_AT_ONCE;
        CD_TRY(k > 0 ? cd_interrupt_check(err) : CD_OK);
        (w->size == sizeof(uint32_t) ? write_uint32_t : write_uint64_t)(w->value + at * w->size,
                                                                        w->index + at, x, sorted + k, &part);
    }
    return CD_OK;
}

static cd_status sort_with_items(const sort_work *w, const cdk_sorting *s, cd_error *err)
{
    const int64_t rows = s->n > 0 ? s->outer * s->inner : 0;
    const int64_t room = wants_few(s) ? 4 * s->m : 2 * s->n;
    sort_item *item = malloc((size_t)(room > 0 ? room : 1) * sizeof *item);
    cd_status status = CD_OK;
    if (item == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate memory to sort %lld elements.", (long long)s->n);
    }
    for (int64_t row = 0; row < rows && status == CD_OK; row++) {
        status = sort_row(w, item, row, s, err);
    }
    free(item);
    return status;
}

static cd_status sort_f32(void *value, int64_t *index, const void *x, const cdk_sorting *s, cd_error *err)
{
    const sort_work w = {value, index, x, read_f32, best_read_f32, UINT32_MAX, sizeof(float)};
    return sort_with_items(&w, s, err);
}

static cd_status sort_f64(void *value, int64_t *index, const void *x, const cdk_sorting *s, cd_error *err)
{
    const sort_work w = {value, index, x, read_f64, best_read_f64, LARGEST_KEY, sizeof(double)};
    return sort_with_items(&w, s, err);
}

static cd_status sort_i64(void *value, int64_t *index, const void *x, const cdk_sorting *s, cd_error *err)
{
    const sort_work w = {value, index, x, read_i64, best_read_i64, 0, sizeof(int64_t)};
    return sort_with_items(&w, s, err);
}

cdk_sort_run *const cdk_sort[CD_DTYPES] = {
    [CD_INT64] = sort_i64, [CD_FLOAT32] = sort_f32, [CD_FLOAT64] = sort_f64};
