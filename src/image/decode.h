/* Reading JPEG and PNG, recognised by their first bytes, whatever the file is called.
 *
 * Every function may run on any thread, several at the same time. JPEG as libjpeg decodes it (accurate
 * integer transform, no scaling): grey stays one channel, CMYK and YCCK become RGB. Damage inside the data is
 * tolerated as libjpeg does, without a word; a file that ends early is an error. PNG: grey below 8 bits is
 * scaled to 8, palettes become RGB, transparency becomes an alpha channel, interlacing is undone.
 */
#ifndef CANDELA_IMAGE_DECODE_H
#define CANDELA_IMAGE_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "image/image.h"

typedef enum {
    CD_FORMAT_UNKNOWN = 0,
    CD_FORMAT_JPEG,
    CD_FORMAT_PNG,
    CD_FORMAT_GIF,
    CD_FORMAT_BMP,
    CD_FORMAT_TIFF,
    CD_FORMAT_WEBP
} cd_image_format;

/* What the first bytes say. */
cd_image_format cd_image_recognise(const uint8_t *bytes, size_t n);

/* "JPEG", "PNG", ... */
const char *cd_image_format_name(cd_image_format format);

/* Decodes n bytes into image, which the caller frees with cd_image_free. On error image is empty.
 * Errors: CD_EFORMAT (damaged, ends early, other format; the message names it), CD_EVALUE (too large, or
 * labels asked of an image that has colours), CD_EALLOC. */
cd_status cd_image_decode(cd_image *image, const uint8_t *bytes, size_t n, cd_decode_as as, cd_error *err);

/* The same for a file. Messages begin with the path. Errors also: CD_EIO. */
cd_status cd_image_read(cd_image *image, const char *path, cd_decode_as as, cd_error *err);

/* Sizes, channels and bits as cd_image_read(CD_AS_STORED) would give, and the format, from the header alone;
 * image->pixels is NULL. */
cd_status cd_image_inspect(cd_image *image, cd_image_format *format, const char *path, cd_error *err);

#endif
