#include "io/pickle.h"

#include <stdlib.h>
#include <string.h>

#define NAME_LENGTH 256
/* What a tensor takes besides its value, without its elements. */
#define TENSOR_BYTES 512

typedef enum {
    GLOBAL_DICT,
    GLOBAL_SIZE,
    GLOBAL_SET,
    GLOBAL_TENSOR,
    GLOBAL_PARAMETER,
    GLOBAL_ENCODE,
    GLOBAL_DTYPE,
    GLOBAL_STORAGE /* + cd_file_dtype */
} global_id;

static const struct {
    const char *module, *name;
    int id;
} globals[] = {
    {"collections", "OrderedDict", GLOBAL_DICT},
    {"torch", "Size", GLOBAL_SIZE},
    {"builtins", "set", GLOBAL_SET},
    {"__builtin__", "set", GLOBAL_SET},
    {"_codecs", "encode", GLOBAL_ENCODE},
    {"torch._utils", "_rebuild_tensor_v2", GLOBAL_TENSOR},
    {"torch._utils", "_rebuild_tensor", GLOBAL_TENSOR},
    {"torch._utils", "_rebuild_parameter", GLOBAL_PARAMETER},
    {"torch", "float32", GLOBAL_DTYPE},
    {"torch", "float64", GLOBAL_DTYPE},
    {"torch", "float16", GLOBAL_DTYPE},
    {"torch", "bfloat16", GLOBAL_DTYPE},
    {"torch", "int64", GLOBAL_DTYPE},
    {"torch", "int32", GLOBAL_DTYPE},
    {"torch", "uint8", GLOBAL_DTYPE},
    {"torch", "bool", GLOBAL_DTYPE},
    {"torch", "DoubleStorage", GLOBAL_STORAGE + CD_FILE_F64},
    {"torch", "FloatStorage", GLOBAL_STORAGE + CD_FILE_F32},
    {"torch", "HalfStorage", GLOBAL_STORAGE + CD_FILE_F16},
    {"torch", "BFloat16Storage", GLOBAL_STORAGE + CD_FILE_BF16},
    {"torch", "LongStorage", GLOBAL_STORAGE + CD_FILE_I64},
    {"torch", "IntStorage", GLOBAL_STORAGE + CD_FILE_I32},
    {"torch", "ShortStorage", GLOBAL_STORAGE + CD_FILE_I16},
    {"torch", "CharStorage", GLOBAL_STORAGE + CD_FILE_I8},
    {"torch", "ByteStorage", GLOBAL_STORAGE + CD_FILE_U8},
    {"torch", "BoolStorage", GLOBAL_STORAGE + CD_FILE_BOOL},
};

#define CONSTANTS 3
#define SMALL_NUMBERS 256

typedef struct {
    cd_document *document;
    cd_reader *in;
    int64_t start;
    cd_value **stack; /* NULL entries are marks */
    int64_t depth, capacity;
    cd_value **memo;
    int64_t memo_count, memo_capacity;
    cd_value *constant[CONSTANTS + SMALL_NUMBERS]; /* each made once: None, False, True, 0, 1, ... */
} machine;

static cd_status damaged(machine *m, cd_error *err, const char *what)
{
    return cd_file_damaged(m->in->file, err, "%s (near byte %lld).", what, (long long)m->in->position);
}

static cd_status room(machine *m, cd_value ***array, int64_t *capacity, int64_t needed, cd_error *err)
{
    if (needed <= *capacity) {
        return CD_OK;
    }
    int64_t larger = 2 * needed + 64;
    CD_TRY(cd_document_charge(m->document, (larger - *capacity) * (int64_t)sizeof **array, err));
    cd_value **moved = realloc(*array, (size_t)larger * sizeof **array);
    if (moved == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate a stack of %lld values.", (long long)larger);
    }
    memset(moved + *capacity, 0, (size_t)(larger - *capacity) * sizeof *moved);
    *array = moved;
    *capacity = larger;
    return CD_OK;
}

static cd_status push(machine *m, cd_value *v, cd_error *err)
{
    CD_TRY(room(m, &m->stack, &m->capacity, m->depth + 1, err));
    m->stack[m->depth++] = v;
    return CD_OK;
}

static cd_status pop(machine *m, cd_value **v, cd_error *err)
{
    if (m->depth == 0 || m->stack[m->depth - 1] == NULL) {
        return damaged(m, err, "a value is missing");
    }
    *v = m->stack[--m->depth];
    return CD_OK;
}

static cd_status top(machine *m, cd_value **v, cd_error *err)
{
    CD_TRY(pop(m, v, err));
    m->depth++;
    return CD_OK;
}

/* First stack position above the topmost mark. */
static cd_status above_mark(machine *m, int64_t *first, cd_error *err)
{
    for (int64_t i = m->depth; i > 0; i--) {
        if (m->stack[i - 1] == NULL) {
            *first = i;
            return CD_OK;
        }
    }
    return damaged(m, err, "the start of a list is missing");
}

static cd_status read_length(machine *m, int bytes, int64_t *length, cd_error *err)
{
    unsigned char raw[8] = {0};
    CD_TRY(cd_reader_bytes(m->in, raw, bytes, err));
    uint64_t value = cd_little64(raw);
    if (value > INT64_MAX) {
        return damaged(m, err, "an impossible length");
    }
    *length = (int64_t)value;
    return CD_OK;
}

/* ---- values ---- */

static cd_status push_new(machine *m, cd_value_kind kind, int64_t integer, double real, cd_error *err)
{
    cd_value *v;
    CD_TRY(cd_value_new(&v, m->document, kind, err));
    v->integer = integer;
    v->real = real;
    return push(m, v, err);
}

/* Values are not changed once they are there, so that one serves for all places. */
static cd_status push_constant(machine *m, int which, cd_value_kind kind, int64_t integer, cd_error *err)
{
    if (m->constant[which] != NULL) {
        return push(m, m->constant[which], err);
    }
    CD_TRY(push_new(m, kind, integer, 0, err));
    return top(m, &m->constant[which], err);
}

static cd_status push_int(machine *m, int bytes, cd_error *err)
{
    int64_t value = 0;
    CD_TRY(read_length(m, bytes, &value, err));
    if (bytes == 4 && value > INT32_MAX) {
        value -= INT64_C(4294967296);
    }
    return value >= 0 && value < SMALL_NUMBERS
               ? push_constant(m, CONSTANTS + (int)value, CD_VALUE_INT, value, err)
               : push_new(m, CD_VALUE_INT, value, 0, err);
}

static cd_status push_text(machine *m, cd_value_kind kind, int length_bytes, cd_error *err)
{
    int64_t length = 0;
    cd_value *v;
    CD_TRY(read_length(m, length_bytes, &length, err));
    if (length > m->in->end - m->in->position) {
        return damaged(m, err, "a text is longer than the file");
    }
    CD_TRY(cd_value_text(&v, m->document, kind, length, err));
    CD_TRY(cd_reader_bytes(m->in, v->text, length, err));
    return push(m, v, err);
}

static cd_status push_long(machine *m, int length_bytes, cd_error *err)
{
    cd_value *v;
    CD_TRY(push_text(m, CD_VALUE_LONG, length_bytes, err));
    CD_TRY(top(m, &v, err));
    const unsigned char *byte = (const unsigned char *)v->text;
    bool negative = v->length > 0 && byte[v->length - 1] >= 128;
    uint64_t low = negative ? UINT64_MAX : 0;
    double scale = 1;
    for (int64_t i = 0; i < v->length; i++, scale *= 256) {
        v->real += scale * byte[i];
        if (i < 8) {
            low = (low & ~(UINT64_C(255) << (8 * i))) | (uint64_t)byte[i] << (8 * i);
        }
    }
    v->real -= negative ? scale : 0;
    if (v->length <= 8) {
        v->kind = CD_VALUE_INT;
        memcpy(&v->integer, &low, sizeof low);
    }
    return CD_OK;
}

static cd_status push_float(machine *m, cd_error *err)
{
    unsigned char raw[8], turned[8];
    uint64_t bits;
    double value;
    CD_TRY(cd_reader_bytes(m->in, raw, 8, err));
    for (int i = 0; i < 8; i++) {
        turned[i] = raw[7 - i];
    }
    bits = cd_little64(turned);
    memcpy(&value, &bits, sizeof value);
    return push_new(m, CD_VALUE_FLOAT, 0, value, err);
}

/* ---- containers ---- */

/* The values above stack position first become the items of a new value. */
static cd_status collect(machine *m, cd_value_kind kind, int64_t first, cd_error *err)
{
    cd_value *v;
    CD_TRY(cd_value_new(&v, m->document, kind, err));
    for (int64_t i = first; i < m->depth; i++) {
        if (m->stack[i] == NULL) {
            return damaged(m, err, "a list contains a mark");
        }
        CD_TRY(cd_value_append(m->document, v, m->stack[i], err));
    }
    m->depth = first;
    return push(m, v, err);
}

static cd_status collect_marked(machine *m, cd_value_kind kind, cd_error *err)
{
    int64_t first = 0;
    CD_TRY(above_mark(m, &first, err));
    CD_TRY(collect(m, kind, first, err));
    cd_value *v = m->stack[--m->depth];
    m->stack[m->depth - 1] = v;
    if (kind == CD_VALUE_DICT && v->count % 2 != 0) {
        return damaged(m, err, "a dictionary has a key without a value");
    }
    return CD_OK;
}

static cd_status collect_few(machine *m, int n, cd_error *err)
{
    if (m->depth < n) {
        return damaged(m, err, "a tuple lacks items");
    }
    return collect(m, CD_VALUE_TUPLE, m->depth - n, err);
}

/* Moves the values above `first` into the container below them. */
static cd_status extend(machine *m, int64_t first, bool marked, cd_value_kind kind, cd_error *err)
{
    int64_t below = first - (marked ? 2 : 1);
    cd_value *container = below >= 0 && first <= m->depth ? m->stack[below] : NULL;
    if (container == NULL || container->kind != kind ||
        (kind == CD_VALUE_DICT && (m->depth - first) % 2 != 0)) {
        return damaged(m, err, "items without their list or dictionary");
    }
    for (int64_t i = first; i < m->depth; i++) {
        if (m->stack[i] == NULL) {
            return damaged(m, err, "a list contains a mark");
        }
        CD_TRY(cd_value_append(m->document, container, m->stack[i], err));
    }
    m->depth = below + 1;
    return CD_OK;
}

static cd_status extend_marked(machine *m, cd_value_kind kind, cd_error *err)
{
    int64_t first = 0;
    CD_TRY(above_mark(m, &first, err));
    return extend(m, first, true, kind, err);
}

/* ---- memo ---- */

static cd_status memo_put(machine *m, int64_t index, cd_error *err)
{
    cd_value *v;
    CD_TRY(top(m, &v, err));
    /* Writers number their entries one by one, and each entry costs bytes. */
    if (index > m->in->position - m->start) {
        return damaged(m, err, "an impossible reference number");
    }
    CD_TRY(room(m, &m->memo, &m->memo_capacity, index + 1, err));
    m->memo[index] = v;
    m->memo_count++;
    return CD_OK;
}

static cd_status memo_get(machine *m, int64_t index, cd_error *err)
{
    if (index >= m->memo_capacity || m->memo[index] == NULL) {
        return damaged(m, err, "a reference to something not yet defined");
    }
    return push(m, m->memo[index], err);
}

/* ---- names ---- */

static cd_status push_global(machine *m, const char *module, const char *name, cd_error *err)
{
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++) {
        if (strcmp(module, globals[i].module) == 0 && strcmp(name, globals[i].name) == 0) {
            return push_new(m, CD_VALUE_GLOBAL, globals[i].id, 0, err);
        }
    }
    return cd_fail(
        err, CD_EFORMAT,
        "'%s' needs the Python object '%.80s.%.80s', which is not read: only tensors, parameters, numbers, "
        "texts, lists and dictionaries are. Save it in Python with torch.save(model.state_dict(), path).",
        m->in->file->path, module, name);
}

static cd_status read_line(machine *m, char *line, cd_error *err)
{
    for (int i = 0; i < NAME_LENGTH; i++) {
        CD_TRY(cd_reader_bytes(m->in, line + i, 1, err));
        if (line[i] == '\n') {
            line[i] = '\0';
            return CD_OK;
        }
    }
    return damaged(m, err, "a name without end");
}

static cd_status global_from_lines(machine *m, cd_error *err)
{
    char module[NAME_LENGTH], name[NAME_LENGTH];
    CD_TRY(read_line(m, module, err));
    CD_TRY(read_line(m, name, err));
    return push_global(m, module, name, err);
}

static cd_status global_from_stack(machine *m, cd_error *err)
{
    cd_value *module, *name;
    CD_TRY(pop(m, &name, err));
    CD_TRY(pop(m, &module, err));
    if (name->kind != CD_VALUE_STRING || module->kind != CD_VALUE_STRING) {
        return damaged(m, err, "a name that is not a text");
    }
    return push_global(m, module->text, name->text, err);
}

/* ---- storages and tensors ---- */

/* ('storage', type, key, location, numel[, None or (view key, offset, numel)]) */
static cd_status push_storage(machine *m, cd_error *err)
{
    cd_value *id, *v;
    CD_TRY(pop(m, &id, err));
    bool fits = id->kind == CD_VALUE_TUPLE && id->count >= 5 && id->item[1]->kind == CD_VALUE_GLOBAL &&
                id->item[1]->integer >= GLOBAL_STORAGE && id->item[2]->kind == CD_VALUE_STRING &&
                id->item[4]->kind == CD_VALUE_INT && id->item[4]->integer >= 0;
    if (!fits) {
        return damaged(m, err, "a storage is described in an unknown way");
    }
    CD_TRY(cd_value_text(&v, m->document, CD_VALUE_STORAGE, id->item[2]->length, err));
    memcpy(v->text, id->item[2]->text, (size_t)v->length);
    v->dtype = (cd_file_dtype)(id->item[1]->integer - GLOBAL_STORAGE);
    v->integer = id->item[4]->integer;
    if (id->count > 5 && id->item[5]->kind == CD_VALUE_TUPLE) {
        const cd_value *view = id->item[5];
        if (view->count != 3 || view->item[1]->kind != CD_VALUE_INT || view->item[1]->integer < 0) {
            return damaged(m, err, "a part of a storage is described in an unknown way");
        }
        v->offset = view->item[1]->integer;
    }
    return push(m, v, err);
}

static bool is_size(const cd_value *v)
{
    if ((v->kind != CD_VALUE_TUPLE && v->kind != CD_VALUE_LIST) || v->count > CD_MAX_DIMS) {
        return false;
    }
    for (int64_t i = 0; i < v->count; i++) {
        if (v->item[i]->kind != CD_VALUE_INT || v->item[i]->integer < 0) {
            return false;
        }
    }
    return true;
}

/* (storage, offset, size, stride, ...) */
static cd_status push_tensor(machine *m, const cd_value *args, cd_error *err)
{
    cd_value *v;
    bool fits = args->count >= 4 && args->item[0]->kind == CD_VALUE_STORAGE &&
                args->item[1]->kind == CD_VALUE_INT && args->item[1]->integer >= 0 &&
                is_size(args->item[2]) && is_size(args->item[3]) &&
                args->item[2]->count == args->item[3]->count;
    if (!fits) {
        return damaged(m, err, "a tensor is described in an unknown way");
    }
    CD_TRY(cd_value_new(&v, m->document, CD_VALUE_TENSOR, err));
    CD_TRY(cd_document_charge(m->document, TENSOR_BYTES, err));
    v->storage = args->item[0];
    v->offset = args->item[1]->integer;
    v->ndim = (int)args->item[2]->count;
    v->shape = malloc((size_t)(2 * v->ndim + 1) * sizeof *v->shape);
    if (v->shape == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate a shape.");
    }
    for (int i = 0; i < v->ndim; i++) {
        v->shape[i] = args->item[2]->item[i]->integer;
        v->shape[v->ndim + i] = args->item[3]->item[i]->integer;
    }
    return push(m, v, err);
}

static cd_status push_first(machine *m, const cd_value *args, cd_value_kind wanted, cd_error *err)
{
    if (args->count < 1 || args->item[0]->kind != wanted) {
        return damaged(m, err, "an object is described in an unknown way");
    }
    return push(m, args->item[0], err);
}

/* OrderedDict() or OrderedDict([[key, value], ...]) */
static cd_status push_dict(machine *m, const cd_value *args, cd_error *err)
{
    cd_value *dict;
    CD_TRY(cd_value_new(&dict, m->document, CD_VALUE_DICT, err));
    const cd_value *pairs = args->count > 0 ? args->item[0] : NULL;
    for (int64_t i = 0; pairs != NULL && i < pairs->count; i++) {
        const cd_value *pair = pairs->item[i];
        if (pairs->kind != CD_VALUE_LIST || pair->count != 2 || pair->kind == CD_VALUE_DICT) {
            return damaged(m, err, "a dictionary is described in an unknown way");
        }
        CD_TRY(cd_value_append(m->document, dict, pair->item[0], err));
        CD_TRY(cd_value_append(m->document, dict, pair->item[1], err));
    }
    return push(m, dict, err);
}

static cd_status reduce(machine *m, cd_error *err)
{
    cd_value *args = NULL, *callable = NULL;
    CD_TRY(pop(m, &args, err));
    CD_TRY(pop(m, &callable, err));
    if (args->kind != CD_VALUE_TUPLE || callable->kind != CD_VALUE_GLOBAL) {
        return damaged(m, err, "an object is described in an unknown way");
    }
    switch (callable->integer) {
    case GLOBAL_DICT:
        return push_dict(m, args, err);
    case GLOBAL_SIZE:
        return push_first(m, args, CD_VALUE_TUPLE, err);
    case GLOBAL_SET:
        return push_first(m, args, CD_VALUE_LIST, err);
    case GLOBAL_ENCODE:
        return push_first(m, args, CD_VALUE_STRING, err);
    case GLOBAL_TENSOR:
        return push_tensor(m, args, err);
    case GLOBAL_PARAMETER:
        return push_first(m, args, CD_VALUE_TENSOR, err);
    default:
        return damaged(m, err, "a type is used as a function");
    }
}

/* The state of an OrderedDict (its _metadata) is dropped; nothing else has one. */
static cd_status build(machine *m, cd_error *err)
{
    cd_value *state, *object;
    CD_TRY(pop(m, &state, err));
    CD_TRY(top(m, &object, err));
    return object->kind == CD_VALUE_DICT ? CD_OK : damaged(m, err, "an object with an unknown state");
}

/* ---- opcodes ---- */

static cd_status step_numbers(machine *m, int op, bool *known, cd_error *err)
{
    switch (op) {
    case 'N':
        return push_constant(m, 0, CD_VALUE_NONE, 0, err);
    case 0x88:
    case 0x89:
        return push_constant(m, 1 + (op == 0x88), CD_VALUE_BOOL, op == 0x88, err);
    case 'J':
        return push_int(m, 4, err);
    case 'K':
        return push_int(m, 1, err);
    case 'M':
        return push_int(m, 2, err);
    case 0x8a:
        return push_long(m, 1, err);
    case 0x8b:
        return push_long(m, 4, err);
    case 'G':
        return push_float(m, err);
    default:
        *known = false;
        return CD_OK;
    }
}

static cd_status step_texts(machine *m, int op, bool *known, cd_error *err)
{
    switch (op) {
    case 'X':
    case 'T':
        return push_text(m, CD_VALUE_STRING, 4, err);
    case 0x8c:
    case 'U':
        return push_text(m, CD_VALUE_STRING, 1, err);
    case 0x8d:
        return push_text(m, CD_VALUE_STRING, 8, err);
    case 'C':
        return push_text(m, CD_VALUE_BYTES, 1, err);
    case 'B':
        return push_text(m, CD_VALUE_BYTES, 4, err);
    case 0x8e:
        return push_text(m, CD_VALUE_BYTES, 8, err);
    default:
        *known = false;
        return CD_OK;
    }
}

static cd_status step_containers(machine *m, int op, bool *known, cd_error *err)
{
    switch (op) {
    case '(':
        return push(m, NULL, err);
    case '}':
        return collect(m, CD_VALUE_DICT, m->depth, err);
    case ']':
    case 0x8f:
        return collect(m, CD_VALUE_LIST, m->depth, err);
    case ')':
        return collect(m, CD_VALUE_TUPLE, m->depth, err);
    case 't':
        return collect_marked(m, CD_VALUE_TUPLE, err);
    case 'l':
        return collect_marked(m, CD_VALUE_LIST, err);
    case 'd':
        return collect_marked(m, CD_VALUE_DICT, err);
    case 0x85:
    case 0x86:
    case 0x87:
        return collect_few(m, op - 0x84, err);
    case 'a':
        return extend(m, m->depth - 1, false, CD_VALUE_LIST, err);
    case 's':
        return extend(m, m->depth - 2, false, CD_VALUE_DICT, err);
    case 'e':
    case 0x90:
        return extend_marked(m, CD_VALUE_LIST, err);
    case 'u':
        return extend_marked(m, CD_VALUE_DICT, err);
    default:
        *known = false;
        return CD_OK;
    }
}

static cd_status memo_by_number(machine *m, int op, cd_error *err)
{
    int64_t index = 0;
    bool wide = op == 'r' || op == 'j';
    CD_TRY(read_length(m, wide ? 4 : 1, &index, err));
    return op == 'q' || op == 'r' ? memo_put(m, index, err) : memo_get(m, index, err);
}

static cd_status step_objects(machine *m, int op, bool *known, cd_error *err)
{
    cd_value *dropped;
    int64_t ignored;
    switch (op) {
    case 0x80:
        return read_length(m, 1, &ignored, err);
    case 0x95:
        return read_length(m, 8, &ignored, err);
    case 'q':
    case 'r':
    case 'h':
    case 'j':
        return memo_by_number(m, op, err);
    case 0x94:
        return memo_put(m, m->memo_count, err);
    case '0':
        return pop(m, &dropped, err);
    case 'c':
        return global_from_lines(m, err);
    case 0x93:
        return global_from_stack(m, err);
    case 'Q':
        return push_storage(m, err);
    case 'R':
        return reduce(m, err);
    case 'b':
        return build(m, err);
    default:
        *known = false;
        return CD_OK;
    }
}

static cd_status step(machine *m, int op, cd_error *err)
{
    static cd_status (*const families[])(machine *, int, bool *, cd_error *) = {
        step_numbers, step_texts, step_containers, step_objects};
    for (int i = 0; i < 4; i++) {
        bool known = true;
        CD_TRY(families[i](m, op, &known, err));
        if (known) {
            return CD_OK;
        }
    }
    return cd_file_damaged(m->in->file, err, "unknown pickle code 0x%02x at byte %lld.", (unsigned)op,
                           (long long)m->in->position - 1);
}

static cd_status run(machine *m, cd_value **result, cd_error *err)
{
    unsigned char op;
    for (;;) {
        CD_TRY(cd_reader_bytes(m->in, &op, 1, err));
        if (op == '.') {
            return pop(m, result, err);
        }
        CD_TRY(step(m, op, err));
    }
}

cd_status cd_pickle_read(cd_value **v, cd_document *d, cd_reader *r, cd_error *err)
{
    machine m = {.document = d, .in = r, .start = r->position};
    *v = NULL;
    cd_status status = run(&m, v, err);
    free(m.stack);
    free(m.memo);
    return status;
}
