#include "image/decode.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/codec.h"

typedef struct signature {
    cd_image_format format;
    const char *name;
    size_t offset, length;
    const char *bytes;
} signature;

static const signature signatures[] = {
    {CD_FORMAT_JPEG, "JPEG", 0, 3, "\xff\xd8\xff"}, {CD_FORMAT_PNG, "PNG", 0, 8, "\x89PNG\r\n\x1a\n"},
    {CD_FORMAT_GIF, "GIF", 0, 4, "GIF8"},           {CD_FORMAT_BMP, "BMP", 0, 2, "BM"},
    {CD_FORMAT_TIFF, "TIFF", 0, 4, "II*\0"},        {CD_FORMAT_TIFF, "TIFF", 0, 4, "MM\0*"},
    {CD_FORMAT_WEBP, "WebP", 8, 4, "WEBP"},
};
#define SIGNATURES (sizeof signatures / sizeof signatures[0])

cd_image_format cd_image_recognise(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < SIGNATURES; i++) {
        const signature *s = &signatures[i];
        if (n >= s->offset + s->length && memcmp(bytes + s->offset, s->bytes, s->length) == 0) {
            return s->format;
        }
    }
    return CD_FORMAT_UNKNOWN;
}

const char *cd_image_format_name(cd_image_format format)
{
    for (size_t i = 0; i < SIGNATURES; i++) {
        if (signatures[i].format == format) {
            return signatures[i].name;
        }
    }
    return "unknown";
}

/* ---- to three channels of 8 bits, and to one ---- */

/* PNG leaves both to libpng; a grey JPEG is the case left. */
static cd_status repeat_grey(cd_image *image, cd_error *err)
{
    cd_image rgb = {.height = image->height, .width = image->width, .channels = 3, .bits = 8};
    CD_TRY(cd_image_allocate(&rgb, err));
    const uint8_t *grey = image->pixels;
    uint8_t *target = rgb.pixels;
    for (int64_t i = 0; i < image->height * image->width; i++, target += 3) {
        target[0] = target[1] = target[2] = grey[i];
    }
    cd_image_free(image);
    *image = rgb;
    return CD_OK;
}

static cd_status adapt_jpeg(cd_image *image, cd_decode_as as, cd_error *err)
{
    if (as == CD_AS_RGB8 && image->channels == 1) {
        return repeat_grey(image, err);
    }
    if (as == CD_AS_LABELS && image->channels != 1) {
        return cd_fail(err, CD_EVALUE, "holds colours; labels are read from grey or palette images.");
    }
    return CD_OK;
}

cd_status cd_image_decode(cd_image *image, const uint8_t *bytes, size_t n, cd_decode_as as, cd_error *err)
{
    cd_image_format format = cd_image_recognise(bytes, n);
    image->pixels = NULL;
    if (format == CD_FORMAT_PNG) {
        return cd_png_decode(image, bytes, n, as, false, err);
    }
    if (format == CD_FORMAT_JPEG) {
        CD_TRY(cd_jpeg_decode(image, bytes, n, false, err));
        cd_status status = adapt_jpeg(image, as, err);
        if (status != CD_OK) {
            cd_image_free(image);
        }
        return status;
    }
    if (n == 0) {
        return cd_fail(err, CD_EFORMAT, "is empty.");
    }
    if (format == CD_FORMAT_UNKNOWN) {
        return cd_fail(err, CD_EFORMAT,
                       "is no image that can be read: JPEG and PNG are, recognised by their content.");
    }
    return cd_fail(err, CD_EFORMAT, "is a %s image; only JPEG and PNG can be read. Convert it first.",
                   cd_image_format_name(format));
}

/* ---- files ---- */

typedef struct file_bytes {
    uint8_t *bytes;
    size_t n;
} file_bytes;

static cd_status read_open_file(file_bytes *content, FILE *file, cd_error *err)
{
    if (fseek(file, 0, SEEK_END) != 0) {
        return cd_fail(err, CD_EIO, "cannot be read.");
    }
    long size = ftell(file);
    if (size < 0 || size > CD_IMAGE_MAX_BYTES) {
        return cd_fail(err, CD_EIO, "cannot be read as an image: it is a folder, or too large.");
    }
    rewind(file);
    content->n = (size_t)size;
    content->bytes = malloc(content->n > 0 ? content->n : 1);
    if (content->bytes == NULL) {
        return cd_fail(err, CD_EALLOC, "no memory for a file of %ld bytes.", size);
    }
    if (fread(content->bytes, 1, content->n, file) != content->n) {
        return cd_fail(err, CD_EIO, "cannot be read.");
    }
    return CD_OK;
}

static cd_status read_file(file_bytes *content, const char *path, cd_error *err)
{
    FILE *file = fopen(path, "rb");
    content->bytes = NULL;
    content->n = 0;
    if (file == NULL) {
        return cd_fail(err, CD_EIO, "cannot be opened: %s.", strerror(errno));
    }
    cd_status status = read_open_file(content, file, err);
    fclose(file);
    return status;
}

static bool extension_is(const char *path, const char *wanted)
{
    size_t n = strlen(path), m = strlen(wanted);
    return n > m && strcmp(path + n - m, wanted) == 0;
}

/* "is a GIF image" becomes "is a GIF image, though named .jpg". */
static const char *note_on_name(const char *path, const file_bytes *content)
{
    cd_image_format format = cd_image_recognise(content->bytes, content->n);
    bool other = format > CD_FORMAT_PNG;
    if (other && (extension_is(path, ".jpg") || extension_is(path, ".jpeg"))) {
        return " (though named .jpg)";
    }
    return other && extension_is(path, ".png") ? " (though named .png)" : "";
}

static cd_status name_file(const char *path, const char *note, cd_error *err)
{
    char reason[CD_ERROR_LENGTH];
    memcpy(reason, err->message, sizeof reason);
    return cd_fail(err, err->code, "'%s'%s %s", path, note, reason);
}

cd_status cd_image_read(cd_image *image, const char *path, cd_decode_as as, cd_error *err)
{
    file_bytes content;
    cd_status status = read_file(&content, path, err);
    image->pixels = NULL;
    if (status == CD_OK) {
        status = cd_image_decode(image, content.bytes, content.n, as, err);
    }
    if (status != CD_OK) {
        name_file(path, content.bytes != NULL ? note_on_name(path, &content) : "", err);
    }
    free(content.bytes);
    return status;
}

static cd_status inspect(cd_image *image, cd_image_format format, const file_bytes *content, cd_error *err)
{
    if (format == CD_FORMAT_PNG) {
        return cd_png_decode(image, content->bytes, content->n, CD_AS_STORED, true, err);
    }
    if (format == CD_FORMAT_JPEG) {
        return cd_jpeg_decode(image, content->bytes, content->n, true, err);
    }
    return cd_image_decode(image, content->bytes, content->n, CD_AS_STORED, err);
}

cd_status cd_image_inspect(cd_image *image, cd_image_format *format, const char *path, cd_error *err)
{
    file_bytes content;
    cd_status status = read_file(&content, path, err);
    image->pixels = NULL;
    if (status == CD_OK) {
        *format = cd_image_recognise(content.bytes, content.n);
        status = inspect(image, *format, &content, err);
    }
    if (status != CD_OK) {
        name_file(path, content.bytes != NULL ? note_on_name(path, &content) : "", err);
    }
    free(content.bytes);
    return status;
}
