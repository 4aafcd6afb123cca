#include "io/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"
#include "io/file.h"
#include "io/pickle.h"
#include "io/zip.h"

/* ---- storages and the tensors in them ---- */

static cd_status storage_bytes(const cd_value *storage, const cd_file *f, int64_t *nbytes, cd_error *err)
{
    int64_t size = (int64_t)cd_file_dtype_size(storage->dtype);
    if (storage->integer > f->size / size) {
        return cd_file_damaged(f, err, "storage '%.60s' would hold %lld elements, more than the file.",
                               storage->text, (long long)storage->integer);
    }
    *nbytes = storage->integer * size;
    return CD_OK;
}

/* Gives the storage its elements out of raw little-endian bytes. */
static cd_status decode_storage(cd_value *storage, const void *raw, cd_error *err)
{
    CD_TRY(cd_tensor_new(&storage->tensor, cd_file_dtype_engine(storage->dtype), 1, &storage->integer,
                         CD_CONTIGUOUS, err));
    cd_file_dtype_decode(cd_tensor_data(storage->tensor), raw, storage->dtype, storage->integer);
    return CD_OK;
}

/* ---- all storages by their keys ---- */

/* Those with one key are neighbours; owned. */
typedef struct {
    cd_value **storage;
    int64_t count;
} index_of_keys;

static int by_key(const void *a, const void *b)
{
    return strcmp((*(cd_value *const *)a)->text, (*(cd_value *const *)b)->text);
}

static cd_status index_keys(index_of_keys *keys, const cd_document *d, cd_error *err)
{
    *keys = (index_of_keys){malloc((size_t)(d->count + 1) * sizeof *keys->storage), 0};
    if (keys->storage == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate %lld values.", (long long)d->count);
    }
    for (int64_t i = 0; i < d->count; i++) {
        if (d->value[i]->kind == CD_VALUE_STORAGE) {
            keys->storage[keys->count++] = d->value[i];
        }
    }
    qsort(keys->storage, (size_t)keys->count, sizeof *keys->storage, by_key);
    return CD_OK;
}

/* Position of the first storage with that key, or the number of all. */
static int64_t first_with_key(const index_of_keys *keys, const char *key)
{
    int64_t low = 0, high = keys->count;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (strcmp(keys->storage[middle]->text, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < keys->count && strcmp(keys->storage[low]->text, key) == 0 ? low : keys->count;
}

static cd_status share_storage(cd_value *storage, const cd_value *loaded, const cd_file *f, cd_error *err)
{
    if (loaded->dtype != storage->dtype) {
        return cd_file_damaged(f, err, "storage '%.60s' is used with two types.", storage->text);
    }
    storage->tensor = cd_tensor_retain(loaded->tensor);
    return CD_OK;
}

/* Does the tensor with that offset stay inside n elements? Careful with overflow. */
static bool fits_storage(const cd_value *t, int64_t offset, int64_t n)
{
    int64_t last = offset;
    for (int i = 0; i < t->ndim; i++) {
        int64_t steps = t->shape[i] - 1, stride = t->shape[t->ndim + i];
        if (t->shape[i] == 0) {
            return true;
        }
        if (steps > 0 && stride > (n - last) / steps) {
            return false;
        }
        last += steps * stride;
    }
    return last < n;
}

static cd_status resolve_tensor(cd_value *t, const cd_file *f, cd_error *err)
{
    cd_tensor *storage = t->storage->tensor;
    int64_t n = storage != NULL ? cd_tensor_numel(storage) : 0;
    /* Each alone below 2^62, so that the sum cannot overflow. */
    bool far = t->offset > INT64_MAX / 4 || t->storage->offset > INT64_MAX / 4;
    int64_t offset = far ? INT64_MAX / 2 : t->offset + t->storage->offset;
    int64_t numel = 1;
    for (int i = 0; i < t->ndim; i++) {
        if (t->shape[i] > 0 && numel > INT64_MAX / 16 / t->shape[i]) {
            return cd_file_damaged(f, err, "a tensor has an impossible shape.");
        }
        numel *= t->shape[i];
    }
    if (storage == NULL || (numel > 0 && !fits_storage(t, offset, n))) {
        return cd_file_damaged(f, err, "a tensor reaches beyond its storage '%.60s'.", t->storage->text);
    }
    if (numel == 0) {
        return cd_tensor_new(&t->tensor, storage->dtype, t->ndim, t->shape, CD_CONTIGUOUS, err);
    }
    return cd_tensor_view(&t->tensor, storage, t->ndim, t->shape, t->shape + t->ndim, offset, err);
}

static cd_status resolve_tensors(cd_document *d, const cd_file *f, cd_error *err)
{
    for (int64_t i = 0; i < d->count; i++) {
        if (d->value[i]->kind == CD_VALUE_TENSOR) {
            CD_TRY(resolve_tensor(d->value[i], f, err));
        }
    }
    return CD_OK;
}

/* ---- zip format ---- */

static cd_status read_zip_storage(cd_zip *z, cd_value *storage, cd_error *err)
{
    char name[300];
    int64_t nbytes = 0;
    CD_TRY(storage_bytes(storage, z->file, &nbytes, err));
    snprintf(name, sizeof name, "data/%.250s", storage->text);
    cd_zip_entry *entry = cd_zip_find(z, name);
    if (entry == NULL || entry->size != nbytes) {
        return cd_file_damaged(
            z->file, err, "the contents of storage '%.60s' are missing or of the wrong size.", storage->text);
    }
    void *raw = malloc((size_t)nbytes + 1);
    if (raw == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate %lld bytes to read '%s'.", (long long)nbytes,
                       z->file->path);
    }
    cd_status status = cd_zip_read(z, entry, raw, err);
    if (status == CD_OK) {
        status = decode_storage(storage, raw, err);
    }
    free(raw);
    return status;
}

static cd_status read_each_storage(const index_of_keys *keys, cd_zip *z, cd_error *err)
{
    int64_t total = 0;
    for (int64_t i = 0; i < keys->count; i++) {
        cd_value *v = keys->storage[i], *last = i > 0 ? keys->storage[i - 1] : NULL;
        CD_TRY(cd_interrupt_check(err));
        if (last != NULL && strcmp(last->text, v->text) == 0) {
            CD_TRY(share_storage(v, last, z->file, err));
            continue;
        }
        CD_TRY(read_zip_storage(z, v, err));
        total += v->integer * (int64_t)cd_file_dtype_size(v->dtype);
        if (total > z->file->size) {
            return cd_file_damaged(z->file, err, "storages lie in the same bytes.");
        }
    }
    return CD_OK;
}

static cd_status read_zip_storages(cd_document *d, cd_zip *z, cd_error *err)
{
    index_of_keys keys;
    cd_status status = index_keys(&keys, d, err);
    if (status == CD_OK) {
        status = read_each_storage(&keys, z, err);
    }
    free(keys.storage);
    return status;
}

static cd_status check_entry(cd_zip *z, cd_zip_entry *entry, cd_error *err)
{
    void *copy = entry->size <= z->file->size ? malloc((size_t)entry->size + 1) : NULL;
    if (copy == NULL) {
        return cd_file_damaged(z->file, err, "entry '%.100s' is too large.", entry->name);
    }
    cd_status status = cd_zip_read(z, entry, copy, err);
    free(copy);
    return status;
}

static cd_status check_byte_order(cd_zip *z, cd_error *err)
{
    char order[16] = {0};
    cd_zip_entry *entry = cd_zip_find(z, "byteorder");
    if (entry == NULL || entry->size >= (int64_t)sizeof order) {
        return CD_OK;
    }
    CD_TRY(cd_zip_read(z, entry, order, err));
    if (strncmp(order, "little", 6) != 0) {
        return cd_fail(err, CD_EFORMAT, "'%s' was written on a big-endian machine, which is not read.",
                       z->file->path);
    }
    return CD_OK;
}

static cd_status read_zip(cd_document *d, cd_zip *z, cd_error *err)
{
    CD_TRY(cd_zip_open(z, z->file, err));
    cd_zip_entry *entry = cd_zip_find(z, "data.pkl");
    if (entry == NULL) {
        return cd_fail(err, CD_EFORMAT,
                       "'%s' is a zip archive, but not one of torch.save(): it has no data.pkl.",
                       z->file->path);
    }
    CD_TRY(check_byte_order(z, err));
    CD_TRY(check_entry(z, entry, err));
    cd_reader reader;
    cd_reader_init(&reader, z->file, entry->data, entry->data + entry->size);
    CD_TRY(cd_pickle_read(&d->root, d, &reader, err));
    CD_TRY(read_zip_storages(d, z, err));
    return resolve_tensors(d, z->file, err);
}

/* ---- stream format: magic, version, system, object, storage keys; then each storage ---- */

static cd_status read_header(cd_document *d, cd_reader *r, cd_error *err)
{
    static const unsigned char magic[10] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
    cd_value *v;
    cd_status status = cd_pickle_read(&v, d, r, err);
    if (status == CD_EALLOC || status == CD_EIO) {
        return status;
    }
    if (status != CD_OK || v->kind != CD_VALUE_LONG || v->length != 10 || memcmp(v->text, magic, 10) != 0) {
        return cd_fail(err, CD_EFORMAT, "'%s' is not a file of torch.save() (or its beginning is damaged).",
                       r->file->path);
    }
    CD_TRY(cd_pickle_read(&v, d, r, err));
    if (v->kind != CD_VALUE_INT || v->integer != 1001) {
        return cd_file_damaged(r->file, err, "unknown version of the stream format.");
    }
    CD_TRY(cd_pickle_read(&v, d, r, err));
    const cd_value *little = v->kind == CD_VALUE_DICT ? cd_value_find(v, "little_endian") : NULL;
    if (little != NULL && little->kind == CD_VALUE_BOOL && little->integer == 0) {
        return cd_fail(err, CD_EFORMAT, "'%s' was written on a big-endian machine, which is not read.",
                       r->file->path);
    }
    return CD_OK;
}

static cd_status read_stream_storage(cd_value *storage, cd_reader *r, cd_error *err)
{
    unsigned char count[8];
    int64_t nbytes = 0;
    CD_TRY(cd_reader_bytes(r, count, 8, err));
    uint64_t n = cd_little64(count);
    storage->integer = n > INT64_MAX ? INT64_MAX : (int64_t)n;
    CD_TRY(storage_bytes(storage, r->file, &nbytes, err));
    void *raw = malloc((size_t)nbytes + 1);
    if (raw == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate %lld bytes to read '%s'.", (long long)nbytes,
                       r->file->path);
    }
    cd_status status = cd_reader_bytes(r, raw, nbytes, err);
    if (status == CD_OK) {
        status = decode_storage(storage, raw, err);
    }
    free(raw);
    return status;
}

static cd_status read_keyed_storage(const index_of_keys *all, const cd_value *key, cd_reader *r,
                                    cd_error *err)
{
    const int64_t first = key->kind == CD_VALUE_STRING ? first_with_key(all, key->text) : all->count;
    if (first == all->count) {
        return cd_file_damaged(r->file, err, "it holds a storage that no tensor uses.");
    }
    if (all->storage[first]->tensor != NULL) {
        return cd_file_damaged(r->file, err, "storage '%.60s' comes twice.", key->text);
    }
    CD_TRY(read_stream_storage(all->storage[first], r, err));
    for (int64_t i = first + 1; i < all->count && strcmp(all->storage[i]->text, key->text) == 0; i++) {
        CD_TRY(share_storage(all->storage[i], all->storage[first], r->file, err));
    }
    return CD_OK;
}

static cd_status read_stream_storages(cd_document *d, const cd_value *keys, cd_reader *r, cd_error *err)
{
    index_of_keys all;
    cd_status status = index_keys(&all, d, err);
    for (int64_t i = 0; status == CD_OK && i < keys->count; i++) {
        status = cd_interrupt_check(err);
        status = status == CD_OK ? read_keyed_storage(&all, keys->item[i], r, err) : status;
    }
    free(all.storage);
    return status;
}

static cd_status read_stream(cd_document *d, cd_file *f, cd_error *err)
{
    cd_reader reader;
    cd_value *keys;
    cd_reader_init(&reader, f, 0, f->size);
    CD_TRY(read_header(d, &reader, err));
    CD_TRY(cd_pickle_read(&d->root, d, &reader, err));
    CD_TRY(cd_pickle_read(&keys, d, &reader, err));
    if (keys->kind != CD_VALUE_LIST) {
        return cd_file_damaged(f, err, "the list of storages is missing.");
    }
    CD_TRY(read_stream_storages(d, keys, &reader, err));
    return resolve_tensors(d, f, err);
}

static cd_status read_file(cd_document *d, cd_file *f, cd_error *err)
{
    unsigned char start[4] = {0};
    cd_document_limit(d, f->size);
    CD_TRY(cd_file_read(f, start, 0, f->size < 4 ? f->size : 4, "the beginning", err));
    if (memcmp(start, "PK\003\004", 4) != 0) {
        return read_stream(d, f, err);
    }
    cd_zip z = {.file = f};
    cd_status status = read_zip(d, &z, err);
    cd_zip_free(&z);
    return status;
}

cd_status cd_checkpoint_read(cd_document *d, const char *path, cd_error *err)
{
    cd_file f;
    cd_status status = cd_file_open(&f, path, err);
    if (status == CD_OK) {
        status = read_file(d, &f, err);
    }
    cd_file_close(&f);
    return status;
}
