/* Reading many files at once into one size, several threads at work. The first file (in order) that fails
 * gives the error; interrupts are asked for between groups of files. */
#ifndef CANDELA_IMAGE_BATCH_H
#define CANDELA_IMAGE_BATCH_H

#include <stdint.h>

#include "base/status.h"

/* Reads n images into y: n x height x width x 3 floats, resized and normalised as cd_image_resize_rgb does.
 */
cd_status cd_image_read_batch(float *y, const char *const *paths, int64_t n, int64_t height, int64_t width,
                              const float *mean, const float *std, cd_error *err);

/* Reads n label images into y: n x height x width. */
cd_status cd_labels_read_batch(int64_t *y, const char *const *paths, int64_t n, int64_t height, int64_t width,
                               cd_error *err);

#endif
