#include "r/pixels.h"

#include <string.h>

#include <R_ext/Altrep.h>

static R_altrep_class_t pixels_class;

/* data1: list(raw, c(height, width, channels, bits)); data2: the doubles once made, else NULL. */
static void borrow_image(cd_image *image, SEXP x)
{
    SEXP state = R_altrep_data1(x);
    const int *size = INTEGER(VECTOR_ELT(state, 1));
    image->height = size[0];
    image->width = size[1];
    image->channels = size[2];
    image->bits = size[3];
    image->pixels = RAW(VECTOR_ELT(state, 0));
}

static double pixel_value(const cd_image *image, int64_t at)
{
    return image->bits == 16 ? ((const uint16_t *)image->pixels)[at] / 65535.0
                             : ((const uint8_t *)image->pixels)[at] / 255.0;
}

static R_xlen_t pixels_length(SEXP x)
{
    const int *size = INTEGER(VECTOR_ELT(R_altrep_data1(x), 1));
    return (R_xlen_t)size[0] * size[1] * size[2];
}

static double pixels_elt(SEXP x, R_xlen_t i)
{
    cd_image image;
    if (R_altrep_data2(x) != R_NilValue) {
        return REAL(R_altrep_data2(x))[i];
    }
    borrow_image(&image, x);
    int64_t plane = image.height * image.width, c = i / plane, within = i % plane;
    int64_t row = within % image.height, column = within / image.height;
    return pixel_value(&image, (row * image.width + column) * image.channels + c);
}

static void fill_doubles(double *y, const cd_image *image)
{
    for (int64_t c = 0; c < image->channels; c++) {
        for (int64_t j = 0; j < image->width; j++) {
            for (int64_t i = 0; i < image->height; i++) {
                *y++ = pixel_value(image, (i * image->width + j) * image->channels + c);
            }
        }
    }
}

static void *pixels_dataptr(SEXP x, Rboolean writeable)
{
    (void)writeable;
    if (R_altrep_data2(x) == R_NilValue) {
        cd_image image;
        SEXP doubles = PROTECT(Rf_allocVector(REALSXP, pixels_length(x)));
        borrow_image(&image, x);
        fill_doubles(REAL(doubles), &image);
        R_set_altrep_data2(x, doubles);
        UNPROTECT(1);
    }
    return REAL(R_altrep_data2(x));
}

static const void *pixels_dataptr_or_null(SEXP x)
{
    return R_altrep_data2(x) == R_NilValue ? NULL : REAL(R_altrep_data2(x));
}

void cdr_pixels_init(DllInfo *dll)
{
    pixels_class = R_make_altreal_class("pixels", "candela", dll);
    R_set_altrep_Length_method(pixels_class, pixels_length);
    R_set_altvec_Dataptr_method(pixels_class, pixels_dataptr);
    R_set_altvec_Dataptr_or_null_method(pixels_class, pixels_dataptr_or_null);
    R_set_altreal_Elt_method(pixels_class, pixels_elt);
}

SEXP cdr_pixels(const cd_image *image)
{
    SEXP state = PROTECT(Rf_allocVector(VECSXP, 2));
    SEXP bytes = Rf_allocVector(RAWSXP, (R_xlen_t)cd_image_bytes(image));
    SET_VECTOR_ELT(state, 0, bytes);
    memcpy(RAW(bytes), image->pixels, cd_image_bytes(image));
    SEXP size = Rf_allocVector(INTSXP, 4);
    SET_VECTOR_ELT(state, 1, size);
    INTEGER(size)[0] = (int)image->height;
    INTEGER(size)[1] = (int)image->width;
    INTEGER(size)[2] = (int)image->channels;
    INTEGER(size)[3] = image->bits;
    SEXP x = PROTECT(R_new_altrep(pixels_class, state, R_NilValue));
    SEXP dim = PROTECT(Rf_allocVector(INTSXP, 3));
    memcpy(INTEGER(dim), INTEGER(size), 3 * sizeof(int));
    Rf_setAttrib(x, R_DimSymbol, dim);
    UNPROTECT(3);
    return x;
}

int cdr_pixels_image(cd_image *image, SEXP x)
{
    if (!ALTREP(x) || !R_altrep_inherits(x, pixels_class) || R_altrep_data2(x) != R_NilValue) {
        return 0;
    }
    borrow_image(image, x);
    SEXP dim = Rf_getAttrib(x, R_DimSymbol);
    return TYPEOF(dim) == INTSXP && Rf_length(dim) == 3 && INTEGER(dim)[0] == image->height &&
           INTEGER(dim)[1] == image->width && INTEGER(dim)[2] == image->channels;
}
