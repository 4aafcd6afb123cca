#include "image/tiff_window.h"

#ifdef CD_HAVE_TIFF

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <tiffio.h>

#include "base/interrupt.h"

/* A tile larger than this is not one to be read for a window. */
#define MAX_BLOCK ((uint64_t)1 << 28)

typedef struct window_reader {
    TIFF *tiff;
    uint32_t width, height, tile_width, tile_height;
    uint16_t samples, bits, format, planar;
    bool tiled;
    uint64_t block; /* bytes of a tile, or of a row */
    uint8_t *bytes; /* [block], owned */
} window_reader;

/* ---- the file ---- */

#if TIFFLIB_VERSION >= 20221213
static int say_nothing(TIFF *tiff, void *user, const char *module, const char *format, va_list values)
{
    (void)tiff;
    (void)user;
    (void)module;
    (void)format;
    (void)values;
    return 1;
}

static TIFF *open_file(const char *path)
{
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (options == NULL) {
        return NULL;
    }
    TIFFOpenOptionsSetErrorHandlerExtR(options, say_nothing, NULL);
    TIFFOpenOptionsSetWarningHandlerExtR(options, say_nothing, NULL);
    TIFF *tiff = TIFFOpenExt(path, "r", options);
    TIFFOpenOptionsFree(options);
    return tiff;
}
#else
static TIFF *open_file(const char *path)
{
    TIFFSetErrorHandler(NULL);
    TIFFSetWarningHandler(NULL);
    return TIFFOpen(path, "r");
}
#endif

static uint16_t field(TIFF *tiff, uint32_t tag, uint16_t otherwise)
{
    uint16_t value = otherwise;
    return TIFFGetFieldDefaulted(tiff, tag, &value) ? value : otherwise;
}

static bool known_samples(const window_reader *r)
{
    if (r->format == SAMPLEFORMAT_IEEEFP) {
        return r->bits == 32 || r->bits == 64;
    }
    return (r->format == SAMPLEFORMAT_UINT || r->format == SAMPLEFORMAT_INT) &&
           (r->bits == 8 || r->bits == 16 || r->bits == 32);
}

static bool plain_colours(const window_reader *r)
{
    const uint16_t photometric = field(r->tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
    return (photometric == PHOTOMETRIC_MINISBLACK || photometric == PHOTOMETRIC_RGB) &&
           field(r->tiff, TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT) == ORIENTATION_TOPLEFT;
}

/* Value: whether it is one that is read here. */
static bool read_fields(window_reader *r)
{
    TIFF *tiff = r->tiff;
    TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &r->width);
    TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &r->height);
    r->samples = field(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
    r->bits = field(tiff, TIFFTAG_BITSPERSAMPLE, 1);
    r->format = field(tiff, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT);
    r->planar = field(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    r->tiled = TIFFIsTiled(tiff) != 0;
    const uint16_t compression = field(tiff, TIFFTAG_COMPRESSION, COMPRESSION_NONE);
    if (r->tiled) {
        TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &r->tile_width);
        TIFFGetField(tiff, TIFFTAG_TILELENGTH, &r->tile_height);
    }
    r->block = r->tiled ? TIFFTileSize64(tiff) : TIFFScanlineSize64(tiff);
    const bool worth_it = r->tiled
                              ? compression != COMPRESSION_JPEG && r->tile_width > 0 && r->tile_height > 0
                              : compression == COMPRESSION_NONE;
    return r->width > 0 && r->height > 0 && r->samples > 0 && r->block > 0 && r->block <= MAX_BLOCK &&
           worth_it && TIFFIsCODECConfigured(compression) && known_samples(r) && plain_colours(r);
}

void cd_tiff_describe(const char *path, cd_tiff_shape *shape)
{
    window_reader r = {.tiff = open_file(path)};
    *shape = (cd_tiff_shape){.direct = false};
    if (r.tiff != NULL) {
        const bool direct = read_fields(&r);
        *shape = (cd_tiff_shape){r.height, r.width, r.samples, direct};
        TIFFClose(r.tiff);
    }
}

/* ---- samples ---- */

/* n samples, every `step`-th of those at `from`. */
#define CONVERT(type)                                                           \
    for (int64_t i = 0; i < n; i++) {                                           \
        type value;                                                             \
        memcpy(&value, from + (size_t)(i * step) * sizeof value, sizeof value); \
        out[i] = (float)value;                                                  \
    }

static void convert(const window_reader *r, float *out, const uint8_t *from, int64_t step, int64_t n)
{
    const bool sign = r->format == SAMPLEFORMAT_INT;
    if (r->format == SAMPLEFORMAT_IEEEFP && r->bits == 32) {
        CONVERT(float)
    } else if (r->format == SAMPLEFORMAT_IEEEFP) {
        CONVERT(double)
    } else if (r->bits == 8 && sign) {
        CONVERT(int8_t)
    } else if (r->bits == 8) {
        CONVERT(uint8_t)
    } else if (r->bits == 16 && sign) {
        CONVERT(int16_t)
    } else if (r->bits == 16) {
        CONVERT(uint16_t)
    } else if (sign) {
        CONVERT(int32_t)
    } else {
        CONVERT(uint32_t)
    }
}

static void mark_missing(float *out, int64_t n, const cd_tiff_window *w)
{
    for (int64_t k = 0; k < w->n_nodata; k++) {
        const float missing = (float)w->nodata[k];
        for (int64_t i = 0; i < n; i++) {
            out[i] = out[i] == missing ? NAN : out[i];
        }
    }
}

/* One band of a row of the file: its columns left .. left + n - 1 are in `bytes`, `step` samples apart. */
static void take_row(const window_reader *r, float *out, const cd_tiff_window *w, const int64_t at[3],
                     const uint8_t *bytes, int64_t step, int64_t n)
{
    const int64_t band = at[0], row = at[1], left = at[2];
    float *target = out + (band * w->height + row - w->top) * w->width + left - w->left;
    convert(r, target, bytes, step, n);
    mark_missing(target, n, w);
}

/* ---- tiles and rows ---- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* What the window needs of the tile whose corner is at (y, x), for the bands first .. last - 1 of the
 * window. */
static void take_tile(const window_reader *r, float *out, const cd_tiff_window *w, int64_t y, int64_t x,
                      int64_t first, int64_t last)
{
    const bool together = r->planar == PLANARCONFIG_CONTIG;
    const int64_t step = together ? r->samples : 1, size = r->bits / 8;
    const int64_t left = most(x, w->left), right = least(x + r->tile_width, w->left + w->width);
    for (int64_t row = most(y, w->top); row < least(y + r->tile_height, w->top + w->height); row++) {
        for (int64_t band = first; band < last; band++) {
            const int64_t pixel = (row - y) * r->tile_width + left - x;
            const int64_t sample = pixel * step + (together ? (int64_t)w->bands[band] : 0);
            take_row(r, out, w, (const int64_t[]){band, row, left}, r->bytes + sample * size, step,
                     right - left);
        }
    }
}

static bool read_tile(window_reader *r, int64_t y, int64_t x, int64_t sample)
{
    const uint32_t tile = TIFFComputeTile(r->tiff, (uint32_t)x, (uint32_t)y, 0, (uint16_t)sample);
    return TIFFReadEncodedTile(r->tiff, tile, r->bytes, (tmsize_t)r->block) == (tmsize_t)r->block;
}

static bool read_tiles_of_row(window_reader *r, float *out, const cd_tiff_window *w, int64_t y)
{
    const bool together = r->planar == PLANARCONFIG_CONTIG;
    bool good = true;
    for (int64_t x = w->left / r->tile_width * r->tile_width; good && x < w->left + w->width;
         x += r->tile_width) {
        for (int64_t band = 0; good && band < (together ? 1 : w->n_bands); band++) {
            good = read_tile(r, y, x, together ? 0 : (int64_t)w->bands[band]);
            if (good) {
                take_tile(r, out, w, y, x, band, together ? w->n_bands : band + 1);
            }
        }
    }
    return good;
}

static bool read_row(window_reader *r, float *out, const cd_tiff_window *w, int64_t row)
{
    const bool together = r->planar == PLANARCONFIG_CONTIG;
    const int64_t step = together ? r->samples : 1, size = r->bits / 8;
    bool good = true;
    for (int64_t band = 0; good && band < w->n_bands; band++) {
        const int64_t sample = (int64_t)w->bands[band];
        if (band == 0 || !together) {
            good = TIFFReadScanline(r->tiff, r->bytes, (uint32_t)row, (uint16_t)(together ? 0 : sample)) == 1;
        }
        if (good) {
            const uint8_t *from = r->bytes + (w->left * step + (together ? sample : 0)) * size;
            take_row(r, out, w, (const int64_t[]){band, row, w->left}, from, step, w->width);
        }
    }
    return good;
}

static cd_status read_blocks(window_reader *r, float *out, const cd_tiff_window *w, cd_error *err)
{
    const int64_t rows = r->tiled ? r->tile_height : 1;
    for (int64_t y = w->top / rows * rows; y < w->top + w->height; y += rows) {
        if (r->tiled || y % 256 == 0) {
            CD_TRY(cd_interrupt_check(err));
        }
        if (!(r->tiled ? read_tiles_of_row(r, out, w, y) : read_row(r, out, w, y))) {
            return cd_fail(err, CD_EIO, "the TIFF file is damaged, or tiles are missing.");
        }
    }
    return CD_OK;
}

static bool lies_inside(const window_reader *r, const cd_tiff_window *w)
{
    bool inside = w->top >= 0 && w->left >= 0 && w->height > 0 && w->width > 0 && w->n_bands > 0 &&
                  w->height <= r->height && w->width <= r->width && w->top <= r->height - w->height &&
                  w->left <= r->width - w->width;
    for (int64_t k = 0; k < w->n_bands; k++) {
        inside = inside && w->bands[k] >= 0 && w->bands[k] < r->samples;
    }
    return inside;
}

cd_status cd_tiff_read_window(float *out, const char *path, const cd_tiff_window *w, cd_error *err)
{
    window_reader r = {.tiff = open_file(path)};
    if (r.tiff == NULL) {
        return cd_fail(err, CD_EIO, "'%s' is no TIFF file that can be read.", path);
    }
    cd_status status = CD_OK;
    if (!read_fields(&r) || !lies_inside(&r, w)) {
        status = cd_fail(err, CD_EVALUE, "'%s' has no such window.", path);
    } else {
        r.bytes = malloc((size_t)r.block);
        status = r.bytes == NULL ? cd_fail(err, CD_EALLOC, "no memory to read a part of a TIFF file.")
                                 : read_blocks(&r, out, w, err);
    }
    free(r.bytes);
    TIFFClose(r.tiff);
    return status;
}

#else

void cd_tiff_describe(const char *path, cd_tiff_shape *shape)
{
    (void)path;
    *shape = (cd_tiff_shape){.direct = false};
}

cd_status cd_tiff_read_window(float *out, const char *path, const cd_tiff_window *w, cd_error *err)
{
    (void)out;
    (void)w;
    return cd_fail(err, CD_EVALUE, "'%s' cannot be read: this package was built without libtiff.", path);
}

#endif
