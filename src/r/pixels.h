/* Arrays of doubles over bytes: what reading an image gives to R.
 *
 * To R they are H x W x C arrays of doubles in [0, 1]. Underneath lie the decoded bytes, and the doubles are
 * made only when somebody asks for them (an ALTREP vector), so that the way into a tensor is short.
 */
#ifndef CANDELA_R_PIXELS_H
#define CANDELA_R_PIXELS_H

#define R_NO_REMAP
#include <R_ext/Rdynload.h>
#include <Rinternals.h>

#include "image/image.h"

/* Call once when the library is loaded. */
void cdr_pixels_init(DllInfo *dll);

/* A new array holding a copy of the image's pixels (unprotected). */
SEXP cdr_pixels(const cd_image *image);

/* True, with *image borrowed from x, when x is such an array, with its dimensions and values untouched. */
int cdr_pixels_image(cd_image *image, SEXP x);

#endif
