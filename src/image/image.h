/* Pictures in memory: rows of pixels, channels interleaved (H, W, C), 8, 16 or 32 bits each. */
#ifndef CANDELA_IMAGE_IMAGE_H
#define CANDELA_IMAGE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* What the samples of a file are. */
typedef enum { CD_SAMPLE_UNSIGNED = 0, CD_SAMPLE_SIGNED, CD_SAMPLE_FLOAT } cd_sample;

typedef struct cd_image {
    int64_t height, width, channels; /* 1 grey, 3 RGB, other numbers: bands; alpha is one more */
    int bits;     /* 8: uint8_t; 16: uint16_t in the machine's byte order; 32: float, or int32_t for labels */
    void *pixels; /* NULL in an empty image */
    /* What else a decoder says of the file. */
    bool alpha;       /* the last channel is one */
    int orientation;  /* of EXIF, 1 to 8; 0: upright */
    int stored_bits;  /* of a sample in the file; 0: as `bits` */
    cd_sample sample; /* and what it is */
    bool has_nodata;
    double nodata;   /* the number that means no data */
    int64_t pages;   /* pictures in the file; 0: one */
    int64_t page;    /* said to the decoder: which of them, from 0 */
    int64_t working; /* bytes that decoding needs besides the pixels */
    bool incomplete; /* some pixels were missing in the file, and are filled in */
} cd_image;

/* No picture of more bytes than this is read or written. */
#define CD_IMAGE_MAX_BYTES ((int64_t)1 << 30)

/* Bytes of all pixels. */
size_t cd_image_bytes(const cd_image *image);

/* CD_EVALUE for a picture without pixels or above the size limit. */
cd_status cd_image_check_size(const cd_image *image, cd_error *err);

/* What a file of n bytes may take to decode: a few hundred times its size, and at least what a picture of 64
 * megapixels takes. CD_EFORMAT, with what the file claims, where the pixels and what decoding needs besides
 * come to more: such a file is made to exhaust memory, or damaged. Goes on after the name of the file. */
cd_status cd_image_check_budget(const cd_image *image, size_t n, cd_error *err);

/* Gives an image whose sizes are set its pixels, uninitialised, from malloc. Errors: as above, CD_EALLOC. */
cd_status cd_image_allocate(cd_image *image, cd_error *err);

/* Frees pixels of cd_image_allocate; the image is empty afterwards. Calling it twice is harmless. */
void cd_image_free(cd_image *image);

/* In which form a decoder hands a picture over. */
typedef enum {
    CD_AS_STORED = 0, /* channels and depth as described above */
    CD_AS_RGB,        /* three channels: grey repeated, alpha and bands beyond the third dropped */
    CD_AS_LABELS /* one channel: grey values and palette indices as stored, unscaled; 32 bits: integers, of
                         which INT32_MIN is NaN in the file */
} cd_decode_as;

#endif
