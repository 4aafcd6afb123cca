/* Images for R: reading, writing, and arrays whose pixels stay bytes until somebody looks at them. */

#include <string.h>

#include "image/batch.h"
#include "image/codecs.h"
#include "image/decode.h"
#include "image/encode.h"
#include "image/reading.h"
#include "image/tiff_window.h"
#include "r/glue.h"
#include "r/pixels.h"
#include "r/registry.h"
#include "tensor/lazy_image.h"

/* Files being read belong to R. */
static void stop_reading(SEXP holder)
{
    cd_reading_free(R_ExternalPtrAddr(holder));
    R_ClearExternalPtr(holder);
}

static SEXP reading_tag(void)
{
    return Rf_install("candela_reading");
}

static cd_reading *reading_of(SEXP holder)
{
    if (TYPEOF(holder) != EXTPTRSXP || R_ExternalPtrTag(holder) != reading_tag()) {
        cdr_stop(CD_EVALUE, "these are no images being read.");
    }
    return R_ExternalPtrAddr(holder);
}

/* Strings as R gave them, in R's transient memory. */
static const char **path_list(SEXP paths)
{
    if (TYPEOF(paths) != STRSXP) {
        cdr_stop(CD_EVALUE, "`paths` must be a character vector.");
    }
    int64_t n = Rf_xlength(paths);
    const char **list = (const char **)R_alloc((size_t)n + 1, sizeof *list);
    for (int64_t i = 0; i < n; i++) {
        list[i] = Rf_translateChar(STRING_ELT(paths, i));
    }
    return list;
}

/* as: integers, a cd_decode_as for each path; page: for all of them, from 1. */
static const cd_picture_request *requests(SEXP paths, SEXP as, SEXP page)
{
    const char **list = path_list(paths);
    const int64_t n = Rf_xlength(paths), which = cdr_int64(page, "page");
    if (which < 1) {
        cdr_stop(CD_EVALUE, "`page` must be at least 1.");
    }
    const int *decode = cdr_integers(as, n, "as");
    cd_picture_request *what = (cd_picture_request *)R_alloc((size_t)n + 1, sizeof *what);
    for (int64_t i = 0; i < n; i++) {
        what[i] = (cd_picture_request){list[i], (cd_decode_as)decode[i], which - 1};
    }
    return what;
}

/* paths: strings; as, page: see requests. Value: a handle for cdr_image_read_take; the files are decoded
 * while R goes on. */
SEXP cdr_image_read_begin(SEXP paths, SEXP as, SEXP page)
{
    cd_error err;
    cd_reading *reading;
    const cd_picture_request *what = requests(paths, as, page);
    SEXP holder = PROTECT(R_MakeExternalPtr(NULL, reading_tag(), R_NilValue));
    R_RegisterCFinalizerEx(holder, stop_reading, FALSE);
    if (cd_reading_begin(&reading, what, Rf_xlength(paths), &err) != CD_OK) {
        cdr_raise(&err);
    }
    R_SetExternalPtrAddr(holder, reading);
    UNPROTECT(1);
    return holder;
}

/* Value: picture i (from 1), an array (pixels.h), once it is decoded. NULL where it has been taken before,
 * and in another session than the one that began. */
SEXP cdr_image_read_take(SEXP holder, SEXP i)
{
    cd_error err;
    cd_reading *reading = reading_of(holder);
    const int64_t at = cdr_int64(i, "i") - 1;
    if (reading == NULL || at < 0 || at >= cd_reading_length(reading) ||
        cd_reading_pixels(reading, at) == NULL) {
        return R_NilValue;
    }
    if (cd_reading_wait(reading, at, &err) != CD_OK) {
        cdr_raise(&err);
    }
    SEXP array = PROTECT(cdr_pixels(cd_reading_pixels(reading, at), cd_reading_image(reading, at)));
    cd_reading_drop(reading, at);
    cdr_warn_notes();
    UNPROTECT(1);
    return array;
}

/* y: row-major, as the picture. Most masks of many are small, so that most of it is zeros. */
static void unite(int *y, const cd_image *image, int number)
{
    const int64_t n = image->height * image->width;
    const uint8_t *bytes = image->pixels;
    const uint16_t *words = image->pixels;
    const int32_t *integers = image->pixels;
    for (int64_t i = 0; i < n; i++) {
        const int value = image->bits == 32 ? integers[i] : image->bits == 16 ? words[i] : bytes[i];
        if (value != 0 && (number > 0 || value > y[i])) {
            y[i] = number > 0 ? number : value;
        }
    }
}

static SEXP matrix_of_rows(const int *rows, int h, int w)
{
    SEXP y = Rf_allocMatrix(INTSXP, h, w);
    for (int i = 0; i < h; i++) {
        for (int j = 0; j < w; j++) {
            INTEGER(y)[(int64_t)j * h + i] = rows[(int64_t)i * w + j];
        }
    }
    return y;
}

/* holder: labels being read, all of one size. Value: an integer matrix; each element is the largest of all
 * files, or, where number is true, the number of the last file that is not 0 there. */
SEXP cdr_image_unite(SEXP holder, SEXP number)
{
    cd_error err;
    cd_reading *reading = reading_of(holder);
    const int numbered = cdr_flag(number, "number");
    if (reading == NULL || cd_reading_length(reading) < 1 || cd_reading_pixels(reading, 0) == NULL) {
        cdr_stop(CD_EVALUE, "there are no masks to unite.");
    }
    const int64_t h = cd_reading_image(reading, 0)->height, w = cd_reading_image(reading, 0)->width;
    int *y = (int *)R_alloc((size_t)(h * w), sizeof *y);
    memset(y, 0, (size_t)(h * w) * sizeof *y);
    for (int64_t i = 0; i < cd_reading_length(reading); i++) {
        cd_image image = *cd_reading_image(reading, i);
        if (image.height != h || image.width != w) {
            cdr_stop(CD_EVALUE, "masks of one image must have one size, but there are %d x %d and %d x %d.",
                     (int)h, (int)w, (int)image.height, (int)image.width);
        }
        if (cd_reading_wait(reading, i, &err) != CD_OK) {
            cdr_raise(&err);
        }
        image.pixels = cd_tensor_data(cd_reading_pixels(reading, i));
        unite(y, &image, numbered ? (int)i + 1 : 0);
        cd_reading_drop(reading, i);
    }
    cdr_warn_notes();
    return matrix_of_rows(y, (int)h, (int)w);
}

/* Value: format's name, then height, width, channels, bits of a sample, what a sample is (cd_sample), whether
 * the last channel is alpha, pages, and the number that means no data or NULL. */
SEXP cdr_image_inspect(SEXP path, SEXP page)
{
    cd_error err;
    cd_image image;
    const char *format;
    const cd_picture_request what = {cdr_string(path, "path"), CD_AS_STORED, cdr_int64(page, "page") - 1};
    if (cd_image_inspect(&image, &format, &what, &err) != CD_OK) {
        cdr_raise(&err);
    }
    SEXP info = PROTECT(Rf_allocVector(VECSXP, 9));
    SET_VECTOR_ELT(info, 0, Rf_mkString(format));
    SET_VECTOR_ELT(info, 1, Rf_ScalarInteger((int)image.height));
    SET_VECTOR_ELT(info, 2, Rf_ScalarInteger((int)image.width));
    SET_VECTOR_ELT(info, 3, Rf_ScalarInteger((int)image.channels));
    SET_VECTOR_ELT(info, 4, Rf_ScalarInteger(image.stored_bits > 0 ? image.stored_bits : image.bits));
    SET_VECTOR_ELT(info, 5, Rf_ScalarInteger((int)image.sample));
    SET_VECTOR_ELT(info, 6, Rf_ScalarLogical(image.alpha));
    SET_VECTOR_ELT(info, 7, Rf_ScalarInteger((int)(image.pages > 0 ? image.pages : 1)));
    SET_VECTOR_ELT(info, 8, image.has_nodata ? Rf_ScalarReal(image.nodata) : R_NilValue);
    UNPROTECT(1);
    return info;
}

/* Value: names of the formats that are read. */
SEXP cdr_image_formats(void)
{
    int n = cd_codec_count();
    SEXP names = PROTECT(Rf_allocVector(STRSXP, n));
    for (int i = 0; i < n; i++) {
        SET_STRING_ELT(names, i, Rf_mkChar(cd_codec_name(i)));
    }
    UNPROTECT(1);
    return names;
}

static void interleave(cd_image *image, const int *x)
{
    int64_t h = image->height, w = image->width, n = image->channels;
    for (int64_t c = 0; c < n; c++) {
        for (int64_t j = 0; j < w; j++) {
            for (int64_t i = 0; i < h; i++, x++) {
                int64_t at = (i * w + j) * n + c;
                if (image->bits == 32) {
                    ((uint32_t *)image->pixels)[at] = (uint32_t)*x;
                } else if (image->bits == 16) {
                    ((uint16_t *)image->pixels)[at] = (uint16_t)*x;
                } else {
                    ((uint8_t *)image->pixels)[at] = (uint8_t)*x;
                }
            }
        }
    }
}

/* values: integers of 0 to 2^bits - 1, for 32 bits 2^31 - 1, H x W x C column-major; dim: those three;
 * options: bits, quality. */
SEXP cdr_image_write(SEXP values, SEXP dim, SEXP path, SEXP options)
{
    cd_error err;
    const int *size = cdr_integers(dim, 3, "dim"), *option = cdr_integers(options, 2, "options");
    cd_image image = {.height = size[0], .width = size[1], .channels = size[2], .bits = option[0]};
    if (size[0] < 1 || size[1] < 1 || size[2] < 1) {
        cdr_stop(CD_EVALUE, "`dim` must hold height, width and channels of at least 1.");
    }
    const int *numbers =
        cdr_integers(values, (R_xlen_t)image.height * image.width * image.channels, "values");
    const char *file = cdr_string(path, "path");
    cd_status status = cd_image_allocate(&image, &err);
    if (status == CD_OK) {
        interleave(&image, numbers);
        status = cd_image_write(file, &image, option[1], &err);
    }
    cd_image_free(&image);
    if (status != CD_OK) {
        cdr_raise(&err);
    }
    return R_NilValue;
}

/* ---- tensors ---- */

/* x: an array of cdr_image_read_take, whose pixels are still bytes; else the value is NULL.
 * Value: float tensor C x H x W; in memory the channels stay fastest, as the image operators like it. */
SEXP cdr_image_tensor(SEXP x)
{
    cd_error err;
    cd_tensor *t = NULL, *bytes = cdr_pixels_bytes(x);
    if (bytes == NULL) {
        return R_NilValue;
    }
    SEXP handle = PROTECT(cdr_handle());
    cd_status status = cd_lazy_image_new(&t, bytes, &err);
    cdr_handle_set_tensor(handle, t, 0, status, &err);
    UNPROTECT(1);
    return handle;
}

/* bytes: uint8 tensor H x W x C, row-major, which nobody changes afterwards. Value: as cdr_image_tensor. */
SEXP cdr_bytes_image(SEXP bytes)
{
    cd_error err;
    cd_tensor *t = NULL;
    SEXP handle = PROTECT(cdr_handle());
    cd_tensor *given = cdr_defined(bytes, "bytes")->value;
    if (given->dtype != CD_UINT8 || given->ndim != 3 || !cd_tensor_is_contiguous(given)) {
        cdr_stop(CD_EVALUE, "`bytes` must be a uint8 tensor height x width x channels.");
    }
    cd_status status = cd_lazy_image_new(&t, given, &err);
    cdr_handle_set_tensor(handle, t, 0, status, &err);
    UNPROTECT(1);
    return handle;
}

/* Value: height, width and bands of a TIFF whose windows cdr_tiff_window() reads, else NULL. */
SEXP cdr_tiff_shape(SEXP path)
{
    cd_tiff_shape shape;
    cd_tiff_describe(cdr_string(path, "path"), &shape);
    if (!shape.direct) {
        return R_NilValue;
    }
    SEXP sizes = PROTECT(Rf_allocVector(REALSXP, 3));
    REAL(sizes)[0] = (double)shape.height;
    REAL(sizes)[1] = (double)shape.width;
    REAL(sizes)[2] = (double)shape.bands;
    UNPROTECT(1);
    return sizes;
}

/* place: doubles, top and left from 0, height, width; bands: doubles from 0; nodata: doubles that become NaN.
 * Value: float tensor bands x height x width. */
SEXP cdr_tiff_window(SEXP path, SEXP place, SEXP bands, SEXP nodata)
{
    cd_error err;
    cd_tensor *t = NULL;
    if (TYPEOF(place) != REALSXP || Rf_length(place) != 4 || TYPEOF(bands) != REALSXP ||
        TYPEOF(nodata) != REALSXP) {
        cdr_stop(CD_EVALUE, "a window is four numbers, and bands and nodata are numbers.");
    }
    const double *at = REAL(place);
    const cd_tiff_window w = {.top = (int64_t)at[0],
                              .left = (int64_t)at[1],
                              .height = (int64_t)at[2],
                              .width = (int64_t)at[3],
                              .bands = REAL(bands),
                              .n_bands = Rf_xlength(bands),
                              .nodata = REAL(nodata),
                              .n_nodata = Rf_xlength(nodata)};
    const int64_t shape[] = {w.n_bands, w.height, w.width};
    const char *file = cdr_string(path, "path");
    SEXP handle = PROTECT(cdr_handle());
    cd_status status = cd_tensor_new(&t, CD_FLOAT32, 3, shape, CD_CONTIGUOUS, &err);
    if (status == CD_OK) {
        status = cd_tiff_read_window(cd_tensor_data(t), file, &w, &err);
    }
    cdr_handle_set_tensor(handle, t, 0, status, &err);
    UNPROTECT(1);
    return handle;
}

static const double *three_numbers(SEXP x, const char *what)
{
    return x == R_NilValue ? NULL : cdr_doubles(x, 3, what);
}

/* Height and width of the pictures of a batch. */
static cd_image_batch form_of(SEXP size)
{
    const double *at = cdr_doubles(size, 2, "size");
    if (!(at[0] >= 1 && at[0] <= INT32_MAX && at[1] >= 1 && at[1] <= INT32_MAX)) {
        cdr_stop(CD_EVALUE, "`size` must be c(height, width), of at least 1.");
    }
    return (cd_image_batch){.height = (int64_t)at[0], .width = (int64_t)at[1]};
}

/* size: two doubles; mean, std: three doubles each or NULL. Value: float tensor N x 3 x H x W. */
SEXP cdr_image_batch(SEXP paths, SEXP size, SEXP mean, SEXP std)
{
    cd_error err;
    cd_tensor *t = NULL;
    const char **list = path_list(paths);
    cd_image_batch form = form_of(size);
    form.mean = three_numbers(mean, "mean");
    form.std = three_numbers(std, "std");
    const int64_t shape[] = {Rf_xlength(paths), 3, form.height, form.width};
    SEXP handle = PROTECT(cdr_handle());
    cd_status status = cd_tensor_new(&t, CD_FLOAT32, 4, shape, CD_CHANNELS_LAST, &err);
    if (status == CD_OK) {
        status = cd_image_read_batch(cd_tensor_data(t), list, shape[0], form, &err);
    }
    cdr_handle_set_tensor(handle, t, 0, status, &err);
    cdr_warn_notes();
    UNPROTECT(1);
    return handle;
}

/* Value: long tensor N x H x W. */
SEXP cdr_labels_batch(SEXP paths, SEXP size)
{
    cd_error err;
    cd_tensor *t = NULL;
    const char **list = path_list(paths);
    const cd_image_batch form = form_of(size);
    const int64_t shape[] = {Rf_xlength(paths), form.height, form.width};
    SEXP handle = PROTECT(cdr_handle());
    cd_status status = cd_tensor_new(&t, CD_INT64, 3, shape, CD_CONTIGUOUS, &err);
    if (status == CD_OK) {
        status = cd_labels_read_batch(cd_tensor_data(t), list, shape[0], form, &err);
    }
    cdr_handle_set_tensor(handle, t, 0, status, &err);
    cdr_warn_notes();
    UNPROTECT(1);
    return handle;
}
