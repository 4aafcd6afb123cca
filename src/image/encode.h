/* Writing images. */
#ifndef CANDELA_IMAGE_ENCODE_H
#define CANDELA_IMAGE_ENCODE_H

#include "base/status.h"
#include "image/image.h"

/* Writes image to path in the format that the end of its name asks for: .jpg, .jpeg (1 or 3 channels, 8 bits;
 * quality 1 to 100), .png (1 to 4 channels, 8 or 16 bits), .tif, .tiff (any number of channels, 8, 16 or 32
 * bits or floats; where libtiff was there when the package was built). A file that could not be finished is
 * removed. Errors: CD_EVALUE (another name, or channels or bits that the format has not), CD_EIO; messages
 * name the path. */
cd_status cd_image_write(const char *path, const cd_image *image, int quality, cd_error *err);

#endif
