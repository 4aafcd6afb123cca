#include "r/pixels.h"

#include <string.h>

#include <R_ext/Altrep.h>

#include "r/glue.h"

static R_altrep_class_t pixels_class, labels_class;

/* data1: external pointer to the tensor of bytes, ..., H x W x C (pixels) or H x W (labels), of 16 or 32 bits
 * with a last dimension of two or four bytes more; what it protects: c(height, width, channels, bits). data2:
 * the numbers once made, else NULL. */

static const int *sizes_of(SEXP x)
{
    return INTEGER(R_ExternalPtrProtected(R_altrep_data1(x)));
}

static cd_image image_of(SEXP x)
{
    const int *size = sizes_of(x);
    cd_tensor *bytes = R_ExternalPtrAddr(R_altrep_data1(x));
    return (cd_image){.height = size[0],
                      .width = size[1],
                      .channels = size[2],
                      .bits = size[3],
                      .pixels = cd_tensor_data(bytes)};
}

/* Of 32 bits: labels, NA where the file has no number. */
static int sample(const cd_image *image, int64_t at)
{
    return image->bits == 32   ? ((const int32_t *)image->pixels)[at]
           : image->bits == 16 ? ((const uint16_t *)image->pixels)[at]
                               : ((const uint8_t *)image->pixels)[at];
}

/* Position in memory of element i of the column-major array. */
static int64_t position(const cd_image *image, int64_t i)
{
    int64_t plane = image->height * image->width, c = i / plane, within = i % plane;
    int64_t row = within % image->height, column = within / image->height;
    return (row * image->width + column) * image->channels + c;
}

static double share(const cd_image *image, int64_t at)
{
    if (image->bits == 32) {
        return ((const float *)image->pixels)[at];
    }
    return sample(image, at) / (image->bits == 16 ? 65535.0 : 255.0);
}

static R_xlen_t pixels_length(SEXP x)
{
    const int *size = sizes_of(x);
    return (R_xlen_t)size[0] * size[1] * size[2];
}

static double pixels_elt(SEXP x, R_xlen_t i)
{
    if (R_altrep_data2(x) != R_NilValue) {
        return REAL(R_altrep_data2(x))[i];
    }
    cd_image image = image_of(x);
    return share(&image, position(&image, i));
}

static int labels_elt(SEXP x, R_xlen_t i)
{
    if (R_altrep_data2(x) != R_NilValue) {
        return INTEGER(R_altrep_data2(x))[i];
    }
    cd_image image = image_of(x);
    return sample(&image, position(&image, i));
}

/* y [width][height] from one channel of the rows of x; columns are read in strips that stay in the cache. */
#define STRIP 16

#define DEFINE_FILL(name, type, value)                                    \
    static void name(type *y, const cd_image *image, int64_t c)           \
    {                                                                     \
        int64_t h = image->height, w = image->width, n = image->channels; \
        for (int64_t strip = 0; strip < w; strip += STRIP) {              \
            int64_t end = strip + STRIP < w ? strip + STRIP : w;          \
            for (int64_t i = 0; i < h; i++) {                             \
                for (int64_t j = strip; j < end; j++) {                   \
                    y[j * h + i] = value(image, (i * w + j) * n + c);     \
                }                                                         \
            }                                                             \
        }                                                                 \
    }

DEFINE_FILL(fill_shares, double, share)
DEFINE_FILL(fill_labels, int, sample)

static void *pixels_dataptr(SEXP x, Rboolean writeable)
{
    (void)writeable;
    if (R_altrep_data2(x) == R_NilValue) {
        SEXP doubles = PROTECT(Rf_allocVector(REALSXP, pixels_length(x)));
        cd_image image = image_of(x);
        for (int64_t c = 0; c < image.channels; c++) {
            fill_shares(REAL(doubles) + c * image.height * image.width, &image, c);
        }
        R_set_altrep_data2(x, doubles);
        UNPROTECT(1);
    }
    return REAL(R_altrep_data2(x));
}

static void *labels_dataptr(SEXP x, Rboolean writeable)
{
    (void)writeable;
    if (R_altrep_data2(x) == R_NilValue) {
        SEXP integers = PROTECT(Rf_allocVector(INTSXP, pixels_length(x)));
        cd_image image = image_of(x);
        fill_labels(INTEGER(integers), &image, 0);
        R_set_altrep_data2(x, integers);
        UNPROTECT(1);
    }
    return INTEGER(R_altrep_data2(x));
}

static const void *numbers_or_null(SEXP x)
{
    SEXP numbers = R_altrep_data2(x);
    return numbers == R_NilValue        ? NULL
           : TYPEOF(numbers) == REALSXP ? (void *)REAL(numbers)
                                        : INTEGER(numbers);
}

void cdr_pixels_init(DllInfo *dll)
{
    pixels_class = R_make_altreal_class("pixels", "candela", dll);
    R_set_altrep_Length_method(pixels_class, pixels_length);
    R_set_altvec_Dataptr_method(pixels_class, pixels_dataptr);
    R_set_altvec_Dataptr_or_null_method(pixels_class, numbers_or_null);
    R_set_altreal_Elt_method(pixels_class, pixels_elt);
    labels_class = R_make_altinteger_class("labels", "candela", dll);
    R_set_altrep_Length_method(labels_class, pixels_length);
    R_set_altvec_Dataptr_method(labels_class, labels_dataptr);
    R_set_altvec_Dataptr_or_null_method(labels_class, numbers_or_null);
    R_set_altinteger_Elt_method(labels_class, labels_elt);
}

static void release_bytes(SEXP holder)
{
    cd_tensor_release(R_ExternalPtrAddr(holder));
    R_ClearExternalPtr(holder);
}

static SEXP four_integers(const cd_image *image)
{
    SEXP size = Rf_allocVector(INTSXP, 4);
    INTEGER(size)[0] = (int)image->height;
    INTEGER(size)[1] = (int)image->width;
    INTEGER(size)[2] = (int)image->channels;
    INTEGER(size)[3] = image->bits;
    return size;
}

SEXP cdr_pixels(cd_tensor *bytes, const cd_image *image)
{
    int ndim = bytes->ndim - (image->bits > 8);
    SEXP holder = PROTECT(R_MakeExternalPtr(NULL, R_NilValue, PROTECT(four_integers(image))));
    R_RegisterCFinalizerEx(holder, release_bytes, FALSE);
    R_SetExternalPtrAddr(holder, cd_tensor_retain(bytes));
    SEXP x = PROTECT(R_new_altrep(ndim == 2 ? labels_class : pixels_class, holder, R_NilValue));
    SEXP dim = PROTECT(Rf_allocVector(INTSXP, ndim));
    memcpy(INTEGER(dim), INTEGER(R_ExternalPtrProtected(holder)), (size_t)ndim * sizeof(int));
    Rf_setAttrib(x, R_DimSymbol, dim);
    UNPROTECT(4);
    return x;
}

static cd_tensor *bytes_of(SEXP x, R_altrep_class_t class, int ndim)
{
    if (!ALTREP(x) || !R_altrep_inherits(x, class) || R_altrep_data2(x) != R_NilValue ||
        sizes_of(x)[3] != 8) {
        return NULL;
    }
    SEXP dim = Rf_getAttrib(x, R_DimSymbol);
    if (TYPEOF(dim) != INTSXP || Rf_length(dim) != ndim ||
        memcmp(INTEGER(dim), sizes_of(x), (size_t)ndim * sizeof(int)) != 0) {
        return NULL;
    }
    return R_ExternalPtrAddr(R_altrep_data1(x));
}

cd_tensor *cdr_pixels_bytes(SEXP x)
{
    return bytes_of(x, pixels_class, 3);
}

cd_tensor *cdr_labels_bytes(SEXP x)
{
    return bytes_of(x, labels_class, 2);
}
