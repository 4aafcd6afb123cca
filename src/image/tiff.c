/* TIFF and BigTIFF through libtiff. Without CD_HAVE_TIFF this file is empty; codecs.def then names the
 * format. */
#ifdef CD_HAVE_TIFF

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tiffio.h>

#include "image/codec.h"

/* libtiff that gives each file its own handlers and limits. */
#define OWN_HANDLERS (TIFFLIB_VERSION >= 20221213)

#define TAG_GDAL_NODATA 42113

/* A file in memory, being read or written. */
typedef struct stream {
    uint8_t *bytes;
    size_t n, room, at;
    bool failed; /* writing: no memory */
    char message[160];
} stream;

/* ---- what libtiff calls ---- */

static tmsize_t take(thandle_t handle, void *target, tmsize_t n)
{
    stream *s = handle;
    size_t left = s->at < s->n ? s->n - s->at : 0, part = (size_t)n < left ? (size_t)n : left;
    if (part > 0) {
        memcpy(target, s->bytes + s->at, part);
    }
    s->at += part;
    return (tmsize_t)part;
}

static bool grow(stream *s, size_t n)
{
    size_t room = s->room < 4096 ? 4096 : s->room;
    while (room < n) {
        room *= 2;
    }
    uint8_t *bytes = room > s->room ? realloc(s->bytes, room) : s->bytes;
    s->failed = s->failed || bytes == NULL;
    if (bytes != NULL) {
        s->bytes = bytes;
        s->room = room;
    }
    return bytes != NULL;
}

static tmsize_t put(thandle_t handle, void *source, tmsize_t n)
{
    stream *s = handle;
    size_t end = s->at + (size_t)n;
    if (end > CD_IMAGE_MAX_BYTES || !grow(s, end)) {
        return 0;
    }
    if (s->at > s->n) {
        memset(s->bytes + s->n, 0, s->at - s->n);
    }
    memcpy(s->bytes + s->at, source, (size_t)n);
    s->at = end;
    s->n = end > s->n ? end : s->n;
    return n;
}

static tmsize_t put_nothing(thandle_t handle, void *source, tmsize_t n)
{
    (void)handle;
    (void)source;
    (void)n;
    return 0;
}

static toff_t seek(thandle_t handle, toff_t offset, int whence)
{
    stream *s = handle;
    uint64_t from = whence == SEEK_CUR ? s->at : whence == SEEK_END ? s->n : 0;
    s->at = (size_t)(from + offset);
    return s->at;
}

static int leave_open(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t size_of(thandle_t handle)
{
    return ((stream *)handle)->n;
}

static int map_bytes(thandle_t handle, void **base, toff_t *size)
{
    *base = ((stream *)handle)->bytes;
    *size = ((stream *)handle)->n;
    return 1;
}

static void unmap_bytes(thandle_t handle, void *base, toff_t size)
{
    (void)handle;
    (void)base;
    (void)size;
}

#if OWN_HANDLERS
static int keep_message(TIFF *tiff, void *user, const char *module, const char *format, va_list values)
{
    (void)tiff;
    (void)module;
    stream *s = user;
    if (s->message[0] == '\0') {
        vsnprintf(s->message, sizeof s->message, format, values);
    }
    return 1;
}

static int say_nothing(TIFF *tiff, void *user, const char *module, const char *format, va_list values)
{
    (void)tiff;
    (void)user;
    (void)module;
    (void)format;
    (void)values;
    return 1;
}

static TIFF *open_stream(stream *s, const char *mode)
{
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (options == NULL) {
        return NULL;
    }
    TIFFOpenOptionsSetErrorHandlerExtR(options, keep_message, s);
    TIFFOpenOptionsSetWarningHandlerExtR(options, say_nothing, s);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)CD_IMAGE_MAX_BYTES);
    TIFF *tiff = TIFFClientOpenExt("image", mode, s, take, mode[0] == 'r' ? put_nothing : put, seek,
                                   leave_open, size_of, map_bytes, unmap_bytes, options);
    TIFFOpenOptionsFree(options);
    return tiff;
}
#else
/* Older versions have handlers for the whole process, which write to the terminal unless they are none. */
static TIFF *open_stream(stream *s, const char *mode)
{
    TIFFSetErrorHandler(NULL);
    TIFFSetWarningHandler(NULL);
    return TIFFClientOpen("image", mode, s, take, mode[0] == 'r' ? put_nothing : put, seek, leave_open,
                          size_of, map_bytes, unmap_bytes);
}
#endif

/* ---- header ---- */

#define MAX_CHANNELS 4096

typedef struct tiff_reader {
    TIFF *tiff;
    stream s;
    cd_image *image;
    cd_decode_as as;
    uint32_t width, height;
    uint16_t samples, bits, format, photometric, compression, planar;
    bool by_rgba;         /* libtiff makes 8-bit RGBA of it */
    bool palette;         /* three channels from one sample */
    int colours;          /* samples without alpha */
    int source[3];        /* RGB: samples that the channels are made of */
    uint8_t *palette_rgb; /* [3 << bits], owned */
    bool odd_label;
} tiff_reader;

static cd_status damaged(const tiff_reader *r, cd_error *err)
{
    const char *reason = r->s.message[0] != '\0' ? r->s.message : "its structure is broken";
    size_t n = strlen(reason);
    return cd_fail(err, CD_EFORMAT, "is a damaged TIFF image: %.*s.",
                   (int)(n > 0 && reason[n - 1] == '.' ? n - 1 : n), reason);
}

static uint16_t short_field(TIFF *tiff, uint32_t tag, uint16_t otherwise)
{
    uint16_t value = otherwise;
    return TIFFGetFieldDefaulted(tiff, tag, &value) ? value : otherwise;
}

static bool has_alpha(const tiff_reader *r)
{
    uint16_t n = 0, *types = NULL;
    if (!TIFFGetField(r->tiff, TIFFTAG_EXTRASAMPLES, &n, &types) || n != 1 || types == NULL) {
        return false;
    }
    bool fits = r->samples == (r->photometric == PHOTOMETRIC_RGB || r->by_rgba ? 4 : 2);
    return fits && (types[0] == EXTRASAMPLE_ASSOCALPHA || types[0] == EXTRASAMPLE_UNASSALPHA);
}

static bool needs_rgba(const tiff_reader *r)
{
    bool jpeg = r->compression == COMPRESSION_JPEG;
    return (r->photometric == PHOTOMETRIC_YCBCR && !jpeg) || r->photometric == PHOTOMETRIC_SEPARATED ||
           r->photometric == PHOTOMETRIC_CIELAB || r->photometric == PHOTOMETRIC_ICCLAB ||
           r->photometric == PHOTOMETRIC_ITULAB || r->compression == COMPRESSION_OJPEG;
}

static void read_fields(tiff_reader *r)
{
    TIFFGetField(r->tiff, TIFFTAG_IMAGEWIDTH, &r->width);
    TIFFGetField(r->tiff, TIFFTAG_IMAGELENGTH, &r->height);
    r->samples = short_field(r->tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
    r->bits = short_field(r->tiff, TIFFTAG_BITSPERSAMPLE, 1);
    r->format = short_field(r->tiff, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT);
    r->compression = short_field(r->tiff, TIFFTAG_COMPRESSION, COMPRESSION_NONE);
    r->planar = short_field(r->tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    if (!TIFFGetField(r->tiff, TIFFTAG_PHOTOMETRIC, &r->photometric)) {
        r->photometric = r->samples >= 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK;
    }
    if (r->format == SAMPLEFORMAT_VOID) {
        r->format = SAMPLEFORMAT_UINT;
    }
    if (r->photometric == PHOTOMETRIC_YCBCR && r->compression == COMPRESSION_JPEG) {
        TIFFSetField(r->tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
        r->photometric = PHOTOMETRIC_RGB;
    }
    r->by_rgba = needs_rgba(r);
    r->palette = r->photometric == PHOTOMETRIC_PALETTE && r->samples == 1 && r->bits <= 16;
    r->colours = r->samples - has_alpha(r);
}

static bool known_samples(const tiff_reader *r)
{
    if (r->by_rgba) {
        return true;
    }
    switch (r->format) {
    case SAMPLEFORMAT_UINT:
        return (r->bits >= 1 && r->bits <= 16) || r->bits == 32 || r->bits == 64;
    case SAMPLEFORMAT_INT:
        return r->bits == 8 || r->bits == 16 || r->bits == 32 || r->bits == 64;
    case SAMPLEFORMAT_IEEEFP:
        return r->bits == 16 || r->bits == 32 || r->bits == 64;
    default:
        return false;
    }
}

static int bits_in_memory(const tiff_reader *r)
{
    if (r->by_rgba || (r->palette && r->as != CD_AS_LABELS)) {
        return 8;
    }
    return r->format != SAMPLEFORMAT_UINT || r->bits > 16 ? 32 : r->bits > 8 ? 16 : 8;
}

static cd_status choose_channels(tiff_reader *r, cd_error *err)
{
    cd_image *image = r->image;
    bool three = r->by_rgba || r->palette;
    if (r->as == CD_AS_STORED) {
        image->channels = three ? 3 + (r->by_rgba && r->colours < r->samples) : r->samples;
        image->alpha = !r->palette && r->colours < r->samples;
        return CD_OK;
    }
    if (r->as == CD_AS_LABELS) {
        image->channels = 1;
        return r->colours == 1 && !r->by_rgba
                   ? CD_OK
                   : cd_fail(err, CD_EVALUE, "holds colours; labels are read from grey or palette images.");
    }
    image->channels = 3;
    if (!three && r->colours == 2) {
        return cd_fail(err, CD_EVALUE, "has 2 bands, which are no colours: choose with `bands`.");
    }
    for (int k = 0; k < 3; k++) {
        r->source[k] = r->colours == 1 ? 0 : k;
    }
    return CD_OK;
}

/* What libtiff decodes at once is kept besides the pixels, and so is the whole picture where it converts
 * colours. */
static cd_status check_budget(const tiff_reader *r, cd_error *err)
{
    CD_TRY(cd_image_check_size(r->image, err));
    const uint64_t block = TIFFIsTiled(r->tiff) ? TIFFTileSize64(r->tiff) : TIFFStripSize64(r->tiff);
    const uint64_t pixels = (uint64_t)r->width * r->height;
    r->image->working = block > (uint64_t)CD_IMAGE_MAX_BYTES ? CD_IMAGE_MAX_BYTES : (int64_t)block;
    r->image->working += r->by_rgba ? (int64_t)pixels * 4 : 0;
    const cd_status status = cd_image_check_budget(r->image, r->s.n, err);
    return status == CD_OK && block > (uint64_t)CD_IMAGE_MAX_BYTES ? damaged(r, err) : status;
}

/* Text of a tag that libtiff itself does not know. Where GDAL shares the library with us it has told libtiff
 * of its tags, as text without a count; else there is one. */
static const char *text_field(TIFF *tiff, uint32_t tag, size_t *n)
{
    const TIFFField *field = TIFFFindField(tiff, tag, TIFF_ANY);
    uint32_t count = 0;
    uint16_t short_count = 0;
    const char *text = NULL;
    if (field == NULL || TIFFFieldDataType(field) != TIFF_ASCII) {
        return NULL;
    }
    if (!TIFFFieldPassCount(field)) {
        bool there = TIFFGetField(tiff, tag, &text) == 1 && text != NULL;
        *n = there ? strlen(text) : 0;
        return there ? text : NULL;
    }
    bool wide = TIFFFieldReadCount(field) == TIFF_VARIABLE2;
    bool there = wide ? TIFFGetField(tiff, tag, &count, &text) == 1
                      : TIFFGetField(tiff, tag, &short_count, &text) == 1;
    *n = wide ? count : short_count;
    return there ? text : NULL;
}

static void read_nodata(tiff_reader *r)
{
    size_t n = 0;
    char number[64], *end;
    const char *text = text_field(r->tiff, TAG_GDAL_NODATA, &n);
    if (text == NULL || n == 0) {
        return;
    }
    size_t length = n < sizeof number ? n : sizeof number - 1;
    memcpy(number, text, length);
    number[length] = '\0';
    r->image->nodata = strtod(number, &end);
    r->image->has_nodata = end != number;
}

static cd_status describe(tiff_reader *r, cd_error *err)
{
    cd_image *image = r->image;
    if (r->width == 0 || r->height == 0 || r->samples == 0 || r->samples > MAX_CHANNELS) {
        return damaged(r, err);
    }
    if (!known_samples(r)) {
        return cd_fail(err, CD_EFORMAT,
                       "is a TIFF image with samples of %u bits, format %u, which are not read.",
                       (unsigned)r->bits, (unsigned)r->format);
    }
    image->height = r->height;
    image->width = r->width;
    image->bits = bits_in_memory(r);
    image->stored_bits = r->by_rgba ? 8 : r->bits;
    image->sample = r->by_rgba                         ? CD_SAMPLE_UNSIGNED
                    : r->format == SAMPLEFORMAT_IEEEFP ? CD_SAMPLE_FLOAT
                    : r->format == SAMPLEFORMAT_INT    ? CD_SAMPLE_SIGNED
                                                       : CD_SAMPLE_UNSIGNED;
    image->orientation = short_field(r->tiff, TIFFTAG_ORIENTATION, 1);
    read_nodata(r);
    CD_TRY(choose_channels(r, err));
    return check_budget(r, err);
}

static cd_status read_header(tiff_reader *r, cd_error *err)
{
    int64_t page = r->image->page;
    r->image->pages = (int64_t)TIFFNumberOfDirectories(r->tiff);
    if (page >= r->image->pages) {
        return cd_fail(err, CD_EVALUE, "has %lld page%s, so that there is no page %lld.",
                       (long long)r->image->pages, r->image->pages == 1 ? "" : "s", (long long)page + 1);
    }
    if (!TIFFSetDirectory(r->tiff, (tdir_t)page)) {
        return damaged(r, err);
    }
    read_fields(r);
    return describe(r, err);
}

/* ---- samples ---- */

static unsigned bits_at(const uint8_t *row, int64_t at, int bits)
{
    unsigned value = 0;
    for (int64_t k = at * bits; k < (at + 1) * bits; k++) {
        value = value << 1 | (row[k >> 3] >> (7 - (k & 7)) & 1u);
    }
    return value;
}

static double half_at(const uint8_t *row, int64_t at)
{
    uint16_t h;
    memcpy(&h, row + 2 * at, sizeof h);
    int exponent = h >> 10 & 31, fraction = h & 1023;
    double value = exponent == 0    ? ldexp(fraction, -24)
                   : exponent == 31 ? (fraction != 0 ? (double)NAN : (double)INFINITY)
                                    : ldexp(fraction + 1024, exponent - 25);
    return h >> 15 ? -value : value;
}

#define READ_AS(type)                                                  \
    {                                                                  \
        type value;                                                    \
        memcpy(&value, row + sizeof value * (size_t)at, sizeof value); \
        return (double)value;                                          \
    }

static double signed_at(const uint8_t *row, int64_t at, int bits)
{
    switch (bits) {
    case 8:
        READ_AS(int8_t)
    case 16:
        READ_AS(int16_t)
    case 32:
        READ_AS(int32_t)
    default:
        READ_AS(int64_t)
    }
}

static double unsigned_at(const uint8_t *row, int64_t at, int bits)
{
    switch (bits) {
    case 8:
        READ_AS(uint8_t)
    case 16:
        READ_AS(uint16_t)
    case 32:
        READ_AS(uint32_t)
    case 64:
        READ_AS(uint64_t)
    default:
        return bits_at(row, at, bits);
    }
}

static double float_at(const uint8_t *row, int64_t at, int bits)
{
    switch (bits) {
    case 16:
        return half_at(row, at);
    case 32:
        READ_AS(float)
    default:
        READ_AS(double)
    }
}

/* Sample `at` of a row as libtiff gives it. */
static double sample_at(const tiff_reader *r, const uint8_t *row, int64_t at)
{
    return r->format == SAMPLEFORMAT_IEEEFP ? float_at(row, at, r->bits)
           : r->format == SAMPLEFORMAT_INT  ? signed_at(row, at, r->bits)
                                            : unsigned_at(row, at, r->bits);
}

static int32_t whole(tiff_reader *r, double value)
{
    if (value != value) {
        return INT32_MIN;
    }
    r->odd_label = r->odd_label || value != floor(value) || value > INT32_MAX || value < -INT32_MAX;
    return r->odd_label ? 0 : (int32_t)value;
}

static void store(tiff_reader *r, int64_t at, double value)
{
    void *pixels = r->image->pixels;
    bool labels = r->as == CD_AS_LABELS, grey = r->image->bits < 32 && !labels;
    double largest = (1 << (r->bits <= 16 ? r->bits : 16)) - 1;
    if (grey && r->photometric == PHOTOMETRIC_MINISWHITE) {
        value = largest - value;
    }
    if (grey && r->bits < 8) {
        value = value * (255 / largest);
    }
    switch (r->image->bits) {
    case 8:
        ((uint8_t *)pixels)[at] = (uint8_t)value;
        break;
    case 16:
        ((uint16_t *)pixels)[at] = (uint16_t)value;
        break;
    default:
        if (labels) {
            ((int32_t *)pixels)[at] = whole(r, value);
        } else {
            ((float *)pixels)[at] = (float)value;
        }
    }
}

/* ---- strips and tiles ---- */

typedef struct block {
    int64_t top, left, rows, columns; /* the part within the picture */
    int64_t stride;                   /* bytes of one row of it */
    int first, count;                 /* samples of each pixel */
} block;

/* Samples as they are, side by side, need no look at each. */
static bool is_plain(const tiff_reader *r, const block *b)
{
    return (r->bits == 8 || r->bits == 16) && r->format == SAMPLEFORMAT_UINT && b->first == 0 &&
           b->count == r->image->channels && (!r->palette || r->as == CD_AS_LABELS) &&
           r->photometric != PHOTOMETRIC_MINISWHITE && (r->as == CD_AS_STORED || r->colours == b->count);
}

static void place_palette(tiff_reader *r, int64_t at, unsigned index)
{
    memcpy((uint8_t *)r->image->pixels + at * 3, r->palette_rgb + 3 * (size_t)index, 3);
}

/* Which sample of a pixel makes channel c. */
static int source_of(const tiff_reader *r, int64_t c)
{
    return r->as == CD_AS_RGB ? r->source[c] : (int)c;
}

static void place_row(tiff_reader *r, const block *b, const uint8_t *row, int64_t y)
{
    int64_t channels = r->image->channels;
    for (int64_t x = 0; x < b->columns; x++) {
        int64_t at = y * r->image->width + b->left + x;
        if (r->palette && r->as != CD_AS_LABELS) {
            place_palette(r, at, (unsigned)unsigned_at(row, x, r->bits));
            continue;
        }
        for (int64_t c = 0; c < channels; c++) {
            int k = source_of(r, c) - b->first;
            if (k >= 0 && k < b->count) {
                store(r, at * channels + c, sample_at(r, row, x * b->count + k));
            }
        }
    }
}

static void place_block(tiff_reader *r, const block *b, const uint8_t *bytes)
{
    size_t pixel = (size_t)r->image->channels * (size_t)(r->image->bits / 8);
    bool plain = is_plain(r, b);
    for (int64_t i = 0; i < b->rows; i++) {
        const uint8_t *row = bytes + i * b->stride;
        if (plain) {
            size_t at = (size_t)((b->top + i) * r->image->width + b->left) * pixel;
            memcpy((uint8_t *)r->image->pixels + at, row, (size_t)b->columns * pixel);
        } else {
            place_row(r, b, row, b->top + i);
        }
    }
}

/* A part that was never written (sparse files of GDAL) is 0. */
static bool is_absent(TIFF *tiff, uint32_t index)
{
    return TIFFGetStrileByteCount(tiff, index) == 0 && TIFFGetStrileOffset(tiff, index) == 0;
}

static cd_status read_block(tiff_reader *r, uint8_t *buffer, tmsize_t size, uint32_t index, cd_error *err)
{
    memset(buffer, 0, (size_t)size);
    if (is_absent(r->tiff, index)) {
        return CD_OK;
    }
    tmsize_t got = TIFFIsTiled(r->tiff) ? TIFFReadEncodedTile(r->tiff, index, buffer, size)
                                        : TIFFReadEncodedStrip(r->tiff, index, buffer, size);
    return got >= 0 ? CD_OK : damaged(r, err);
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Rows, columns and bytes of the blocks of one plane. */
static void block_sizes(const tiff_reader *r, block *b, uint32_t *rows, uint32_t *columns)
{
    *columns = r->width;
    *rows = r->height;
    if (TIFFIsTiled(r->tiff)) {
        TIFFGetField(r->tiff, TIFFTAG_TILEWIDTH, columns);
        TIFFGetField(r->tiff, TIFFTAG_TILELENGTH, rows);
        b->stride = TIFFTileRowSize(r->tiff);
    } else {
        TIFFGetFieldDefaulted(r->tiff, TIFFTAG_ROWSPERSTRIP, rows);
        b->stride = TIFFScanlineSize(r->tiff);
    }
    *rows = *rows > r->height && !TIFFIsTiled(r->tiff) ? r->height : *rows;
}

static cd_status read_blocks(tiff_reader *r, uint8_t *buffer, tmsize_t size, cd_error *err)
{
    uint32_t rows = 0, columns = 0, index = 0;
    bool apart = r->planar == PLANARCONFIG_SEPARATE;
    block b = {.count = apart ? 1 : r->samples};
    block_sizes(r, &b, &rows, &columns);
    if (rows == 0 || columns == 0 || b.stride <= 0 || b.stride > size / (tmsize_t)rows ||
        (uint64_t)b.stride * 8 < (uint64_t)columns * (uint64_t)b.count * r->bits) {
        return damaged(r, err);
    }
    for (int plane = 0; plane < (apart ? r->samples : 1); plane++) {
        b.first = plane;
        for (b.top = 0; b.top < r->height; b.top += rows) {
            for (b.left = 0; b.left < r->width; b.left += columns, index++) {
                CD_TRY(read_block(r, buffer, size, index, err));
                b.rows = smaller(rows, r->height - b.top);
                b.columns = smaller(columns, r->width - b.left);
                place_block(r, &b, buffer);
            }
        }
    }
    return CD_OK;
}

static cd_status read_samples(tiff_reader *r, cd_error *err)
{
    tmsize_t size = TIFFIsTiled(r->tiff) ? TIFFTileSize(r->tiff) : TIFFStripSize(r->tiff);
    uint8_t *buffer = size > 0 ? malloc((size_t)size) : NULL;
    if (buffer == NULL) {
        return size > 0 ? cd_fail(err, CD_EALLOC, "no memory for a part of a TIFF image.") : damaged(r, err);
    }
    cd_status status = read_blocks(r, buffer, size, err);
    free(buffer);
    if (status == CD_OK && r->odd_label) {
        return cd_fail(err, CD_EVALUE, "holds numbers that are not whole; labels are.");
    }
    return status;
}

static cd_status read_palette(tiff_reader *r, cd_error *err)
{
    uint16_t *red, *green, *blue;
    size_t n = (size_t)1 << r->bits;
    bool wide = false;
    if (!TIFFGetField(r->tiff, TIFFTAG_COLORMAP, &red, &green, &blue)) {
        return damaged(r, err);
    }
    r->palette_rgb = malloc(3 * n);
    if (r->palette_rgb == NULL) {
        return cd_fail(err, CD_EALLOC, "no memory for the palette of a TIFF image.");
    }
    for (size_t i = 0; i < n; i++) {
        wide = wide || red[i] > 255 || green[i] > 255 || blue[i] > 255;
    }
    for (size_t i = 0; i < n; i++) {
        r->palette_rgb[3 * i] = (uint8_t)(wide ? red[i] >> 8 : red[i]);
        r->palette_rgb[3 * i + 1] = (uint8_t)(wide ? green[i] >> 8 : green[i]);
        r->palette_rgb[3 * i + 2] = (uint8_t)(wide ? blue[i] >> 8 : blue[i]);
    }
    return CD_OK;
}

/* Colours that only libtiff knows to convert. */
static cd_status read_rgba(tiff_reader *r, cd_error *err)
{
    size_t n = (size_t)r->width * r->height;
    uint32_t *rgba = malloc(n * sizeof *rgba);
    if (rgba == NULL) {
        return cd_fail(err, CD_EALLOC, "no memory for a TIFF image.");
    }
    /* Turning is left to the caller, as for other formats. */
    TIFFSetField(r->tiff, TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT);
    bool read = TIFFReadRGBAImageOriented(r->tiff, r->width, r->height, rgba, ORIENTATION_TOPLEFT, 1) == 1;
    uint8_t *y = r->image->pixels;
    for (size_t i = 0; read && i < n; i++) {
        const uint8_t pixel[] = {TIFFGetR(rgba[i]), TIFFGetG(rgba[i]), TIFFGetB(rgba[i]), TIFFGetA(rgba[i])};
        memcpy(y, pixel, (size_t)r->image->channels);
        y += r->image->channels;
    }
    free(rgba);
    return read ? CD_OK : damaged(r, err);
}

static cd_status read_pixels(tiff_reader *r, cd_error *err)
{
    if (r->by_rgba) {
        return read_rgba(r, err);
    }
    if (r->palette && r->as != CD_AS_LABELS) {
        CD_TRY(read_palette(r, err));
    }
    return read_samples(r, err);
}

static cd_status tiff_decode(cd_image *image, const uint8_t *bytes, size_t n, cd_decode_as as, cd_error *err)
{
    tiff_reader r = {.s = {.bytes = (uint8_t *)bytes, .n = n}, .image = image, .as = as};
    r.tiff = open_stream(&r.s, "r");
    if (r.tiff == NULL) {
        return damaged(&r, err);
    }
    cd_status status = read_header(&r, err);
    if (status == CD_OK && image->pixels != NULL) {
        status = read_pixels(&r, err);
    }
    TIFFClose(r.tiff);
    free(r.palette_rgb);
    return status;
}

/* ---- encoding ---- */

static bool is_rgb(const cd_image *image)
{
    return image->channels == 3 && image->bits <= 16;
}

static void set_fields(TIFF *tiff, const cd_image *image)
{
    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, (uint32_t)image->width);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, (uint32_t)image->height);
    TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, (int)image->channels);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, image->bits);
    TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT);
    TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, is_rgb(image) ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK);
    TIFFSetField(tiff, TIFFTAG_COMPRESSION,
                 TIFFIsCODECConfigured(COMPRESSION_ADOBE_DEFLATE) ? COMPRESSION_ADOBE_DEFLATE
                                                                  : COMPRESSION_LZW);
    TIFFSetField(tiff, TIFFTAG_PREDICTOR, PREDICTOR_HORIZONTAL);
    TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, TIFFDefaultStripSize(tiff, 0));
}

/* All bands but colours are named as such: "of no meaning that is known". */
static cd_status set_extra(TIFF *tiff, const cd_image *image, cd_error *err)
{
    int64_t extra = image->channels - (is_rgb(image) ? 3 : 1);
    if (extra == 0) {
        return CD_OK;
    }
    uint16_t *types = calloc((size_t)extra, sizeof *types);
    if (types == NULL) {
        return cd_fail(err, CD_EALLOC, "no memory to write a TIFF image.");
    }
    TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, (int)extra, types);
    free(types);
    return CD_OK;
}

static bool write_rows(TIFF *tiff, const cd_image *image)
{
    size_t stride = (size_t)image->width * (size_t)image->channels * (size_t)(image->bits / 8);
    uint8_t *row = malloc(stride); /* the predictor works in place */
    bool good = row != NULL;
    for (int64_t i = 0; good && i < image->height; i++) {
        memcpy(row, (const uint8_t *)image->pixels + (size_t)i * stride, stride);
        good = TIFFWriteScanline(tiff, row, (uint32_t)i, 0) == 1;
    }
    free(row);
    return good;
}

static cd_status write_stream(stream *s, const cd_image *image, cd_error *err)
{
    TIFF *tiff = open_stream(s, "w");
    if (tiff == NULL) {
        return cd_fail(err, CD_EALLOC, "libtiff could not be started.");
    }
    set_fields(tiff, image);
    cd_status status = set_extra(tiff, image, err);
    bool good = status == CD_OK && write_rows(tiff, image) && TIFFFlush(tiff) == 1;
    TIFFClose(tiff);
    if (status == CD_OK && (!good || s->failed)) {
        return cd_fail(err, s->failed ? CD_EALLOC : CD_EIO, "cannot be written: %s.",
                       s->message[0] != '\0' ? s->message : "no memory");
    }
    return status;
}

static cd_status tiff_encode(FILE *file, const cd_image *image, int quality, cd_error *err)
{
    (void)quality;
    stream s = {.bytes = NULL};
    if (image->channels < 1 || image->channels > MAX_CHANNELS) {
        return cd_fail(err, CD_EVALUE, "a TIFF file holds 1 to %d bands, got %lld.", MAX_CHANNELS,
                       (long long)image->channels);
    }
    cd_status status = write_stream(&s, image, err);
    if (status == CD_OK && fwrite(s.bytes, 1, s.n, file) != s.n) {
        status = cd_fail(err, CD_EIO, "cannot be written: the disk may be full.");
    }
    free(s.bytes);
    return status;
}

const cd_codec cd_codec_tiff = {
    .name = "TIFF",
    .extensions = {".tif", ".tiff"},
    .signatures = {{0, 4, "II*\0"}, {0, 4, "MM\0*"}, {0, 4, "II+\0"}, {0, 4, "MM\0+"}},
    .decode = tiff_decode,
    .encode = tiff_encode};

#else
/* A file must declare something. */
typedef int cd_no_tiff;
#endif
