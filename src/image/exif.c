#include "image/exif.h"

#include <string.h>

#define TAG_ORIENTATION 0x0112

typedef struct exif {
    const uint8_t *bytes;
    size_t n;
    bool big_endian;
} exif;

/* Number of `size` bytes at an offset; 0 outside. */
static uint32_t number(const exif *e, size_t at, int size)
{
    uint32_t value = 0;
    if (at + (size_t)size > e->n) {
        return 0;
    }
    for (int i = 0; i < size; i++) {
        value = value << 8 | e->bytes[at + (size_t)(e->big_endian ? i : size - 1 - i)];
    }
    return value;
}

int cd_exif_orientation(const uint8_t *bytes, size_t n)
{
    if (n < 8 || (memcmp(bytes, "II*\0", 4) != 0 && memcmp(bytes, "MM\0*", 4) != 0)) {
        return 1;
    }
    exif e = {bytes, n, bytes[0] == 'M'};
    size_t at = number(&e, 4, 4);
    uint32_t entries = number(&e, at, 2);
    for (uint32_t i = 0; i < entries && at + 2 + 12 * ((size_t)i + 1) <= n; i++) {
        size_t entry = at + 2 + 12 * (size_t)i;
        uint32_t value = number(&e, entry + 8, 2);
        if (number(&e, entry, 2) == TAG_ORIENTATION) {
            return value >= 1 && value <= 8 ? (int)value : 1;
        }
    }
    return 1;
}

bool cd_orientation_swaps(int orientation)
{
    return orientation >= 5 && orientation <= 8;
}

/* Stored row and column of the upright pixel (i, j), of h x w stored pixels. */
static size_t stored_at(int orientation, int64_t i, int64_t j, int64_t h, int64_t w)
{
    bool swap = cd_orientation_swaps(orientation);
    int64_t row = swap ? j : i, column = swap ? i : j;
    bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    row = from_below ? h - 1 - row : row;
    column = from_right ? w - 1 - column : column;
    return (size_t)(row * w + column);
}

void cd_image_turn(void *y, const cd_image *image, int orientation)
{
    const int64_t h = image->height, w = image->width;
    const bool swap = cd_orientation_swaps(orientation);
    const size_t pixel = (size_t)image->channels * (size_t)(image->bits / 8);
    uint8_t *to = y;
    for (int64_t i = 0; i < (swap ? w : h); i++) {
        for (int64_t j = 0; j < (swap ? h : w); j++, to += pixel) {
            memcpy(to, (const uint8_t *)image->pixels + stored_at(orientation, i, j, h, w) * pixel, pixel);
        }
    }
}
