/* Reading images in the formats of codecs.def, recognised by their first bytes, whatever the file is called.
 *
 * Every function may run on any thread, several at the same time. JPEG as libjpeg decodes it (accurate
 * integer transform, no scaling): grey stays one channel, CMYK and YCCK become RGB. Damage inside the data is
 * tolerated as libjpeg does, with a note (base/note.h); a file that ends early is an error, and so is one
 * that claims more pixels than its bytes can hold. PNG: grey below 8 bits is
 * scaled to 8, palettes become RGB, transparency becomes an alpha channel, interlacing is undone. TIFF:
 * samples of up to 16 bits without a sign
 * stay integers, others become floats; CMYK, Lab and the like become RGB. EXIF orientation is obeyed.
 */
#ifndef CANDELA_IMAGE_DECODE_H
#define CANDELA_IMAGE_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "image/image.h"

/* What is wanted of a file. */
typedef struct cd_picture_request {
    const char *path; /* borrowed */
    cd_decode_as as;
    int64_t page; /* from 0 */
} cd_picture_request;

/* A file that has been read but not decoded. */
typedef struct cd_image_file {
    const char *path; /* borrowed */
    uint8_t *bytes;   /* owned */
    size_t n;
    cd_decode_as as;
    cd_image image; /* what decoding will give; its pixels are NULL */
} cd_image_file;

/* Reads the file, and its header. The caller closes it; after an error there is nothing to close.
 * Messages begin with the path. Errors: CD_EIO, CD_EFORMAT (damaged, ends early, other format; the message
 * names it), CD_EVALUE (too large, no such page, or labels asked of an image that has colours), CD_EALLOC. */
cd_status cd_image_file_open(cd_image_file *file, const cd_picture_request *what, cd_error *err);

/* Decodes into the caller's memory, cd_image_bytes(&file->image) bytes. Errors as above. */
cd_status cd_image_file_decode(cd_image_file *file, void *pixels, cd_error *err);

void cd_image_file_close(cd_image_file *file); /* calling it twice is harmless */

/* All that cd_image says but the pixels, and the name of the format ("JPEG"), from the header alone.
 * Errors: as cd_image_file_open. */
cd_status cd_image_inspect(cd_image *image, const char **format, const cd_picture_request *what,
                           cd_error *err);

#endif
