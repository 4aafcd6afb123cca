/* Pictures whose bytes are not floats yet.
 *
 * A picture read from a file is a pending float tensor C x H x W over its bytes, its channels side by side in
 * memory. Resizing, standardising and flipping it give pending pictures over the same bytes, which are
 * computed in one go: by torch_stack() where they belong in the batch, or when somebody asks for their
 * values.
 */
#ifndef CANDELA_AUTOGRAD_PICTURE_H
#define CANDELA_AUTOGRAD_PICTURE_H

#include "tensor/tensor.h"

/* *picture = bytes / 255 as C x H x W; bytes: uint8, H x W x C, row-major, which nobody changes. Pending
 * where postponing is on. Caller owns it. */
cd_status cd_picture_from_bytes(cd_tensor **picture, cd_tensor *bytes, cd_error *err);

/* Is t a picture that waits to be computed? */
bool cd_picture_is_pending(const cd_tensor *t);

/* Bilinear resizing to the size of the result; the rest as in kernels/interpolate.h. */
typedef struct cd_picture_resizing {
    bool align_corners;
    double scale_h, scale_w;
} cd_picture_resizing;

/* These make y, a float32 tensor without storage, pending: x resized, standardised (mean and std: one number
 * for each channel), or flipped along the dimensions d with reversed[d]. They leave y alone where x is not a
 * pending picture of which that can be computed along with the rest: resizing comes first, and each is done
 * once, flipping as often as wanted. */
cd_status cd_picture_resize(cd_tensor *y, const cd_tensor *x, cd_picture_resizing how, cd_error *err);
cd_status cd_picture_standardise(cd_tensor *y, const cd_tensor *x, const double *mean, const double *std,
                                 cd_error *err);
cd_status cd_picture_flip(cd_tensor *y, const cd_tensor *x, const bool *reversed, cd_error *err);

#endif
