#include "image/encode.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "image/codecs.h"

static cd_status name_file(const char *path, cd_error *err)
{
    char reason[CD_ERROR_LENGTH];
    memcpy(reason, err->message, sizeof reason);
    return cd_fail(err, err->code, "'%s' %s", path, reason);
}

cd_status cd_image_write(const char *path, const cd_image *image, int quality, cd_error *err)
{
    const cd_codec *codec = cd_codec_for_path(path, NULL);
    char writable[CD_CODEC_TEXT];
    if (codec == NULL || codec->encode == NULL) {
        return cd_fail(err, CD_EVALUE, "`path` must end in %s, got '%s'.", cd_codec_writable(writable), path);
    }
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        return cd_fail(err, CD_EIO, "'%s' cannot be written: %s.", path, strerror(errno));
    }
    cd_status status = codec->encode(file, image, quality, err);
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
