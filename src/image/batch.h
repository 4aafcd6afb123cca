/* Reading many files at once into one size, several threads at work. The first file (in order) that fails
 * gives the error; interrupts are asked for between groups of files. */
#ifndef CANDELA_IMAGE_BATCH_H
#define CANDELA_IMAGE_BATCH_H

#include <stdint.h>

#include "base/status.h"

/* What the images of a batch become. Corners are not aligned: source = (target + 0.5) in / out - 0.5,
 * clamped; no antialiasing. */
typedef struct cd_image_batch {
    int64_t height, width;
    const double *mean, *std; /* three numbers each; NULL: the values stay in 0 .. 1 */
} cd_image_batch;

/* Reads n images into y, n x height x width x 3 floats:
 *
 *   y[i, h, w, c] = (bilinear(image i / 255)[h, w, c] - mean[c]) / std[c]
 *
 * Errors: as cd_image_file_open and cd_image_file_decode; CD_EINTERRUPT; CD_EALLOC. */
cd_status cd_image_read_batch(float *y, const char *const *paths, int64_t n, cd_image_batch form,
                              cd_error *err);

/* Reads n label images into y, n x height x width, to the nearest:
 *
 *   y[i, h, w] = image i [floor(h in / out), floor(w in / out)] */
cd_status cd_labels_read_batch(int64_t *y, const char *const *paths, int64_t n, cd_image_batch form,
                               cd_error *err);

#endif
