/* What a codec is: all that the rest of the package knows of a format of image files. To add one, write
 * name.c with its cd_codec_name, and its line in codecs.def. */
#ifndef CANDELA_IMAGE_CODEC_H
#define CANDELA_IMAGE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"
#include "image/image.h"

/* Bytes by which a file is recognised, whatever it is called. */
typedef struct cd_signature {
    size_t offset, length; /* of the bytes in the file; length 0 matches no file */
    const char *bytes;
} cd_signature;

typedef struct cd_codec {
    const char *name;           /* "JPEG" */
    const char *extensions[4];  /* ".jpg", ... in lower case: the names under which it is written */
    cd_signature signatures[4]; /* one is enough */
    /* With image->pixels NULL: reads the header alone and sets the sizes. Otherwise: decodes into them; they
     * have room for the sizes that such a call has set. A codec of several pages obeys image->page and sets
     * image->pages; orientation is left to the caller, and the sizes are
     * those before turning. Any thread may call, several at the same time.
     * Messages go on after the name of the file ("is a damaged JPEG image: ...").
     * Errors: CD_EFORMAT, CD_EVALUE (labels asked of an image that has colours), CD_EALLOC. */
    cd_status (*decode)(cd_image *image, const uint8_t *bytes, size_t n, cd_decode_as as, cd_error *err);
    /* NULL where the format is only read. quality: 1 to 100, for formats that lose something.
     * Errors: CD_EVALUE (channels or bits that the format has not), CD_EIO, CD_EALLOC. */
    cd_status (*encode)(FILE *file, const cd_image *image, int quality, cd_error *err);
} cd_codec;

#endif
