/* The two codecs behind decode.h and encode.h. */
#ifndef CANDELA_IMAGE_CODEC_H
#define CANDELA_IMAGE_CODEC_H

#include <stdbool.h>
#include <stdio.h>

#include "base/status.h"
#include "image/image.h"

/* Without image->pixels: reads the header alone and sets the sizes. With them: decodes into them; they have
 * room for the sizes that such a call has set. */
cd_status cd_jpeg_decode(cd_image *image, const uint8_t *bytes, size_t n, cd_decode_as as, cd_error *err);
cd_status cd_png_decode(cd_image *image, const uint8_t *bytes, size_t n, cd_decode_as as, cd_error *err);

/* quality: 1 to 100. */
cd_status cd_jpeg_encode(FILE *file, const cd_image *image, int quality, cd_error *err);
cd_status cd_png_encode(FILE *file, const cd_image *image, cd_error *err);

#endif
