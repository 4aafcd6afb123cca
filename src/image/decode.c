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

/* With or without pixels, as the codecs do. */
static cd_status decode(cd_image *image, const uint8_t *bytes, size_t n, cd_decode_as as, cd_error *err)
{
    cd_image_format format = cd_image_recognise(bytes, n);
    if (format == CD_FORMAT_PNG) {
        return cd_png_decode(image, bytes, n, as, err);
    }
    if (format == CD_FORMAT_JPEG) {
        return cd_jpeg_decode(image, bytes, n, as, err);
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

static cd_status read_open_file(cd_image_file *content, FILE *file, cd_error *err)
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

static cd_status read_file(cd_image_file *content, const char *path, cd_error *err)
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
static const char *note_on_name(const char *path, const cd_image_file *content)
{
    cd_image_format format = cd_image_recognise(content->bytes, content->n);
    bool other = format > CD_FORMAT_PNG;
    if (other && (extension_is(path, ".jpg") || extension_is(path, ".jpeg"))) {
        return " (though named .jpg)";
    }
    return other && extension_is(path, ".png") ? " (though named .png)" : "";
}

static cd_status name_file(const cd_image_file *file, cd_error *err)
{
    char reason[CD_ERROR_LENGTH];
    memcpy(reason, err->message, sizeof reason);
    return cd_fail(err, err->code, "'%s'%s %s", file->path,
                   file->bytes != NULL ? note_on_name(file->path, file) : "", reason);
}

static cd_status open_header(cd_image_file *file, const char *path, cd_decode_as as, cd_error *err)
{
    *file = (cd_image_file){.path = path, .as = as};
    CD_TRY(read_file(file, path, err));
    return decode(&file->image, file->bytes, file->n, as, err);
}

static cd_status named(cd_image_file *file, cd_status status, cd_error *err)
{
    if (status != CD_OK) {
        name_file(file, err);
        cd_image_file_close(file);
    }
    return status;
}

cd_status cd_image_file_open(cd_image_file *file, const char *path, cd_decode_as as, cd_error *err)
{
    cd_status status = open_header(file, path, as, err);
    if (status == CD_OK) {
        status = cd_image_check_size(&file->image, err);
    }
    return named(file, status, err);
}

cd_status cd_image_file_decode(cd_image_file *file, void *pixels, cd_error *err)
{
    file->image.pixels = pixels;
    cd_status status = decode(&file->image, file->bytes, file->n, file->as, err);
    file->image.pixels = NULL;
    return status == CD_OK ? CD_OK : name_file(file, err);
}

void cd_image_file_close(cd_image_file *file)
{
    free(file->bytes);
    file->bytes = NULL;
}

cd_status cd_image_inspect(cd_image *image, cd_image_format *format, const char *path, cd_error *err)
{
    cd_image_file file;
    CD_TRY(named(&file, open_header(&file, path, CD_AS_STORED, err), err));
    *format = cd_image_recognise(file.bytes, file.n);
    *image = file.image;
    cd_image_file_close(&file);
    return CD_OK;
}
