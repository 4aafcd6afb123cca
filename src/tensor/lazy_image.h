/* Images read from a file whose bytes are not floats yet.
 *
 * Such an image is a lazy float tensor C x H x W over its bytes, its channels side by side in memory.
 * Resizing, normalising and flipping it give lazy images over the same bytes, which are computed in one go:
 * by torch_stack() where they belong in the batch, or when somebody asks for their values.
 */
#ifndef CANDELA_TENSOR_LAZY_IMAGE_H
#define CANDELA_TENSOR_LAZY_IMAGE_H

#include "tensor/tensor.h"

/* *image = bytes / 255 as C x H x W; bytes: uint8, H x W x C, row-major, which nobody changes. Lazy where
 * deferring is on. Caller owns it. */
cd_status cd_lazy_image_new(cd_tensor **image, cd_tensor *bytes, cd_error *err);

bool cd_is_lazy_image(const cd_tensor *t);

/* Bilinear resizing to the size of the result; the rest as in kernels/interpolate.h. */
typedef struct cd_lazy_resizing {
    bool align_corners;
    double scale_h, scale_w;
} cd_lazy_resizing;

/* These make y, a float32 tensor without storage, lazy: x resized, normalised (mean and std: one number for
 * each channel), or flipped along the dimensions d with reversed[d]. They leave y alone where x is not a lazy
 * image of which that can be computed along with the rest: resizing comes first, and each is done once,
 * flipping as often as wanted. */
cd_status cd_lazy_image_resize(cd_tensor *y, const cd_tensor *x, cd_lazy_resizing how, cd_error *err);
cd_status cd_lazy_image_normalise(cd_tensor *y, const cd_tensor *x, const double *mean, const double *std,
                                  cd_error *err);
cd_status cd_lazy_image_flip(cd_tensor *y, const cd_tensor *x, const bool *reversed, cd_error *err);

#endif
