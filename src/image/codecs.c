#include "image/codecs.h"

#include <ctype.h>
#include <string.h>

#define CD_FOREIGN(name, offset, bytes)
#define CD_CODEC(codec) extern const cd_codec codec;
#include "image/codecs.def"
#undef CD_CODEC

static const cd_codec *const codecs[] = {
#define CD_CODEC(codec) &codec,
#include "image/codecs.def"
#undef CD_CODEC
};
#undef CD_FOREIGN
#define CODECS (sizeof codecs / sizeof codecs[0])
#define EXTENSIONS (sizeof codecs[0]->extensions / sizeof codecs[0]->extensions[0])
#define SIGNATURES (sizeof codecs[0]->signatures / sizeof codecs[0]->signatures[0])

typedef struct foreign {
    const char *name;
    cd_signature signature;
} foreign;

static const foreign foreigners[] = {
#define CD_CODEC(codec)
#define CD_FOREIGN(name, offset, bytes) {name, {offset, sizeof(bytes) - 1, bytes}},
#include "image/codecs.def"
#undef CD_FOREIGN
#undef CD_CODEC
};
#define FOREIGNERS (sizeof foreigners / sizeof foreigners[0])

static bool begins(const uint8_t *bytes, size_t n, const cd_signature *s)
{
    return s->length > 0 && n >= s->offset + s->length && memcmp(bytes + s->offset, s->bytes, s->length) == 0;
}

const cd_codec *cd_codec_for_bytes(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < CODECS; i++) {
        for (size_t k = 0; k < SIGNATURES; k++) {
            if (begins(bytes, n, &codecs[i]->signatures[k])) {
                return codecs[i];
            }
        }
    }
    return NULL;
}

const char *cd_codec_foreign(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < FOREIGNERS; i++) {
        if (begins(bytes, n, &foreigners[i].signature)) {
            return foreigners[i].name;
        }
    }
    return NULL;
}

int cd_codec_count(void)
{
    return (int)CODECS;
}

const char *cd_codec_name(int i)
{
    return codecs[i]->name;
}

/* ---- names of files ---- */

static bool ends_in(const char *path, const char *extension)
{
    size_t n = strlen(path), m = strlen(extension);
    if (n < m) {
        return false;
    }
    for (size_t i = 0; i < m; i++) {
        if (tolower((unsigned char)path[n - m + i]) != extension[i]) {
            return false;
        }
    }
    return true;
}

static const char *extension_of(const cd_codec *codec, const char *path)
{
    for (size_t k = 0; k < EXTENSIONS && codec->extensions[k] != NULL; k++) {
        if (ends_in(path, codec->extensions[k])) {
            return codec->extensions[k];
        }
    }
    return NULL;
}

const cd_codec *cd_codec_for_path(const char *path, const char **extension)
{
    for (size_t i = 0; i < CODECS; i++) {
        const char *end = extension_of(codecs[i], path);
        if (end != NULL) {
            if (extension != NULL) {
                *extension = end;
            }
            return codecs[i];
        }
    }
    return NULL;
}

/* ---- lists for messages ---- */

/* "a, b or c" of n words, as much of it as there is room for. */
static const char *enumerate(char text[CD_CODEC_TEXT], const char *const *words, size_t n, const char *last)
{
    text[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        const char *before = i == 0 ? "" : i + 1 < n ? ", " : last;
        if (strlen(text) + strlen(before) + strlen(words[i]) < CD_CODEC_TEXT) {
            strcat(strcat(text, before), words[i]);
        }
    }
    return text;
}

const char *cd_codec_readable(char text[CD_CODEC_TEXT])
{
    const char *names[CODECS];
    for (size_t i = 0; i < CODECS; i++) {
        names[i] = codecs[i]->name;
    }
    return enumerate(text, names, CODECS, " and ");
}

const char *cd_codec_writable(char text[CD_CODEC_TEXT])
{
    const char *names[CODECS * EXTENSIONS];
    size_t n = 0;
    for (size_t i = 0; i < CODECS; i++) {
        for (size_t k = 0; codecs[i]->encode != NULL && k < EXTENSIONS; k++) {
            if (codecs[i]->extensions[k] != NULL) {
                names[n++] = codecs[i]->extensions[k];
            }
        }
    }
    return enumerate(text, names, n, " or ");
}
