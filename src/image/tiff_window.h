/* Parts of TIFF files of any size, of which the rest is not read. */
#ifndef CANDELA_IMAGE_TIFF_WINDOW_H
#define CANDELA_IMAGE_TIFF_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

typedef struct cd_tiff_shape {
    int64_t height, width, bands;
    bool direct; /* whether cd_tiff_read_window() reads it well */
} cd_tiff_shape;

/* What the first picture of the file is. Direct are upright pictures of grey values, RGB or bands, with
 * samples of 8, 16 or 32 bits or floats, in tiles, or in strips that are not compressed: others would be
 * decoded again and again. A file that is no TIFF, and any where the package was built without libtiff, has
 * direct = false; never an error. */
void cd_tiff_describe(const char *path, cd_tiff_shape *shape);

typedef struct cd_tiff_window {
    int64_t top, left, height, width; /* from 0 */
    const double *bands;              /* [n_bands], from 0 */
    int64_t n_bands;
    const double *nodata; /* [n_nodata], numbers that become NaN */
    int64_t n_nodata;
} cd_tiff_window;

/* out: [n_bands, height, width], the numbers as they are stored. Errors: CD_EVALUE (the window lies outside,
 * or the file is not direct), CD_EIO (it is damaged or gone), CD_EALLOC, CD_EINTERRUPT. */
cd_status cd_tiff_read_window(float *out, const char *path, const cd_tiff_window *w, cd_error *err);

#endif
