#include "image/decode.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/note.h"
#include "image/codecs.h"
#include "image/exif.h"

static cd_status decode_stored(cd_image *image, const uint8_t *bytes, size_t n, cd_decode_as as,
                               cd_error *err)
{
    const cd_codec *codec = cd_codec_for_bytes(bytes, n);
    const char *foreign = cd_codec_foreign(bytes, n);
    char readable[CD_CODEC_TEXT];
    if (codec != NULL) {
        return codec->decode(image, bytes, n, as, err);
    }
    if (n == 0) {
        return cd_fail(err, CD_EFORMAT, "is empty.");
    }
    if (foreign == NULL) {
        return cd_fail(err, CD_EFORMAT, "is no image that can be read: %s are, recognised by their content.",
                       cd_codec_readable(readable));
    }
    return cd_fail(err, CD_EFORMAT, "is a %s image; only %s can be read%s. Convert it first.", foreign,
                   cd_codec_readable(readable),
                   strcmp(foreign, "TIFF") == 0 ? " (this build of candela has no libtiff)" : "");
}

static void swap_sides(cd_image *image)
{
    int64_t height = image->height;
    image->height = image->width;
    image->width = height;
}

/* image: sizes as stored, and upright pixels to be filled. */
static cd_status decode_turned(cd_image *image, const uint8_t *bytes, size_t n, cd_decode_as as,
                               cd_error *err)
{
    cd_image stored = *image;
    stored.pixels = malloc(cd_image_bytes(image));
    if (stored.pixels == NULL) {
        return cd_fail(err, CD_EALLOC, "no memory to turn an image.");
    }
    cd_status status = decode_stored(&stored, bytes, n, as, err);
    image->incomplete = stored.incomplete;
    if (status == CD_OK) {
        cd_image_turn(image->pixels, &stored, image->orientation);
    }
    free(stored.pixels);
    return status;
}

static cd_status check_page(const cd_image *image, cd_error *err)
{
    return image->page == 0 || image->pages > 0
               ? CD_OK
               : cd_fail(err, CD_EVALUE, "has 1 page, so that there is no page %lld.",
                         (long long)image->page + 1);
}

/* With or without pixels, as the codecs do, but upright. */
static cd_status decode(cd_image *image, const uint8_t *bytes, size_t n, cd_decode_as as, cd_error *err)
{
    if (image->pixels != NULL) {
        return image->orientation > 1 ? decode_turned(image, bytes, n, as, err)
                                      : decode_stored(image, bytes, n, as, err);
    }
    CD_TRY(decode_stored(image, bytes, n, as, err));
    if (cd_orientation_swaps(image->orientation)) {
        swap_sides(image);
    }
    return check_page(image, err);
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

/* "is a GIF image" becomes "(though named .jpg) is a GIF image". */
static cd_status name_file(const cd_image_file *file, cd_error *err)
{
    char reason[CD_ERROR_LENGTH];
    const char *extension;
    bool foreign = file->bytes != NULL && cd_codec_for_bytes(file->bytes, file->n) == NULL &&
                   cd_codec_foreign(file->bytes, file->n) != NULL;
    memcpy(reason, err->message, sizeof reason);
    if (foreign && cd_codec_for_path(file->path, &extension) != NULL) {
        return cd_fail(err, err->code, "'%s' (though named %s) %s", file->path, extension, reason);
    }
    return cd_fail(err, err->code, "'%s' %s", file->path, reason);
}

static cd_status open_header(cd_image_file *file, const cd_picture_request *what, cd_error *err)
{
    *file = (cd_image_file){.path = what->path, .as = what->as, .image = {.page = what->page}};
    CD_TRY(read_file(file, what->path, err));
    return decode(&file->image, file->bytes, file->n, what->as, err);
}

static cd_status named(cd_image_file *file, cd_status status, cd_error *err)
{
    if (status != CD_OK) {
        name_file(file, err);
        cd_image_file_close(file);
    }
    return status;
}

cd_status cd_image_file_open(cd_image_file *file, const cd_picture_request *what, cd_error *err)
{
    cd_status status = open_header(file, what, err);
    if (status == CD_OK) {
        status = cd_image_check_size(&file->image, err);
    }
    if (status == CD_OK) {
        status = cd_image_check_budget(&file->image, file->n, err);
    }
    return named(file, status, err);
}

cd_status cd_image_file_decode(cd_image_file *file, void *pixels, cd_error *err)
{
    file->image.pixels = pixels;
    cd_status status = decode(&file->image, file->bytes, file->n, file->as, err);
    file->image.pixels = NULL;
    if (status == CD_OK && file->image.incomplete) {
        cd_note("'%s' is damaged: pixels are missing in it, and were filled in. Copy or download it again.",
                file->path);
    }
    return status == CD_OK ? CD_OK : name_file(file, err);
}

void cd_image_file_close(cd_image_file *file)
{
    free(file->bytes);
    file->bytes = NULL;
}

cd_status cd_image_inspect(cd_image *image, const char **format, const cd_picture_request *what,
                           cd_error *err)
{
    cd_image_file file;
    CD_TRY(named(&file, open_header(&file, what, err), err));
    *format = cd_codec_for_bytes(file.bytes, file.n)->name;
    *image = file.image;
    cd_image_file_close(&file);
    return CD_OK;
}
