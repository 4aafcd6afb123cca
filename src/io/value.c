#include "io/value.h"

#include <stdlib.h>
#include <string.h>

#include "io/file.h"

void cd_document_init(cd_document *d)
{
    memset(d, 0, sizeof *d);
}

static void value_free(cd_value *v)
{
    cd_tensor_release(v->tensor);
    free(v->text);
    free(v->item);
    free(v->shape);
    free(v);
}

void cd_document_free(cd_document *d)
{
    for (int64_t i = 0; i < d->count; i++) {
        value_free(d->value[i]);
    }
    free(d->value);
    cd_document_init(d);
}

#define LEAST_BUDGET ((int64_t)32 << 20)
#define SMALL_FILE ((int64_t)4 << 20)

void cd_document_limit(cd_document *d, int64_t n)
{
    const int64_t small = n < SMALL_FILE ? n : SMALL_FILE;
    d->budget = LEAST_BUDGET + 64 * small + 24 * (n - small);
}

cd_status cd_document_charge(cd_document *d, int64_t bytes, cd_error *err)
{
    d->bytes += bytes;
    if (d->budget == 0 || d->bytes <= d->budget) {
        return CD_OK;
    }
    return cd_fail(
        err, CD_EFORMAT,
        "the file claims values that would take more than the %.0f MB which a file of its size may: it is "
        "damaged, or made to exhaust memory.",
        (double)d->budget / 1e6);
}

static cd_status grow(cd_document *d, cd_value ***array, int64_t *capacity, int64_t count, cd_error *err)
{
    if (count < *capacity) {
        return CD_OK;
    }
    int64_t larger = *capacity < 4 ? 4 : 2 * *capacity;
    CD_TRY(cd_document_charge(d, (larger - *capacity) * (int64_t)sizeof **array, err));
    cd_value **moved = realloc(*array, (size_t)larger * sizeof **array);
    if (moved == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate a list of %lld values.", (long long)larger);
    }
    *array = moved;
    *capacity = larger;
    return CD_OK;
}

/* What an allocation costs besides. */
#define OVERHEAD 16

cd_status cd_value_new(cd_value **v, cd_document *d, cd_value_kind kind, cd_error *err)
{
    *v = NULL;
    if (d->count >= CD_MAX_VALUES) {
        return cd_fail(err, CD_EFORMAT, "the file holds more than %d values.", CD_MAX_VALUES);
    }
    CD_TRY(cd_document_charge(d, (int64_t)sizeof **v + OVERHEAD, err));
    CD_TRY(grow(d, &d->value, &d->capacity, d->count, err));
    *v = calloc(1, sizeof **v);
    if (*v == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate a value.");
    }
    (*v)->kind = kind;
    d->value[d->count++] = *v;
    return CD_OK;
}

cd_status cd_value_text(cd_value **v, cd_document *d, cd_value_kind kind, int64_t length, cd_error *err)
{
    CD_TRY(cd_value_new(v, d, kind, err));
    CD_TRY(cd_document_charge(d, length + OVERHEAD, err));
    (*v)->text = malloc((size_t)length + 1);
    if ((*v)->text == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate a text of %lld bytes.", (long long)length);
    }
    (*v)->text[length] = '\0';
    (*v)->length = length;
    return CD_OK;
}

cd_status cd_value_append(cd_document *d, cd_value *list, cd_value *item, cd_error *err)
{
    CD_TRY(grow(d, &list->item, &list->capacity, list->count, err));
    list->item[list->count++] = item;
    return CD_OK;
}

cd_value *cd_value_find(const cd_value *dict, const char *key)
{
    for (int64_t i = 0; i + 1 < dict->count; i += 2) {
        const cd_value *k = dict->item[i];
        if (k->kind == CD_VALUE_STRING && strcmp(k->text, key) == 0) {
            return dict->item[i + 1];
        }
    }
    return NULL;
}

/* ---- element types ---- */

static const struct {
    const char *name;
    size_t size;
    cd_dtype engine;
} file_dtypes[CD_FILE_DTYPES] = {
    [CD_FILE_F64] = {"F64", 8, CD_FLOAT64}, [CD_FILE_F32] = {"F32", 4, CD_FLOAT32},
    [CD_FILE_F16] = {"F16", 2, CD_FLOAT16}, [CD_FILE_BF16] = {"BF16", 2, CD_BFLOAT16},
    [CD_FILE_I64] = {"I64", 8, CD_INT64},   [CD_FILE_I32] = {"I32", 4, CD_INT32},
    [CD_FILE_I16] = {"I16", 2, CD_INT16},   [CD_FILE_I8] = {"I8", 1, CD_INT8},
    [CD_FILE_U8] = {"U8", 1, CD_UINT8},     [CD_FILE_BOOL] = {"BOOL", 1, CD_BOOL},
};

size_t cd_file_dtype_size(cd_file_dtype dtype)
{
    return file_dtypes[dtype].size;
}

const char *cd_file_dtype_name(cd_file_dtype dtype)
{
    return file_dtypes[dtype].name;
}

cd_dtype cd_file_dtype_engine(cd_file_dtype dtype)
{
    return file_dtypes[dtype].engine;
}

cd_file_dtype cd_file_dtype_of(cd_dtype dtype)
{
    static const cd_file_dtype of[CD_DTYPES] = {
        [CD_BOOL] = CD_FILE_BOOL,     [CD_UINT8] = CD_FILE_U8,    [CD_INT32] = CD_FILE_I32,
        [CD_INT64] = CD_FILE_I64,     [CD_FLOAT32] = CD_FILE_F32, [CD_FLOAT64] = CD_FILE_F64,
        [CD_INT8] = CD_FILE_I8,       [CD_INT16] = CD_FILE_I16,   [CD_FLOAT16] = CD_FILE_F16,
        [CD_BFLOAT16] = CD_FILE_BF16,
    };
    return of[dtype];
}

void cd_file_dtype_decode(void *dst, const void *src, cd_file_dtype dtype, int64_t n)
{
    const unsigned char *bytes = src;
    for (int64_t i = 0; dtype == CD_FILE_BOOL && i < n; i++) {
        ((uint8_t *)dst)[i] = bytes[i] != 0;
    }
    if (dtype != CD_FILE_BOOL) {
        memcpy(dst, src, (size_t)n * file_dtypes[dtype].size);
        cd_little_swap(dst, file_dtypes[dtype].size, n);
    }
}
