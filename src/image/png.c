#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "image/codec.h"
#include "image/exif.h"

/* One PNG being read or written; libpng jumps to `back` on errors. */
typedef struct png_work {
    png_structp png;
    png_infop info;
    jmp_buf back;
    char message[128];
    const uint8_t *bytes; /* reading: what is left */
    size_t left;
    png_bytep *rows; /* owned */
} png_work;

static void leave(png_structp png, png_const_charp message)
{
    png_work *work = png_get_error_ptr(png);
    strncpy(work->message, message, sizeof work->message - 1);
    longjmp(work->back, 1);
}

static void say_nothing(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void take_bytes(png_structp png, png_bytep target, size_t n)
{
    png_work *work = png_get_io_ptr(png);
    if (n > work->left) {
        png_error(png, "the file ends early. Copy or download it again");
    }
    memcpy(target, work->bytes, n);
    work->bytes += n;
    work->left -= n;
}

static cd_status png_failure(const png_work *work, cd_error *err)
{
    return cd_fail(err, CD_EFORMAT, "is a damaged PNG image: %s.", work->message);
}

static bool machine_is_little_endian(void)
{
    const uint16_t one = 1;
    return *(const uint8_t *)&one == 1;
}

/* ---- decoding ---- */

static void undo_packing(png_work *work, cd_decode_as as, int bits)
{
    int colour = png_get_color_type(work->png, work->info);
    if (as == CD_AS_LABELS) {
        png_set_packing(work->png);
    } else {
        png_set_expand(work->png);
    }
    if (as == CD_AS_RGB) {
        png_set_strip_alpha(work->png);
        if (!(colour & PNG_COLOR_MASK_COLOR)) {
            png_set_gray_to_rgb(work->png);
        }
    }
    if (bits == 16 && machine_is_little_endian()) {
        png_set_swap(work->png);
    }
    if (as == CD_AS_LABELS && (colour & PNG_COLOR_MASK_ALPHA)) {
        png_set_strip_alpha(work->png);
    }
}

static int stored_orientation(png_work *work)
{
#ifdef PNG_eXIf_SUPPORTED
    png_bytep exif = NULL;
    png_uint_32 n = 0;
    if (png_get_eXIf_1(work->png, work->info, &n, &exif) == PNG_INFO_eXIf && exif != NULL) {
        return cd_exif_orientation(exif, n);
    }
#else
    (void)work;
#endif
    return 1;
}

/* Deflate makes one byte of 1032 at most. */
#define LARGEST_RATIO 1040.0

static cd_status check_claim(png_work *work, size_t n, cd_error *err)
{
    const double height = png_get_image_height(work->png, work->info),
                 bytes = ((double)png_get_rowbytes(work->png, work->info) + 1) * height;
    if (bytes <= LARGEST_RATIO * (double)n) {
        return CD_OK;
    }
    return cd_fail(
        err, CD_EFORMAT,
        "is a damaged PNG image: it claims %.0f x %.0f pixels, but ends early, after %llu bytes. Copy or "
        "download it again.",
        height, (double)png_get_image_width(work->png, work->info), (unsigned long long)n);
}

static cd_status read_header(cd_image *image, png_work *work, cd_decode_as as, cd_error *err)
{
    if (setjmp(work->back)) {
        return png_failure(work, err);
    }
    png_set_read_fn(work->png, work, take_bytes);
    png_set_user_limits(work->png, 1000000, 1000000);
    const size_t n = work->left;
    png_read_info(work->png, work->info);
    CD_TRY(check_claim(work, n, err));
    int colour = png_get_color_type(work->png, work->info);
    if (as == CD_AS_LABELS && (colour & PNG_COLOR_MASK_COLOR) && !(colour & PNG_COLOR_MASK_PALETTE)) {
        return cd_fail(err, CD_EVALUE, "holds colours; labels are read from grey or palette images.");
    }
    undo_packing(work, as, png_get_bit_depth(work->png, work->info));
    png_set_interlace_handling(work->png);
    png_read_update_info(work->png, work->info);
    image->height = png_get_image_height(work->png, work->info);
    image->width = png_get_image_width(work->png, work->info);
    image->channels = png_get_channels(work->png, work->info);
    image->bits = png_get_bit_depth(work->png, work->info);
    image->orientation = stored_orientation(work);
    image->alpha = image->channels == 2 || image->channels == 4;
    return CD_OK;
}

static cd_status point_rows(png_work *work, const cd_image *image, cd_error *err)
{
    size_t stride = cd_image_bytes(image) / (size_t)image->height;
    work->rows = malloc((size_t)image->height * sizeof *work->rows);
    if (work->rows == NULL) {
        return cd_fail(err, CD_EALLOC, "no memory for an image of %lld rows.", (long long)image->height);
    }
    for (int64_t i = 0; i < image->height; i++) {
        work->rows[i] = (png_bytep)image->pixels + (size_t)i * stride;
    }
    return CD_OK;
}

static cd_status read_pixels(png_work *work, cd_error *err)
{
    if (setjmp(work->back)) {
        return png_failure(work, err);
    }
    png_read_image(work->png, work->rows);
    png_read_end(work->png, NULL);
    return CD_OK;
}

static cd_status decode(cd_image *image, png_work *work, cd_decode_as as, cd_error *err)
{
    CD_TRY(read_header(image, work, as, err));
    if (image->pixels == NULL) {
        return CD_OK;
    }
    CD_TRY(point_rows(work, image, err));
    return read_pixels(work, err);
}

static cd_status png_decode(cd_image *image, const uint8_t *bytes, size_t n, cd_decode_as as, cd_error *err)
{
    png_work work = {.bytes = bytes, .left = n};
    work.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &work, leave, say_nothing);
    work.info = work.png != NULL ? png_create_info_struct(work.png) : NULL;
    if (work.info == NULL) {
        png_destroy_read_struct(&work.png, NULL, NULL);
        return cd_fail(err, CD_EALLOC, "libpng could not be started.");
    }
#ifdef PNG_IGNORE_ADLER32
    /* The checksums of PNG's chunks find damage; zlib's own would be one more pass over the pixels. */
    png_set_option(work.png, PNG_IGNORE_ADLER32, PNG_OPTION_ON);
#endif
    cd_status status = decode(image, &work, as, err);
    png_destroy_read_struct(&work.png, &work.info, NULL);
    free(work.rows);
    return status;
}

/* ---- encoding ---- */

static cd_status write_pixels(png_work *work, FILE *file, const cd_image *image, cd_error *err)
{
    static const int colour[] = {0, PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                                 PNG_COLOR_TYPE_RGB_ALPHA};
    if (setjmp(work->back)) {
        return cd_fail(err, CD_EIO, "cannot be written: %s.", work->message);
    }
    png_init_io(work->png, file);
    png_set_IHDR(work->png, work->info, (png_uint_32)image->width, (png_uint_32)image->height, image->bits,
                 colour[image->channels], PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(work->png, work->info);
    if (image->bits == 16 && machine_is_little_endian()) {
        png_set_swap(work->png);
    }
    png_write_image(work->png, work->rows);
    png_write_end(work->png, NULL);
    return CD_OK;
}

static cd_status png_encode(FILE *file, const cd_image *image, int quality, cd_error *err)
{
    (void)quality;
    png_work work = {.left = 0};
    if (image->channels < 1 || image->channels > 4) {
        return cd_fail(err, CD_EVALUE, "a PNG file holds 1 to 4 channels, got %lld.",
                       (long long)image->channels);
    }
    work.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &work, leave, say_nothing);
    work.info = work.png != NULL ? png_create_info_struct(work.png) : NULL;
    if (work.info == NULL) {
        png_destroy_write_struct(&work.png, NULL);
        return cd_fail(err, CD_EALLOC, "libpng could not be started.");
    }
    cd_status status = point_rows(&work, image, err);
    if (status == CD_OK) {
        status = write_pixels(&work, file, image, err);
    }
    png_destroy_write_struct(&work.png, &work.info);
    free(work.rows);
    return status;
}

const cd_codec cd_codec_png = {.name = "PNG",
                               .extensions = {".png"},
                               .signatures = {{0, 8, "\x89PNG\r\n\x1a\n"}},
                               .decode = png_decode,
                               .encode = png_encode};
