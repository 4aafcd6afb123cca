#include "image/encode.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "image/codec.h"

static cd_status name_file(const char *path, cd_error *err)
{
    char reason[CD_ERROR_LENGTH];
    memcpy(reason, err->message, sizeof reason);
    return cd_fail(err, err->code, "'%s' %s", path, reason);
}

static cd_status encode(FILE *file, const cd_image *image, cd_image_format format, int quality, cd_error *err)
{
    if (format == CD_FORMAT_JPEG) {
        return cd_jpeg_encode(file, image, quality, err);
    }
    if (format == CD_FORMAT_PNG) {
        return cd_png_encode(file, image, err);
    }
    return cd_fail(err, CD_EVALUE, "cannot be written as %s, only as JPEG or PNG.",
                   cd_image_format_name(format));
}

cd_status cd_image_write(const char *path, const cd_image *image, cd_image_format format, int quality,
                         cd_error *err)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        return cd_fail(err, CD_EIO, "'%s' cannot be written: %s.", path, strerror(errno));
    }
    cd_status status = encode(file, image, format, quality, err);
    bool flushed = fclose(file) == 0;
    if (status == CD_OK && !flushed) {
        status = cd_fail(err, CD_EIO, "cannot be written: %s.", strerror(errno));
    }
    if (status != CD_OK) {
        remove(path);
        name_file(path, err);
    }
    return status;
}
