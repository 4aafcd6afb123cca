#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "image/codec.h"
#include "image/exif.h"

/* A picture of several scans has a dozen; that many pixels of all scans together are read in any case. */
#define MOST_SCANS 32
#define MOST_SCANNED 256e6
/* Pixels that one byte can hold: a bit for a block of 8 x 8. */
#define PIXELS_PER_BYTE 512

/* libjpeg's error manager, with where to return to and what was warned about. */
typedef struct jpeg_trap {
    struct jpeg_error_mgr manager; /* first: libjpeg knows only this part */
    jmp_buf back;
    bool ended_early;   /* the decoder asked for bytes beyond the end */
    bool missing_codes; /* pixels were filled in because their data were missing */
    bool several_scans; /* of which none may be missing */
    char message[JMSG_LENGTH_MAX];
} jpeg_trap;

static void leave(j_common_ptr info)
{
    jpeg_trap *trap = (jpeg_trap *)info->err;
    info->err->format_message(info, trap->message);
    longjmp(trap->back, 1);
}

static void note_warning(j_common_ptr info, int level)
{
    jpeg_trap *trap = (jpeg_trap *)info->err;
    if (level < 0) {
        trap->manager.num_warnings++;
        trap->ended_early = trap->ended_early || info->err->msg_code == JWRN_JPEG_EOF;
        trap->missing_codes = trap->missing_codes || info->err->msg_code == JWRN_HIT_MARKER ||
                              info->err->msg_code == JWRN_HUFF_BAD_CODE;
        if (trap->ended_early && trap->several_scans) {
            leave(info);
        }
    }
}

/* Each scan goes over the whole picture, and a few bytes are enough to make one. */
static void limit_scans(j_common_ptr info)
{
    const struct jpeg_decompress_struct *d = (const struct jpeg_decompress_struct *)info;
    const double pixels = (double)d->image_width * (double)d->image_height;
    if ((double)d->input_scan_number > MOST_SCANS && d->input_scan_number * pixels > MOST_SCANNED) {
        jpeg_trap *trap = (jpeg_trap *)info->err;
        snprintf(trap->message, sizeof trap->message, "it holds more than %d scans",
                 d->input_scan_number - 1);
        longjmp(trap->back, 1);
    }
}

static void say_nothing(j_common_ptr info)
{
    (void)info;
}

static struct jpeg_error_mgr *set_trap(jpeg_trap *trap)
{
    memset(trap, 0, sizeof *trap);
    jpeg_std_error(&trap->manager);
    trap->manager.error_exit = leave;
    trap->manager.emit_message = note_warning;
    trap->manager.output_message = say_nothing;
    return &trap->manager;
}

/* ---- decoding ---- */

typedef struct jpeg_reader {
    struct jpeg_decompress_struct info;
    jpeg_trap trap;
    cd_image *image;
    cd_decode_as as;
    uint8_t *row; /* of a CMYK picture; libjpeg frees it */
    struct jpeg_progress_mgr progress;
} jpeg_reader;

static bool is_cmyk(const jpeg_reader *r)
{
    return r->info.jpeg_color_space == JCS_CMYK || r->info.jpeg_color_space == JCS_YCCK;
}

static void choose_output(jpeg_reader *r)
{
    bool grey = r->info.jpeg_color_space == JCS_GRAYSCALE && r->as != CD_AS_RGB;
    r->info.out_color_space = grey ? JCS_GRAYSCALE : is_cmyk(r) ? JCS_CMYK : JCS_RGB;
    r->info.dct_method = JDCT_ISLOW;
    r->image->height = r->info.image_height;
    r->image->width = r->info.image_width;
    r->image->channels = grey ? 1 : 3;
    r->image->bits = 8;
}

/* Adobe's files hold 255 - ink. */
static void cmyk_row_to_rgb(uint8_t *rgb, const uint8_t *cmyk, int64_t width, bool inverted)
{
    int flip = inverted ? 0 : 255;
    for (int64_t i = 0; i < width; i++, rgb += 3, cmyk += 4) {
        int light = cmyk[3] ^ flip;
        for (int c = 0; c < 3; c++) {
            rgb[c] = (uint8_t)(((cmyk[c] ^ flip) * light + 127) / 255);
        }
    }
}

static void read_rows(jpeg_reader *r)
{
    size_t stride = (size_t)r->image->width * (size_t)r->image->channels;
    bool cmyk = is_cmyk(r);
    if (cmyk) {
        r->row = r->info.mem->alloc_large((j_common_ptr)&r->info, JPOOL_IMAGE, (size_t)r->image->width * 4);
    }
    while (r->info.output_scanline < r->info.output_height) {
        uint8_t *target = (uint8_t *)r->image->pixels + r->info.output_scanline * stride;
        JSAMPROW row = cmyk ? r->row : target;
        if (jpeg_read_scanlines(&r->info, &row, 1) == 1 && cmyk) {
            cmyk_row_to_rgb(target, r->row, r->image->width, r->info.saw_Adobe_marker);
        }
    }
}

static cd_status jpeg_failure(const jpeg_trap *trap, cd_error *err)
{
    return cd_fail(err, CD_EFORMAT, "is a damaged JPEG image: %s.", trap->message);
}

/* EXIF lies in a first application marker, after six bytes of name. */
static int stored_orientation(const jpeg_reader *r)
{
    for (jpeg_saved_marker_ptr m = r->info.marker_list; m != NULL; m = m->next) {
        if (m->marker == JPEG_APP0 + 1 && m->data_length > 6 && memcmp(m->data, "Exif\0\0", 6) == 0) {
            return cd_exif_orientation(m->data + 6, m->data_length - 6);
        }
    }
    return 1;
}

/* What libjpeg keeps of a picture of several scans: two bytes of each coefficient. */
static int64_t coefficient_bytes(const jpeg_reader *r)
{
    int64_t blocks = 0;
    for (int c = 0; jpeg_has_multiple_scans((j_decompress_ptr)&r->info) && c < r->info.num_components; c++) {
        const jpeg_component_info *component = &r->info.comp_info[c];
        blocks += (int64_t)component->width_in_blocks * component->height_in_blocks;
    }
    return blocks * DCTSIZE2 * (int64_t)sizeof(JCOEF);
}

/* Without arithmetic coding a block costs a bit at least. */
static cd_status check_claim(const jpeg_reader *r, size_t n, cd_error *err)
{
    const cd_image *image = r->image;
    if (r->info.arith_code || (double)image->height * (double)image->width <= PIXELS_PER_BYTE * (double)n) {
        return CD_OK;
    }
    return cd_fail(
        err, CD_EFORMAT,
        "is a damaged JPEG image: it claims %lld x %lld pixels, but ends early, after %llu bytes. Copy or "
        "download it again.",
        (long long)image->height, (long long)image->width, (unsigned long long)n);
}

static cd_status read_header(jpeg_reader *r, const uint8_t *bytes, size_t n, cd_error *err)
{
    if (setjmp(r->trap.back)) {
        return jpeg_failure(&r->trap, err);
    }
    jpeg_mem_src(&r->info, (unsigned char *)bytes, (unsigned long)n);
    jpeg_save_markers(&r->info, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&r->info, TRUE);
    r->image->orientation = stored_orientation(r);
    choose_output(r);
    r->image->working = coefficient_bytes(r);
    CD_TRY(check_claim(r, n, err));
    if (r->as == CD_AS_LABELS && r->image->channels != 1) {
        return cd_fail(err, CD_EVALUE, "holds colours; labels are read from grey or palette images.");
    }
    return CD_OK;
}

static cd_status truncated(cd_error *err)
{
    return cd_fail(err, CD_EFORMAT,
                   "is a damaged JPEG image: the file ends early. Copy or download it again.");
}

static cd_status read_pixels(jpeg_reader *r, cd_error *err)
{
    if (setjmp(r->trap.back)) {
        return r->trap.ended_early && r->trap.several_scans ? truncated(err) : jpeg_failure(&r->trap, err);
    }
    r->trap.several_scans = jpeg_has_multiple_scans(&r->info);
    r->progress.progress_monitor = limit_scans;
    r->info.progress = &r->progress;
    jpeg_start_decompress(&r->info);
    read_rows(r);
    jpeg_finish_decompress(&r->info);
    /* Only the closing marker is missing when no pixel lacked data. */
    r->image->incomplete = r->trap.missing_codes;
    return r->trap.ended_early && r->trap.missing_codes ? truncated(err) : CD_OK;
}

static cd_status jpeg_decode(cd_image *image, const uint8_t *bytes, size_t n, cd_decode_as as, cd_error *err)
{
    jpeg_reader reader = {.image = image, .as = as};
    reader.info.err = set_trap(&reader.trap);
    if (setjmp(reader.trap.back)) {
        return jpeg_failure(&reader.trap, err);
    }
    jpeg_create_decompress(&reader.info);
    cd_status status = read_header(&reader, bytes, n, err);
    if (status == CD_OK && image->pixels != NULL) {
        status = read_pixels(&reader, err);
    }
    jpeg_destroy_decompress(&reader.info);
    return status;
}

/* ---- encoding ---- */

typedef struct jpeg_writer {
    struct jpeg_compress_struct info;
    jpeg_trap trap;
    const cd_image *image;
    int quality;
} jpeg_writer;

static void write_rows(jpeg_writer *w, FILE *file)
{
    size_t stride = (size_t)w->image->width * (size_t)w->image->channels;
    jpeg_stdio_dest(&w->info, file);
    w->info.image_height = (JDIMENSION)w->image->height;
    w->info.image_width = (JDIMENSION)w->image->width;
    w->info.input_components = (int)w->image->channels;
    w->info.in_color_space = w->image->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&w->info);
    jpeg_set_quality(&w->info, w->quality, TRUE);
    jpeg_start_compress(&w->info, TRUE);
    while (w->info.next_scanline < w->info.image_height) {
        JSAMPROW row = (uint8_t *)w->image->pixels + w->info.next_scanline * stride;
        jpeg_write_scanlines(&w->info, &row, 1);
    }
    jpeg_finish_compress(&w->info);
}

static cd_status jpeg_encode(FILE *file, const cd_image *image, int quality, cd_error *err)
{
    jpeg_writer writer = {.image = image, .quality = quality};
    if ((image->channels != 1 && image->channels != 3) || image->bits != 8) {
        return cd_fail(err, CD_EVALUE,
                       "a JPEG file holds grey or RGB pixels of 8 bits, got %lld channels of %d bits.",
                       (long long)image->channels, image->bits);
    }
    writer.info.err = set_trap(&writer.trap);
    if (setjmp(writer.trap.back)) {
        jpeg_destroy_compress(&writer.info);
        return cd_fail(err, CD_EIO, "cannot be written: %s.", writer.trap.message);
    }
    jpeg_create_compress(&writer.info);
    write_rows(&writer, file);
    jpeg_destroy_compress(&writer.info);
    return CD_OK;
}

const cd_codec cd_codec_jpeg = {.name = "JPEG",
                                .extensions = {".jpg", ".jpeg"},
                                .signatures = {{0, 3, "\xff\xd8\xff"}},
                                .decode = jpeg_decode,
                                .encode = jpeg_encode};
