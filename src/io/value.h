/* What a file holds: numbers, texts, lists, dictionaries and tensors, as a tree.
 *
 * A cd_document owns all its values; they are freed together. Values may be shared (a Python file can name
 * the same object twice) and even contain themselves, so whoever walks the tree limits depth and number of
 * steps.
 */
#ifndef CANDELA_IO_VALUE_H
#define CANDELA_IO_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "tensor/tensor.h"

typedef enum {
    CD_VALUE_NONE,
    CD_VALUE_BOOL,   /* integer is 0 or 1 */
    CD_VALUE_INT,    /* integer */
    CD_VALUE_FLOAT,  /* real */
    CD_VALUE_LONG,   /* an integer beyond 64 bits: text holds its little-endian bytes, real about its value */
    CD_VALUE_STRING, /* text, UTF-8 */
    CD_VALUE_BYTES,  /* text */
    CD_VALUE_LIST,   /* item; also sets */
    CD_VALUE_TUPLE,  /* item */
    CD_VALUE_DICT,   /* item: key, value, key, value, ... */
    CD_VALUE_STORAGE,
    CD_VALUE_TENSOR,
    CD_VALUE_GLOBAL /* a name out of a Python module: integer says which */
} cd_value_kind;

/* Element types that occur in files. */
typedef enum {
    CD_FILE_F64,
    CD_FILE_F32,
    CD_FILE_F16,
    CD_FILE_BF16,
    CD_FILE_I64,
    CD_FILE_I32,
    CD_FILE_I16,
    CD_FILE_I8,
    CD_FILE_U8,
    CD_FILE_BOOL,
    CD_FILE_DTYPES
} cd_file_dtype;

typedef struct cd_value cd_value;

struct cd_value {
    cd_value_kind kind;
    cd_file_dtype dtype; /* of a storage or a tensor */
    int64_t integer;
    double real;
    char *text; /* owned, NUL after `length` bytes */
    int64_t length;
    cd_value **item; /* the array is owned, the values belong to the document */
    int64_t count;
    int64_t capacity;
    /* Storage: text is its key. Tensor: `storage` and its place in it. */
    cd_value *storage;
    int64_t offset; /* elements; of a storage: where it starts in the one its key names */
    int ndim;
    int64_t *shape;    /* shape and stride: 2 * ndim numbers, owned */
    cd_tensor *tensor; /* one reference; of a storage its elements in one dimension */
};

typedef struct cd_document {
    cd_value **value;
    int64_t count;
    int64_t capacity;
    cd_value *root;
    int64_t bytes;  /* that all of it takes */
    int64_t budget; /* and may take: 0 for no limit */
} cd_document;

void cd_document_init(cd_document *d);

/* Of a file of n bytes: its values may take up to 64 times as much (24 times beyond 4 MB), and 32 MB in any
 * case, which no file that somebody had a use for comes near. */
void cd_document_limit(cd_document *d, int64_t n);

/* Adds to what the document takes, or has made of it. CD_EFORMAT beyond the budget. */
cd_status cd_document_charge(cd_document *d, int64_t bytes, cd_error *err);
void cd_document_free(cd_document *d);

/* More values than that make no checkpoint. */
#define CD_MAX_VALUES 20000000

/* A new value of the document. Errors: CD_EALLOC; CD_EFORMAT beyond CD_MAX_VALUES. */
cd_status cd_value_new(cd_value **v, cd_document *d, cd_value_kind kind, cd_error *err);

/* A new value with room for a text of length bytes (v->text, to be filled). */
cd_status cd_value_text(cd_value **v, cd_document *d, cd_value_kind kind, int64_t length, cd_error *err);

cd_status cd_value_append(cd_document *d, cd_value *list, cd_value *item, cd_error *err);

/* The value of a string key in a dict, or NULL. */
cd_value *cd_value_find(const cd_value *dict, const char *key);

size_t cd_file_dtype_size(cd_file_dtype dtype);

/* "F32" and so on, as safetensors writes them. */
const char *cd_file_dtype_name(cd_file_dtype dtype);

/* The engine's type that holds the values. */
cd_dtype cd_file_dtype_engine(cd_file_dtype dtype);

/* How the engine's type is written. */
cd_file_dtype cd_file_dtype_of(cd_dtype dtype);

/* Turns n little-endian elements in src into the engine's type in dst. */
void cd_file_dtype_decode(void *dst, const void *src, cd_file_dtype dtype, int64_t n);

#endif
