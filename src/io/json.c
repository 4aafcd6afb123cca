#include "io/json.h"

#include <stdlib.h>
#include <string.h>

#define DEEPEST 64
#define LONGEST_NUMBER 63

typedef struct {
    cd_document *document;
    const char *text;
    int64_t at, length;
    int depth;
    const char *what;
} parser;

static cd_status parse_value(parser *p, cd_value **v, cd_error *err);

static cd_status fail_at(const parser *p, cd_error *err, const char *problem)
{
    return cd_fail(err, CD_EFORMAT, "%s is damaged or of another kind: %s at byte %lld of its header.",
                   p->what, problem, (long long)p->at);
}

static int peek(parser *p)
{
    while (p->at < p->length && strchr(" \t\r\n", p->text[p->at]) != NULL && p->text[p->at] != '\0') {
        p->at++;
    }
    return p->at < p->length ? (unsigned char)p->text[p->at] : -1;
}

static bool accept(parser *p, int c)
{
    bool found = peek(p) == c;
    p->at += found;
    return found;
}

static int hex_digit(int c)
{
    const char *digits = "0123456789abcdef";
    int lower = c >= 'A' && c <= 'F' ? c + 32 : c;
    const char *at = lower != 0 ? strchr(digits, lower) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

static int32_t hex4(const parser *p, int64_t at)
{
    int32_t code = 0;
    for (int i = 0; i < 4; i++) {
        int digit = at + i < p->length ? hex_digit((unsigned char)p->text[at + i]) : -1;
        if (digit < 0) {
            return -1;
        }
        code = code * 16 + digit;
    }
    return code;
}

static int64_t put_utf8(char *out, int32_t code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    int extra = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const int lead[] = {0, 0xc0, 0xe0, 0xf0};
    for (int i = extra; i > 0; i--, code >>= 6) {
        out[i] = (char)(0x80 | (code & 0x3f));
    }
    out[0] = (char)(lead[extra] | code);
    return extra + 1;
}

/* An escape sequence after its backslash; *written bytes of out are used (at most 4). */
static cd_status parse_escape(parser *p, char *out, int64_t *written, cd_error *err)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    int c = p->at < p->length ? p->text[p->at++] : 0;
    const char *known = c != 0 ? strchr(from, c) : NULL;
    *written = 1;
    if (known != NULL) {
        out[0] = to[known - from];
        return CD_OK;
    }
    int32_t code = c == 'u' ? hex4(p, p->at) : -1;
    if (code <= 0) {
        return fail_at(p, err, "an unknown escape sequence");
    }
    p->at += 4;
    if (code >= 0xd800 && code < 0xdc00 && p->at + 1 < p->length && p->text[p->at] == '\\') {
        int32_t low = hex4(p, p->at + 2);
        if (low < 0xdc00 || low > 0xdfff) {
            return fail_at(p, err, "half a character");
        }
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        p->at += 6;
    }
    *written = put_utf8(out, code);
    return CD_OK;
}

static cd_status parse_string(parser *p, cd_value **v, cd_error *err)
{
    if (!accept(p, '"')) {
        return fail_at(p, err, "a text was expected");
    }
    int64_t end = p->at;
    while (end < p->length && p->text[end] != '"') {
        end += p->text[end] == '\\' ? 2 : 1;
    }
    if (end >= p->length) {
        return fail_at(p, err, "a text without end");
    }
    CD_TRY(cd_value_text(v, p->document, CD_VALUE_STRING, end - p->at, err));
    int64_t n = 0;
    while (p->at < end) {
        int64_t written = 1;
        char c = p->text[p->at++];
        if (c == '\0') {
            return fail_at(p, err, "a zero byte");
        }
        (*v)->text[n] = c;
        if (c == '\\') {
            /* A sequence is never longer in UTF-8 than as written. */
            CD_TRY(parse_escape(p, (*v)->text + n, &written, err));
        }
        n += written;
    }
    p->at = end + 1;
    (*v)->text[n] = '\0';
    (*v)->length = n;
    return CD_OK;
}

static cd_status parse_number(parser *p, cd_value **v, cd_error *err)
{
    char digits[LONGEST_NUMBER + 1];
    int n = 0;
    while (n < LONGEST_NUMBER && p->at < p->length && p->text[p->at] != '\0' &&
           strchr("+-.0123456789eE", p->text[p->at]) != NULL) {
        digits[n++] = p->text[p->at++];
    }
    digits[n] = '\0';
    char *end;
    double value = strtod(digits, &end);
    if (n == 0 || *end != '\0') {
        return fail_at(p, err, "something unexpected");
    }
    bool whole = strpbrk(digits, ".eE") == NULL && n < 19;
    CD_TRY(cd_value_new(v, p->document, whole ? CD_VALUE_INT : CD_VALUE_FLOAT, err));
    (*v)->integer = whole ? strtoll(digits, NULL, 10) : 0;
    (*v)->real = value;
    return CD_OK;
}

static cd_status parse_word(parser *p, cd_value **v, cd_error *err)
{
    static const struct {
        const char *word;
        cd_value_kind kind;
        int value;
    } words[] = {{"true", CD_VALUE_BOOL, 1}, {"false", CD_VALUE_BOOL, 0}, {"null", CD_VALUE_NONE, 0}};
    for (int i = 0; i < 3; i++) {
        int64_t n = (int64_t)strlen(words[i].word);
        if (n <= p->length - p->at && memcmp(p->text + p->at, words[i].word, (size_t)n) == 0) {
            p->at += n;
            CD_TRY(cd_value_new(v, p->document, words[i].kind, err));
            (*v)->integer = words[i].value;
            return CD_OK;
        }
    }
    return parse_number(p, v, err);
}

static cd_status parse_member(parser *p, cd_value *object, cd_error *err)
{
    cd_value *key, *value;
    CD_TRY(parse_string(p, &key, err));
    if (!accept(p, ':')) {
        return fail_at(p, err, "a ':' was expected");
    }
    CD_TRY(parse_value(p, &value, err));
    CD_TRY(cd_value_append(p->document, object, key, err));
    return cd_value_append(p->document, object, value, err);
}

static cd_status parse_item(parser *p, cd_value *list, cd_error *err)
{
    cd_value *value;
    CD_TRY(parse_value(p, &value, err));
    return cd_value_append(p->document, list, value, err);
}

static cd_status parse_container(parser *p, cd_value **v, cd_error *err)
{
    bool object = p->text[p->at++] == '{';
    int close = object ? '}' : ']';
    CD_TRY(cd_value_new(v, p->document, object ? CD_VALUE_DICT : CD_VALUE_LIST, err));
    if (accept(p, close)) {
        return CD_OK;
    }
    if (++p->depth > DEEPEST) {
        return fail_at(p, err, "too deep nesting");
    }
    do {
        CD_TRY(object ? parse_member(p, *v, err) : parse_item(p, *v, err));
    } while (accept(p, ','));
    p->depth--;
    return accept(p, close) ? CD_OK : fail_at(p, err, "a ',' or a closing bracket was expected");
}

static cd_status parse_value(parser *p, cd_value **v, cd_error *err)
{
    switch (peek(p)) {
    case '{':
    case '[':
        return parse_container(p, v, err);
    case '"':
        return parse_string(p, v, err);
    default:
        return parse_word(p, v, err);
    }
}

cd_status cd_json_read(cd_value **v, cd_document *d, const char *text, int64_t length, const char *what,
                       cd_error *err)
{
    parser p = {.document = d, .text = text, .length = length, .what = what};
    *v = NULL;
    if (d->budget == 0) {
        cd_document_limit(d, length);
    }
    CD_TRY(parse_value(&p, v, err));
    return peek(&p) == -1 ? CD_OK : fail_at(&p, err, "something after the end");
}
