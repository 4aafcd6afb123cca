/* Before all others: loops are to become vector code. */
#include "kernels/levels.h"

#include "kernels/separable.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/sizes.h"

/* Channels from which on each pixel is a run of its own. */
#define WIDE_CHANNELS 16
/* Terms that are added up while a run stays in registers. */
#define TERMS_AT_ONCE 8
/* Terms of an output up to which rows and columns are summed at once. Of more than so many rows and columns
 * each reads some channels alone, far apart in memory; whole rows are faster then. */
#define FEW_TERMS 16
/* Outputs a thread should at least get. */
#define GRAIN 32768

typedef struct {
    int64_t taps;
    const void *const *tap;
    const void *weight;
} weighted_taps;

/* A row of y from some rows of x. */
typedef struct {
    int64_t rows, C;
    const void *const *row;
    const void *row_weight, *column_weight;
    const int64_t *start, *index; /* of the columns */
    const double *divisor;        /* of the columns */
    double row_divisor;
    bool divides;
} direct_row;

#define CDK_TEMPLATE "kernels/separable_loops.h"
#include "kernels/each_level.h"
#include "kernels/vec_double.h"

#include "kernels/separable_loops.h"

cd_status cdk_side_make(cdk_side *s, int64_t inputs, int64_t count, int64_t terms, cd_error *err)
{
    const size_t numbers = (size_t)(count + 1 + terms), reals = (size_t)(count + terms);
    *s = (cdk_side){.inputs = inputs, .count = count};
    s->start = malloc(numbers * sizeof(int64_t) + reals * sizeof(double));
    if (s->start == NULL) {
        return cd_fail(err, CD_EALLOC, "no memory for the terms of %lld rows or columns.", (long long)count);
    }
    s->index = s->start + count + 1;
    s->weight = (double *)(s->index + terms);
    s->divisor = s->weight + terms;
    for (int64_t i = 0; i < count; i++) {
        s->divisor[i] = 1;
    }
    return CD_OK;
}

void cdk_separable_free(cdk_separable *s)
{
    free(s->rows.start);
    free(s->columns.start);
    s->rows.start = s->columns.start = NULL;
}

static cd_status transpose_side(cdk_side *to, const cdk_side *from, cd_error *err)
{
    const int64_t terms = from->start[from->count];
    CD_TRY(cdk_side_make(to, from->count, from->inputs, terms, err));
    memset(to->start, 0, (size_t)(to->count + 1) * sizeof *to->start);
    for (int64_t k = 0; k < terms; k++) {
        to->start[from->index[k] + 1]++;
    }
    for (int64_t i = 0; i < to->count; i++) {
        to->start[i + 1] += to->start[i];
    }
    for (int64_t i = 0; i < from->count; i++) {
        for (int64_t k = from->start[i]; k < from->start[i + 1]; k++) {
            const int64_t at = to->start[from->index[k]]++;
            to->index[at] = i;
            to->weight[at] = from->weight[k] / from->divisor[i];
        }
    }
    for (int64_t i = to->count; i > 0; i--) {
        to->start[i] = to->start[i - 1];
    }
    to->start[0] = 0;
    return CD_OK;
}

cd_status cdk_separable_transpose(cdk_separable *to, const cdk_separable *from, cd_error *err)
{
    *to = (cdk_separable){.planes = from->planes, .C = from->C};
    CD_TRY(transpose_side(&to->rows, &from->rows, err));
    return transpose_side(&to->columns, &from->columns, err);
}

/* The most terms of one output. */
static int64_t most_terms(const cdk_side *s)
{
    int64_t most = 1;
    for (int64_t i = 0; i < s->count; i++) {
        most = cdk_max(most, s->start[i + 1] - s->start[i]);
    }
    return most;
}

static bool divides(const cdk_side *s)
{
    for (int64_t i = 0; i < s->count; i++) {
        if (s->divisor[i] != 1) {
            return true;
        }
    }
    return false;
}

/* Whether every output is summed by itself, without sums of rows in between. */
static bool sums_directly(const cdk_separable *s)
{
    return s->C >= WIDE_CHANNELS && most_terms(&s->rows) * most_terms(&s->columns) <= FEW_TERMS;
}

/* Whether outputs i and j are the same sum. */
static bool same_terms(const cdk_side *s, int64_t i, int64_t j)
{
    const int64_t n = s->start[i + 1] - s->start[i], a = s->start[i], b = s->start[j];
    bool same = s->start[j + 1] - b == n && s->divisor[i] == s->divisor[j];
    for (int64_t k = 0; k < n && same; k++) {
        same = s->index[a + k] == s->index[b + k] && s->weight[a + k] == s->weight[b + k];
    }
    return same;
}

/* Whether each output is the only input, times the same weight. */
static bool is_constant(const cdk_side *s)
{
    bool is = s->inputs == 1 && s->start[s->count] == s->count && s->count > 0;
    for (int64_t i = 1; i < s->count && is; i++) {
        is = s->start[i] == i && same_terms(s, i, i - 1);
    }
    return is;
}

#define T float
#define NAME(name) name##_f32
#define LOOP(name) CDK_FOR_CPU(name)
#include "kernels/separable_template.h"
#undef T
#undef NAME
#undef LOOP

#define T double
#define NAME(name) name##_f64
#define LOOP(name) name##_f64
#include "kernels/separable_template.h"

cdk_separable_run *const cdk_separable_sum[CD_DTYPES] = CDK_FLOATS(separable);
