/* Which way up a picture is, as cameras say it. */
#ifndef CANDELA_IMAGE_EXIF_H
#define CANDELA_IMAGE_EXIF_H

#include <stddef.h>
#include <stdint.h>

#include "image/image.h"

/* The orientation (1 to 8) in n bytes of EXIF data, from its "II" or "MM" on; 1 where there is none, or it is
 * damaged. */
int cd_exif_orientation(const uint8_t *exif, size_t n);

/* Does turning upright swap height and width? */
bool cd_orientation_swaps(int orientation);

/* y: image turned upright. image: sizes and pixels as stored; y has room for cd_image_bytes(image). */
void cd_image_turn(void *y, const cd_image *image, int orientation);

#endif
