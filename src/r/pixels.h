/* R arrays over bytes: what reading images and labels gives to R.
 *
 * To R they are H x W x C arrays of doubles in [0, 1] and H x W matrices of integers. Underneath lie the
 * decoded bytes, in a tensor, and the numbers are made only when somebody asks for them (ALTREP vectors), so
 * that the way into a tensor is short.
 */
#ifndef CANDELA_R_PIXELS_H
#define CANDELA_R_PIXELS_H

#define R_NO_REMAP
#include <R_ext/Rdynload.h>
#include <Rinternals.h>

#include "image/image.h"
#include "tensor/tensor.h"

/* Call once when the library is loaded. */
void cdr_pixels_init(DllInfo *dll);

/* A new array (unprotected) over the bytes of a decoded picture of these sizes (image/reading.h), which it
 * retains: a matrix of labels where they have no dimension of channels. */
SEXP cdr_pixels(cd_tensor *bytes, const cd_image *image);

/* The bytes of such an array whose dimensions and values are untouched, else NULL; borrowed. Shape H x W x C
 * (labels: H x W), uint8; pixels of 16 bits give NULL. */
cd_tensor *cdr_pixels_bytes(SEXP x);
cd_tensor *cdr_labels_bytes(SEXP x);

#endif
