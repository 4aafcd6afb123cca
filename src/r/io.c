/* Files from R: checkpoints, safetensors, JSON. What was read is held by an external pointer while R objects
 * are made of it, so that nothing is lost when R runs out of memory in between. */
#include <stdlib.h>
#include <string.h>

#include "io/checkpoint.h"
#include "io/file.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "io/sha256.h"
#include "r/glue.h"
#include "r/registry.h"

#define DEEPEST 200

static void finalize(SEXP held)
{
    cd_document *d = R_ExternalPtrAddr(held);
    R_ClearExternalPtr(held);
    if (d != NULL) {
        cd_document_free(d);
        free(d);
    }
}

/* An empty document held by R (unprotected). */
static SEXP hold_document(void)
{
    SEXP held = PROTECT(R_MakeExternalPtr(NULL, R_NilValue, R_NilValue));
    R_RegisterCFinalizerEx(held, finalize, FALSE);
    cd_document *d = malloc(sizeof *d);
    if (d == NULL) {
        cdr_stop(CD_EALLOC, "cannot allocate a document.");
    }
    cd_document_init(d);
    R_SetExternalPtrAddr(held, d);
    UNPROTECT(1);
    return held;
}

/* Lists that are named in several places are made for each of them, so that the objects are counted against
 * the document's budget too. */
#define OBJECT_BYTES 64
#define HANDLE_BYTES 512

typedef struct {
    int depth;
    cd_document made;
} progress;

static SEXP to_r(const cd_value *v, progress *p);

static SEXP text_to_r(const cd_value *v)
{
    if (memchr(v->text, 0, (size_t)v->length) != NULL) {
        cdr_stop(CD_EFORMAT, "the file holds a text with a zero byte.");
    }
    return Rf_mkCharLenCE(v->text, (int)v->length, CE_UTF8);
}

static SEXP bytes_to_r(const cd_value *v)
{
    SEXP x = Rf_allocVector(RAWSXP, (R_xlen_t)v->length);
    memcpy(RAW(x), v->text, (size_t)v->length);
    return x;
}

static SEXP integer_to_r(int64_t value)
{
    return value > INT32_MIN && value <= INT32_MAX ? Rf_ScalarInteger((int)value)
                                                   : Rf_ScalarReal((double)value);
}

static SEXP tensor_to_r(const cd_value *v)
{
    cd_error err;
    SEXP handle = PROTECT(cdr_handle());
    cdr_handle_set_tensor(handle, cd_tensor_retain(v->tensor), 0, CD_OK, &err);
    UNPROTECT(1);
    return handle;
}

static SEXP list_to_r(const cd_value *v, progress *p)
{
    SEXP list = PROTECT(Rf_allocVector(VECSXP, (R_xlen_t)v->count));
    for (int64_t i = 0; i < v->count; i++) {
        SET_VECTOR_ELT(list, (R_xlen_t)i, to_r(v->item[i], p));
    }
    UNPROTECT(1);
    return list;
}

static SEXP key_to_r(const cd_value *key)
{
    char digits[32];
    switch (key->kind) {
    case CD_VALUE_STRING:
        return text_to_r(key);
    case CD_VALUE_INT:
        snprintf(digits, sizeof digits, "%lld", (long long)key->integer);
        return Rf_mkChar(digits);
    default:
        cdr_stop(CD_EFORMAT, "the file holds a dictionary whose keys are neither texts nor whole numbers.");
        return R_NilValue;
    }
}

static SEXP dict_to_r(const cd_value *v, progress *p)
{
    R_xlen_t n = (R_xlen_t)(v->count / 2);
    SEXP list = PROTECT(Rf_allocVector(VECSXP, n));
    SEXP names = PROTECT(Rf_allocVector(STRSXP, n));
    for (R_xlen_t i = 0; i < n; i++) {
        SET_STRING_ELT(names, i, key_to_r(v->item[2 * i]));
        SET_VECTOR_ELT(list, i, to_r(v->item[2 * i + 1], p));
    }
    Rf_setAttrib(list, R_NamesSymbol, names);
    UNPROTECT(2);
    return list;
}

static SEXP container_to_r(const cd_value *v, progress *p)
{
    if (++p->depth > DEEPEST) {
        cdr_stop(CD_EFORMAT, "the file holds lists nested deeper than %d.", DEEPEST);
    }
    SEXP x = v->kind == CD_VALUE_DICT ? dict_to_r(v, p) : list_to_r(v, p);
    p->depth--;
    return x;
}

static int64_t object_bytes(const cd_value *v)
{
    const bool bytes = v->kind == CD_VALUE_BYTES;
    return v->kind == CD_VALUE_TENSOR ? HANDLE_BYTES : OBJECT_BYTES + (bytes ? v->length : 8 * v->count);
}

static SEXP to_r(const cd_value *v, progress *p)
{
    cd_error err;
    if (cd_document_charge(&p->made, object_bytes(v), &err) != CD_OK) {
        cdr_raise(&err);
    }
    switch (v->kind) {
    case CD_VALUE_BOOL:
        return Rf_ScalarLogical(v->integer != 0);
    case CD_VALUE_INT:
        return integer_to_r(v->integer);
    case CD_VALUE_FLOAT:
    case CD_VALUE_LONG:
        return Rf_ScalarReal(v->real);
    case CD_VALUE_STRING: {
        SEXP text = PROTECT(text_to_r(v));
        SEXP x = Rf_ScalarString(text);
        UNPROTECT(1);
        return x;
    }
    case CD_VALUE_BYTES:
        return bytes_to_r(v);
    case CD_VALUE_LIST:
    case CD_VALUE_TUPLE:
    case CD_VALUE_DICT:
        return container_to_r(v, p);
    case CD_VALUE_TENSOR:
        return tensor_to_r(v);
    default:
        return R_NilValue;
    }
}

/* Raises what went wrong, or gives the document's root as an R object and frees the document. */
static SEXP finish(SEXP held, cd_status status, const cd_error *err)
{
    const cd_document *d = R_ExternalPtrAddr(held);
    progress p = {.made = {.budget = d->budget}};
    if (status != CD_OK) {
        finalize(held);
        cdr_raise(err);
    }
    SEXP x = PROTECT(to_r(d->root, &p));
    finalize(held);
    UNPROTECT(1);
    return x;
}

static SEXP read_document(SEXP path, cd_status (*read)(cd_document *, const char *, cd_error *))
{
    cd_error err;
    const char *file = cdr_string(path, "path");
    SEXP held = PROTECT(hold_document());
    cd_status status = read(R_ExternalPtrAddr(held), file, &err);
    SEXP x = finish(held, status, &err);
    UNPROTECT(1);
    return x;
}

SEXP cdr_checkpoint_read(SEXP path)
{
    return read_document(path, cd_checkpoint_read);
}

/* list(tensors, metadata) */
SEXP cdr_safetensors_read(SEXP path)
{
    return read_document(path, cd_safetensors_read);
}

SEXP cdr_json_read(SEXP text, SEXP what)
{
    cd_error err;
    const char *json = cdr_string(text, "text"), *name = cdr_string(what, "what");
    SEXP held = PROTECT(hold_document());
    cd_document *d = R_ExternalPtrAddr(held);
    cd_status status = cd_json_read(&d->root, d, json, (int64_t)strlen(json), name, &err);
    SEXP x = finish(held, status, &err);
    UNPROTECT(1);
    return x;
}

/* path: the name of a file, or the bytes themselves. */
SEXP cdr_sha256(SEXP path)
{
    cd_error err;
    char hex[CD_SHA256_HEX];
    if (TYPEOF(path) == RAWSXP) {
        cd_sha256_bytes(RAW(path), (size_t)Rf_xlength(path), hex);
        return Rf_mkString(hex);
    }
    const char *file = cdr_string(path, "path");
    if (cd_sha256_file(file, hex, &err) != CD_OK) {
        cdr_raise(&err);
    }
    return Rf_mkString(hex);
}

SEXP cdr_is_special_file(SEXP path)
{
    return Rf_ScalarLogical(cd_file_is_special(cdr_string(path, "path")));
}

/* The texts of a character vector as UTF-8; the array and the texts belong to R. */
static const char **texts_of(SEXP x)
{
    const char **text = (const char **)R_alloc((size_t)Rf_xlength(x) + 1, sizeof *text);
    for (R_xlen_t i = 0; i < Rf_xlength(x); i++) {
        text[i] = Rf_translateCharUTF8(STRING_ELT(x, i));
    }
    return text;
}

/* names: character; tensors: list of as many tensors; meta: character, key, value, key, value. */
SEXP cdr_safetensors_write(SEXP path, SEXP names, SEXP tensors, SEXP meta)
{
    cd_error err;
    const char *file = cdr_string(path, "path");
    R_xlen_t n = Rf_xlength(tensors);
    if (TYPEOF(tensors) != VECSXP) {
        cdr_stop(CD_EVALUE, "`tensors` must be a list of tensors.");
    }
    cdr_check_texts(names, n, "names");
    cdr_check_texts(meta, Rf_xlength(meta) / 2 * 2, "meta");
    cd_tensor **tensor = (cd_tensor **)R_alloc((size_t)n + 1, sizeof *tensor);
    for (R_xlen_t i = 0; i < n; i++) {
        tensor[i] = cdr_defined(VECTOR_ELT(tensors, i), "tensors")->value;
    }
    const char **name = texts_of(names), **pairs = texts_of(meta);
    if (cd_safetensors_write(file, n, name, tensor, Rf_xlength(meta) / 2, pairs, &err) != CD_OK) {
        cdr_raise(&err);
    }
    return R_NilValue;
}
