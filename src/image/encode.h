/* Writing JPEG and PNG. */
#ifndef CANDELA_IMAGE_ENCODE_H
#define CANDELA_IMAGE_ENCODE_H

#include "image/decode.h"

/* Writes image to path as JPEG (1 or 3 channels, 8 bits; quality 1 to 100) or PNG (1 to 4 channels, 8 or 16
 * bits). A file that could not be finished is removed. Errors: CD_EVALUE, CD_EIO; messages begin with the
 * path. */
cd_status cd_image_write(const char *path, const cd_image *image, cd_image_format format, int quality,
                         cd_error *err);

#endif
