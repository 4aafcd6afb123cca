/* Pictures in memory: rows of pixels, channels interleaved (H, W, C), 8 or 16 bits each. */
#ifndef CANDELA_IMAGE_IMAGE_H
#define CANDELA_IMAGE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct cd_image {
    int64_t height, width, channels; /* channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha */
    int bits;                        /* 8: uint8_t; 16: uint16_t in the machine's byte order */
    void *pixels;                    /* NULL in an empty image */
} cd_image;

/* No picture of more bytes than this is read or written. */
#define CD_IMAGE_MAX_BYTES ((int64_t)1 << 30)

/* Bytes of all pixels. */
size_t cd_image_bytes(const cd_image *image);

/* CD_EVALUE for a picture without pixels or above the size limit. */
cd_status cd_image_check_size(const cd_image *image, cd_error *err);

/* Gives an image whose sizes are set its pixels, uninitialised, from malloc. Errors: as above, CD_EALLOC. */
cd_status cd_image_allocate(cd_image *image, cd_error *err);

/* Frees pixels of cd_image_allocate; the image is empty afterwards. Calling it twice is harmless. */
void cd_image_free(cd_image *image);

/* In which form a decoder hands a picture over. */
typedef enum {
    CD_AS_STORED = 0, /* channels and depth as described above */
    CD_AS_RGB8,       /* three channels of 8 bits: grey repeated, alpha dropped, 16 bits cut to 8 */
    CD_AS_LABELS      /* one channel of 8 or 16 bits: grey values and palette indices as stored, unscaled */
} cd_decode_as;

#endif
