/* From decoded pixels to the network's numbers. Any thread may call these. */
#ifndef CANDELA_IMAGE_RESAMPLE_H
#define CANDELA_IMAGE_RESAMPLE_H

#include "image/image.h"

/* y[h, w, c] = (bilinear(image / 255)[h, w, c] - mean[c]) / std[c] for an 8-bit image of 3 channels; y is
 * height x width x 3, channels fastest. Corners are not aligned: source = (target + 0.5) in / out - 0.5,
 * clamped; no antialiasing. mean and std may be NULL. Errors: CD_EALLOC. */
cd_status cd_image_resize_rgb(float *y, const cd_image *image, int64_t height, int64_t width,
                              const float *mean, const float *std, cd_error *err);

/* y[h, w] = image[floor(h in / out), floor(w in / out)] for an image of one channel. Errors: CD_EALLOC. */
cd_status cd_image_resize_labels(int64_t *y, const cd_image *image, int64_t height, int64_t width,
                                 cd_error *err);

#endif
