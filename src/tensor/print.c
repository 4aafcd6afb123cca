#include "tensor/print.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"
#include "tensor/copy.h"
#include "tensor/elements.h"

#define LINE_SIZE 80
#define TRUNCATED "... [the output was truncated (use n=-1 to disable)]\n"

/* ---- growing text ---- */

typedef struct {
    char *data;
    size_t size, capacity;
    int64_t lines, max_lines; /* max_lines < 0: no limit */
    bool failed;
} text;

static bool is_full(const text *s)
{
    return s->failed || (s->max_lines >= 0 && s->lines >= s->max_lines);
}

static bool reserve(text *s, size_t more)
{
    if (s->size + more + 1 <= s->capacity) {
        return true;
    }
    size_t capacity = 2 * (s->size + more) + 1024;
    char *data = realloc(s->data, capacity);
    if (data == NULL) {
        s->failed = true;
        return false;
    }
    s->data = data;
    s->capacity = capacity;
    return true;
}

#define WRITE_MAX 512

static void write(text *s, const char *format, ...) CD_PRINTF(2, 3);

static void write(text *s, const char *format, ...)
{
    va_list args;
    if (!reserve(s, WRITE_MAX)) {
        return;
    }
    va_start(args, format);
    int n = vsnprintf(s->data + s->size, WRITE_MAX, format, args);
    va_end(args);
    s->size += n > 0 ? (size_t)n : 0;
}

static void end_line(text *s)
{
    write(s, "\n");
    s->lines++;
}

/* ---- the format of a group of numbers ---- */

typedef struct {
    bool found, whole;
    double smallest, largest;
} range;

typedef enum { PLAIN, SCIENTIFIC, FIXED } notation;

typedef struct {
    notation how;
    int width;
    double scale;
} format;

static void extend(range *r, const double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double size = fabs(x[i]);
        if (!isfinite(x[i])) {
            continue;
        }
        r->whole = r->whole && x[i] == ceil(x[i]);
        if (!r->found) {
            r->found = true;
            r->smallest = r->largest = size;
        }
        r->smallest = size < r->smallest ? size : r->smallest;
        r->largest = x[i] > r->largest ? size : r->largest;
    }
}

static int digits(double value)
{
    return value != 0 ? (int)floor(log10(value)) + 1 : 1;
}

static format format_of(const range *r)
{
    int low = r->found ? digits(r->smallest) : 1, high = r->found ? digits(r->largest) : 1;
    if (r->whole) {
        return high > 9 ? (format){SCIENTIFIC, 11, 1} : (format){PLAIN, high + 1, 1};
    }
    if (high - low > 4) {
        return (format){SCIENTIFIC, abs(high) > 99 || abs(low) > 99 ? 12 : 11, 1};
    }
    if (high > 5 || high < 0) {
        return (format){FIXED, 7, pow(10, high - 1)};
    }
    return (format){FIXED, high == 0 ? 7 : high + 6, 1};
}

static void write_number(text *s, double x, format f)
{
    double value = x / f.scale;
    if (!isfinite(value)) {
        write(s, "%*s", f.width, isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
    } else if (f.how == PLAIN) {
        write(s, "%*.0f", f.width, value);
    } else if (f.how == FIXED) {
        write(s, "%*.4f", f.width, value);
    } else {
        write(s, "%*.4e", f.width, value);
    }
}

/* ---- vectors and matrices ---- */

/* Numbers are looked at through a buffer of doubles. */
#define BUFFER 4096

static cd_status read_some(double *buffer, const cd_tensor *row, int64_t from, int64_t n, cd_error *err)
{
    cd_tensor *source, *target;
    int64_t one = 1;
    CD_TRY(cd_tensor_view(&source, row, 1, &n, row->stride, row->offset + from * row->stride[0], err));
    cd_status status = cd_tensor_borrow(&target, buffer, CD_FLOAT64, 1, &n, &one, err);
    if (status == CD_OK) {
        status = cd_tensor_copy(target, source, err);
        cd_tensor_release(target);
    }
    cd_tensor_release(source);
    return status;
}

static cd_status widen_by_vector(range *r, const cd_tensor *x, cd_error *err)
{
    double buffer[BUFFER];
    for (int64_t from = 0; from < x->shape[0]; from += BUFFER) {
        CD_TRY(from > 0 ? cd_interrupt_check(err) : CD_OK);
        int64_t n = x->shape[0] - from < BUFFER ? x->shape[0] - from : BUFFER;
        CD_TRY(read_some(buffer, x, from, n, err));
        extend(r, buffer, n);
    }
    return CD_OK;
}

/* The elements of the storage that x spans, where x names them several times: as a vector whose range is that
 * of x. NULL where x has no more elements than that. */
static cd_status spanned(cd_tensor **y, const cd_tensor *x, cd_error *err)
{
    int64_t last = 0, one = 1;
    *y = NULL;
    for (int d = 0; d < x->ndim; d++) {
        if (x->stride[d] < 0) {
            return CD_OK;
        }
        last += (x->shape[d] - 1) * x->stride[d];
    }
    const int64_t n = last + 1;
    return n < cd_tensor_numel(x) ? cd_tensor_view(y, x, 1, &n, &one, x->offset, err) : CD_OK;
}

static void write_scale(text *s, double scale)
{
    write(s, "%g *", scale);
    end_line(s);
}

static cd_status write_vector(text *s, const cd_tensor *x, cd_error *err)
{
    range r = {.whole = true};
    double value;
    cd_tensor *span;
    CD_TRY(spanned(&span, x, err));
    cd_status status = widen_by_vector(&r, span != NULL ? span : x, err);
    cd_tensor_release(span);
    CD_TRY(status);
    format f = format_of(&r);
    if (f.scale != 1 && x->shape[0] > 0) {
        write_scale(s, f.scale);
    }
    for (int64_t i = 0; i < x->shape[0] && !is_full(s); i++) {
        CD_TRY(read_some(&value, x, i, 1, err));
        write_number(s, value, f);
        end_line(s);
    }
    return CD_OK;
}

static cd_status row_of(cd_tensor **row, const cd_tensor *x, int64_t i, cd_error *err)
{
    return cd_tensor_view(row, x, 1, x->shape + 1, x->stride + 1, x->offset + i * x->stride[0], err);
}

static cd_status range_of_rows(range *r, const cd_tensor *x, cd_error *err)
{
    for (int64_t i = 0; i < x->shape[0]; i++) {
        cd_tensor *row;
        CD_TRY(i % 256 == 0 ? cd_interrupt_check(err) : CD_OK);
        CD_TRY(row_of(&row, x, i, err));
        cd_status status = widen_by_vector(r, row, err);
        cd_tensor_release(row);
        CD_TRY(status);
    }
    return CD_OK;
}

static cd_status format_matrix(format *f, const cd_tensor *x, cd_error *err)
{
    range r = {.whole = true};
    cd_tensor *span;
    CD_TRY(spanned(&span, x, err));
    cd_status status = span != NULL ? widen_by_vector(&r, span, err) : range_of_rows(&r, x, err);
    cd_tensor_release(span);
    CD_TRY(status);
    *f = format_of(&r);
    return CD_OK;
}

static cd_status write_row(text *s, const cd_tensor *x, int64_t i, int64_t first, int64_t n, format f,
                           cd_error *err)
{
    double value[LINE_SIZE];
    cd_tensor *row;
    CD_TRY(row_of(&row, x, i, err));
    cd_status status = read_some(value, row, first, n, err);
    cd_tensor_release(row);
    for (int64_t k = 0; status == CD_OK && k < n; k++) {
        write_number(s, value[k], f);
        if (k < n - 1) {
            write(s, " ");
        }
    }
    end_line(s);
    return status;
}

/* Rows of the columns first .. first + n - 1. */
static cd_status write_columns(text *s, const cd_tensor *x, int64_t first, int64_t n, int indent, format f,
                               cd_error *err)
{
    if (f.scale != 1) {
        write_scale(s, f.scale);
        write(s, "%*s", indent, "");
    }
    for (int64_t i = 0; i < x->shape[0] && !is_full(s); i++) {
        if (i > 0) {
            write(s, "%*s", indent + (f.scale != 1), "");
        }
        CD_TRY(write_row(s, x, i, first, n, f, err));
    }
    return CD_OK;
}

static cd_status write_matrix(text *s, const cd_tensor *x, int indent, cd_error *err)
{
    format f;
    CD_TRY(format_matrix(&f, x, err));
    int64_t per_line = (LINE_SIZE - indent) / (f.width + 1), columns = x->shape[1];
    write(s, "%*s", indent, "");
    for (int64_t first = 0; first < columns && !is_full(s); first += per_line) {
        int64_t n = columns - first < per_line ? columns - first : per_line;
        if (per_line < columns) {
            if (first != 0) {
                end_line(s);
            }
            write(s, "Columns %lld to %lld%*s", (long long)first + 1, (long long)(first + n), indent, "");
        }
        CD_TRY(write_columns(s, x, first, n, indent, f, err));
    }
    return CD_OK;
}

/* ---- more dimensions: one matrix after the other, the first index running fastest ---- */

static void write_heading(text *s, const int64_t *index, int n)
{
    write(s, "(");
    for (int d = 0; d < n; d++) {
        write(s, "%lld,", (long long)index[d] + 1);
    }
    write(s, ".,.) = ");
    end_line(s);
}

static cd_status write_slice(text *s, const cd_tensor *x, const int64_t *index, cd_error *err)
{
    cd_tensor *matrix;
    int lead = x->ndim - 2;
    int64_t offset = x->offset;
    for (int d = 0; d < lead; d++) {
        offset += index[d] * x->stride[d];
    }
    write_heading(s, index, lead);
    CD_TRY(cd_tensor_view(&matrix, x, 2, x->shape + lead, x->stride + lead, offset, err));
    cd_status status = write_matrix(s, matrix, 1, err);
    cd_tensor_release(matrix);
    return status;
}

static bool next_slice(int64_t *index, const cd_tensor *x)
{
    for (int d = 0; d < x->ndim - 2; d++) {
        if (++index[d] < x->shape[d]) {
            return true;
        }
        index[d] = 0;
    }
    return false;
}

static cd_status write_slices(text *s, const cd_tensor *x, cd_error *err)
{
    int64_t index[CD_MAX_DIMS] = {0};
    bool more = true;
    while (more && !is_full(s)) {
        CD_TRY(write_slice(s, x, index, err));
        more = next_slice(index, x);
        if (more) {
            end_line(s);
        }
    }
    return CD_OK;
}

static cd_status write_values(text *s, const cd_tensor *t, cd_error *err)
{
    if (t->ndim == 0) {
        write(s, "%.*g", cd_dtype_is_float(t->dtype) ? 6 : 20, cd_tensor_get(t, 0));
        end_line(s);
        return CD_OK;
    }
    if (cd_tensor_numel(t) == 0) {
        return CD_OK;
    }
    return t->ndim == 1   ? write_vector(s, t, err)
           : t->ndim == 2 ? write_matrix(s, t, 0, err)
                          : write_slices(s, t, err);
}

/* Lines beyond the limit may have been begun; cut behind the last full one. */
static void cut(text *s)
{
    int64_t lines = 0;
    for (size_t i = 0; i < s->size; i++) {
        if (s->data[i] == '\n' && ++lines == s->max_lines) {
            s->size = i + 1;
            break;
        }
    }
    write(s, TRUNCATED);
}

static void write_footer(text *s, const cd_tensor *t)
{
    write(s, "[ CPU%sType{", cd_dtype_name(t->dtype));
    for (int d = 0; d < t->ndim; d++) {
        write(s, d == 0 ? "%lld" : ",%lld", (long long)t->shape[d]);
    }
    write(s, "} ]");
}

cd_status cd_tensor_text(char **result, const cd_tensor *t, int64_t max_lines, cd_error *err)
{
    text s = {.max_lines = max_lines > 1 ? max_lines : -1};
    cd_status status = write_values(&s, t, err);
    if (status == CD_OK) {
        if (s.max_lines >= 0 && s.lines >= s.max_lines) {
            cut(&s);
        }
        write_footer(&s, t);
        status = s.failed ? cd_fail(err, CD_EALLOC, "cannot allocate the text of a tensor.") : CD_OK;
    }
    if (status != CD_OK) {
        free(s.data);
        s.data = NULL;
    }
    *result = s.data;
    return status;
}
