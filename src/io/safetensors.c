#include "io/safetensors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"
#include "io/file.h"
#include "io/json.h"
#include "tensor/copy.h"

#define LARGEST_HEADER 100000000
/* What a tensor takes besides its value, without its elements. */
#define TENSOR_BYTES 512

/* ---- reading ---- */

static bool find_dtype(cd_file_dtype *dtype, const char *name)
{
    for (int i = 0; i < CD_FILE_DTYPES; i++) {
        if (strcmp(name, cd_file_dtype_name((cd_file_dtype)i)) == 0) {
            *dtype = (cd_file_dtype)i;
            return true;
        }
    }
    return false;
}

static bool is_whole_list(const cd_value *v, int64_t longest)
{
    bool fits = v != NULL && v->kind == CD_VALUE_LIST && v->count <= longest;
    for (int64_t i = 0; fits && i < v->count; i++) {
        fits = v->item[i]->kind == CD_VALUE_INT && v->item[i]->integer >= 0;
    }
    return fits;
}

/* Turns the header's description into a tensor value: shape, dtype, offset in bytes, integer = bytes. */
static cd_status describe(cd_value *t, const cd_value *name, const cd_value *entry, const cd_file *f,
                          cd_error *err)
{
    const cd_value *dtype = entry->kind == CD_VALUE_DICT ? cd_value_find(entry, "dtype") : NULL;
    const cd_value *shape = dtype != NULL ? cd_value_find(entry, "shape") : NULL;
    const cd_value *place = dtype != NULL ? cd_value_find(entry, "data_offsets") : NULL;
    if (!is_whole_list(shape, CD_MAX_DIMS) || !is_whole_list(place, 2) || place->count != 2 ||
        dtype->kind != CD_VALUE_STRING) {
        return cd_file_damaged(f, err, "tensor '%.100s' is described in an unknown way.", name->text);
    }
    if (!find_dtype(&t->dtype, dtype->text)) {
        return cd_fail(err, CD_EFORMAT, "'%s': tensor '%.100s' has dtype %.20s, which is not read.", f->path,
                       name->text, dtype->text);
    }
    int64_t nbytes = (int64_t)cd_file_dtype_size(t->dtype);
    t->ndim = (int)shape->count;
    t->shape = malloc((size_t)(t->ndim + 1) * sizeof *t->shape);
    if (t->shape == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate a shape.");
    }
    for (int i = 0; i < t->ndim; i++) {
        t->shape[i] = shape->item[i]->integer;
        if (t->shape[i] > 0 && nbytes > INT64_MAX / t->shape[i]) {
            return cd_file_damaged(f, err, "tensor '%.100s' has an impossible shape.", name->text);
        }
        nbytes *= t->shape[i];
    }
    t->offset = place->item[0]->integer;
    t->integer = place->item[1]->integer - t->offset;
    if (t->integer != nbytes) {
        return cd_file_damaged(f, err, "tensor '%.100s' has %lld bytes, its shape wants %lld.", name->text,
                               (long long)t->integer, (long long)nbytes);
    }
    return CD_OK;
}

static cd_status read_elements(cd_value *t, const cd_value *name, int64_t data, cd_file *f, cd_error *err)
{
    if (t->offset > f->size || t->integer > f->size) {
        return cd_file_damaged(f, err, "tensor '%.100s' lies beyond its end.", name->text);
    }
    CD_TRY(cd_tensor_new(&t->tensor, cd_file_dtype_engine(t->dtype), t->ndim, t->shape, CD_CONTIGUOUS, err));
    void *raw = malloc((size_t)t->integer + 1);
    if (raw == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate %lld bytes to read '%s'.", (long long)t->integer,
                       f->path);
    }
    cd_status status = cd_file_read(f, raw, data + t->offset, t->integer, name->text, err);
    if (status == CD_OK) {
        int64_t n = t->integer / (int64_t)cd_file_dtype_size(t->dtype);
        cd_file_dtype_decode(cd_tensor_data(t->tensor), raw, t->dtype, n);
    }
    free(raw);
    return status;
}

/* ---- no two tensors of one name, nor in one place ---- */

typedef struct {
    const cd_value *name, *tensor;
} entry;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->name->text, ((const entry *)b)->name->text);
}

static int by_place(const void *a, const void *b)
{
    const cd_value *x = ((const entry *)a)->tensor, *y = ((const entry *)b)->tensor;
    return x->offset != y->offset ? (x->offset > y->offset) - (x->offset < y->offset)
                                  : (x->integer > y->integer) - (x->integer < y->integer);
}

static cd_status check_names(entry *e, int64_t n, const cd_file *f, cd_error *err)
{
    qsort(e, (size_t)n, sizeof *e, by_name);
    for (int64_t i = 1; i < n; i++) {
        if (strcmp(e[i - 1].name->text, e[i].name->text) == 0) {
            return cd_file_damaged(f, err, "tensor '%.100s' is named twice.", e[i].name->text);
        }
    }
    return CD_OK;
}

static cd_status check_places(entry *e, int64_t n, const cd_file *f, cd_error *err)
{
    qsort(e, (size_t)n, sizeof *e, by_place);
    for (int64_t i = 1; i < n; i++) {
        const cd_value *below = e[i - 1].tensor;
        if (below->integer > e[i].tensor->offset - below->offset) {
            return cd_file_damaged(f, err, "tensors '%.100s' and '%.100s' lie in the same bytes.",
                                   e[i - 1].name->text, e[i].name->text);
        }
    }
    return CD_OK;
}

/* tensors: name, tensor, name, tensor, ..., of which those without bytes lie nowhere. */
static cd_status check_apart(const cd_value *tensors, const cd_file *f, cd_error *err)
{
    entry *e = malloc((size_t)(tensors->count / 2 + 1) * sizeof *e);
    if (e == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate the names of '%s'.", f->path);
    }
    int64_t n = 0;
    for (int64_t i = 0; i < tensors->count; i += 2) {
        e[n++] = (entry){tensors->item[i], tensors->item[i + 1]};
    }
    cd_status status = check_names(e, n, f, err);
    int64_t filled = 0;
    for (int64_t i = 0; i < n; i++) {
        if (e[i].tensor->integer > 0) {
            e[filled++] = e[i];
        }
    }
    status = status == CD_OK ? check_places(e, filled, f, err) : status;
    free(e);
    return status;
}

static cd_status read_tensors(cd_document *d, const cd_value *header, int64_t data, cd_file *f, cd_error *err)
{
    cd_value *tensors, *metadata;
    CD_TRY(cd_value_new(&d->root, d, CD_VALUE_LIST, err));
    CD_TRY(cd_value_new(&tensors, d, CD_VALUE_DICT, err));
    CD_TRY(cd_value_new(&metadata, d, CD_VALUE_DICT, err));
    for (int64_t i = 0; i < header->count; i += 2) {
        cd_value *name = header->item[i], *entry = header->item[i + 1], *t;
        if (strcmp(name->text, "__metadata__") == 0) {
            metadata = entry;
            continue;
        }
        CD_TRY(cd_value_new(&t, d, CD_VALUE_TENSOR, err));
        CD_TRY(cd_document_charge(d, TENSOR_BYTES, err));
        CD_TRY(describe(t, name, entry, f, err));
        CD_TRY(cd_value_append(d, tensors, name, err));
        CD_TRY(cd_value_append(d, tensors, t, err));
    }
    CD_TRY(check_apart(tensors, f, err));
    for (int64_t i = 0; i < tensors->count; i += 2) {
        CD_TRY(cd_interrupt_check(err));
        CD_TRY(read_elements(tensors->item[i + 1], tensors->item[i], data, f, err));
    }
    CD_TRY(cd_value_append(d, d->root, tensors, err));
    return cd_value_append(d, d->root, metadata, err);
}

static cd_status read_header(cd_document *d, cd_value **header, int64_t *data, cd_file *f, cd_error *err)
{
    unsigned char raw[8];
    char what[CD_ERROR_LENGTH / 4];
    cd_value *text;
    CD_TRY(cd_file_read(f, raw, 0, 8, "the length of the header", err));
    uint64_t length = cd_little64(raw);
    if (length > LARGEST_HEADER || (int64_t)length > f->size - 8) {
        return cd_file_damaged(f, err, "its header would have %llu bytes, the file has %lld.",
                               (unsigned long long)length, (long long)f->size);
    }
    CD_TRY(cd_value_text(&text, d, CD_VALUE_STRING, (int64_t)length, err));
    CD_TRY(cd_file_read(f, text->text, 8, (int64_t)length, "the header", err));
    snprintf(what, sizeof what, "'%.*s'", (int)sizeof what - 3, f->path);
    CD_TRY(cd_json_read(header, d, text->text, (int64_t)length, what, err));
    *data = 8 + (int64_t)length;
    return (*header)->kind == CD_VALUE_DICT ? CD_OK : cd_file_damaged(f, err, "its header is not an object.");
}

static cd_status read_file(cd_document *d, cd_file *f, cd_error *err)
{
    cd_value *header;
    int64_t data = 0;
    cd_document_limit(d, f->size);
    CD_TRY(read_header(d, &header, &data, f, err));
    return read_tensors(d, header, data, f, err);
}

cd_status cd_safetensors_read(cd_document *d, const char *path, cd_error *err)
{
    cd_file f;
    cd_status status = cd_file_open(&f, path, err);
    if (status == CD_OK) {
        status = read_file(d, &f, err);
    }
    cd_file_close(&f);
    return status;
}

/* ---- writing ---- */

typedef struct {
    char *text;
    size_t length, capacity;
    bool failed;
} builder;

static void add_bytes(builder *b, const char *text, size_t n)
{
    if (b->length + n + 1 > b->capacity) {
        size_t capacity = 2 * (b->length + n) + 256;
        char *moved = realloc(b->text, capacity);
        if (moved == NULL) {
            b->failed = true;
            return;
        }
        b->text = moved;
        b->capacity = capacity;
    }
    memcpy(b->text + b->length, text, n);
    b->length += n;
}

static void add(builder *b, const char *text)
{
    add_bytes(b, text, strlen(text));
}

static void add_whole(builder *b, int64_t value)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%lld", (long long)value);
    add(b, digits);
}

static void add_quoted(builder *b, const char *text)
{
    char escaped[8];
    add(b, "\"");
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\' || c < 0x20) {
            snprintf(escaped, sizeof escaped, "\\u%04x", c);
            add(b, escaped);
        } else {
            add_bytes(b, text, 1);
        }
    }
    add(b, "\"");
}

static void add_metadata(builder *b, int64_t n_meta, const char *const *meta)
{
    add(b, "\"__metadata__\":{");
    for (int64_t i = 0; i < n_meta; i++) {
        add(b, i > 0 ? "," : "");
        add_quoted(b, meta[2 * i]);
        add(b, ":");
        add_quoted(b, meta[2 * i + 1]);
    }
    add(b, "}");
}

static int64_t tensor_bytes(const cd_tensor *t)
{
    return cd_tensor_numel(t) * (int64_t)cd_dtype_size(t->dtype);
}

static void add_tensor(builder *b, const char *name, const cd_tensor *t, int64_t offset)
{
    add_quoted(b, name);
    add(b, ":{\"dtype\":\"");
    add(b, cd_file_dtype_name(cd_file_dtype_of(t->dtype)));
    add(b, "\",\"shape\":[");
    for (int i = 0; i < t->ndim; i++) {
        add(b, i > 0 ? "," : "");
        add_whole(b, t->shape[i]);
    }
    add(b, "],\"data_offsets\":[");
    add_whole(b, offset);
    add(b, ",");
    add_whole(b, offset + tensor_bytes(t));
    add(b, "]}");
}

/* offset[i] of each tensor when those with larger elements come first. */
static void place(int64_t *offset, int64_t n, cd_tensor *const *tensor)
{
    int64_t at = 0;
    for (size_t size = 8; size > 0; size /= 2) {
        for (int64_t i = 0; i < n; i++) {
            if (cd_dtype_size(tensor[i]->dtype) == size) {
                offset[i] = at;
                at += tensor_bytes(tensor[i]);
            }
        }
    }
}

static cd_status write_bytes(FILE *f, const void *data, size_t n, const char *path, cd_error *err)
{
    if (n > 0 && fwrite(data, 1, n, f) != n) {
        return cd_fail(err, CD_EIO, "cannot write to '%s': %s.", path, strerror(errno));
    }
    return CD_OK;
}

static cd_status write_elements(FILE *f, cd_tensor *t, const char *path, cd_error *err)
{
    cd_tensor *dense;
    CD_TRY(cd_interrupt_check(err));
    CD_TRY(cd_tensor_as(&dense, t, t->dtype, CD_CONTIGUOUS, err));
    size_t size = cd_dtype_size(t->dtype);
    int64_t n = cd_tensor_numel(t);
    cd_little_swap(cd_tensor_data(dense), size, n);
    cd_status status = write_bytes(f, cd_tensor_data(dense), (size_t)n * size, path, err);
    cd_little_swap(cd_tensor_data(dense), size, n);
    cd_tensor_release(dense);
    return status;
}

static cd_status write_all(FILE *f, builder *b, int64_t n, cd_tensor *const *tensor, const char *path,
                           cd_error *err)
{
    unsigned char length[8];
    while ((b->length % 8) != 0) {
        add(b, " ");
    }
    if (b->failed) {
        return cd_fail(err, CD_EALLOC, "cannot allocate the header of '%s'.", path);
    }
    for (int i = 0; i < 8; i++) {
        length[i] = (unsigned char)((uint64_t)b->length >> (8 * i));
    }
    CD_TRY(write_bytes(f, length, 8, path, err));
    CD_TRY(write_bytes(f, b->text, b->length, path, err));
    for (size_t size = 8; size > 0; size /= 2) {
        for (int64_t i = 0; i < n; i++) {
            if (cd_dtype_size(tensor[i]->dtype) == size) {
                CD_TRY(write_elements(f, tensor[i], path, err));
            }
        }
    }
    return CD_OK;
}

static void build_header(builder *b, int64_t n, const char *const *name, cd_tensor *const *tensor,
                         const int64_t *offset, int64_t n_meta, const char *const *meta)
{
    add(b, "{");
    if (n_meta > 0) {
        add_metadata(b, n_meta, meta);
    }
    for (int64_t i = 0; i < n; i++) {
        add(b, i > 0 || n_meta > 0 ? "," : "");
        add_tensor(b, name[i], tensor[i], offset[i]);
    }
    add(b, "}");
}

cd_status cd_safetensors_write(const char *path, int64_t n, const char *const *name, cd_tensor *const *tensor,
                               int64_t n_meta, const char *const *meta, cd_error *err)
{
    builder b = {0};
    int64_t *offset = malloc((size_t)(n + 1) * sizeof *offset);
    if (offset == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate the header of '%s'.", path);
    }
    FILE *f = fopen(path, "wb");
    cd_status status =
        f != NULL ? CD_OK : cd_fail(err, CD_EIO, "cannot create '%s': %s.", path, strerror(errno));
    if (status == CD_OK) {
        place(offset, n, tensor);
        build_header(&b, n, name, tensor, offset, n_meta, meta);
        status = write_all(f, &b, n, tensor, path, err);
    }
    if (f != NULL && fclose(f) != 0 && status == CD_OK) {
        status = cd_fail(err, CD_EIO, "cannot write to '%s': %s.", path, strerror(errno));
    }
    free(b.text);
    free(offset);
    return status;
}
