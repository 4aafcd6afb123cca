/* Image files decoded at their own sizes by several threads, while the caller uses those that are ready. */
#ifndef CANDELA_IMAGE_READING_H
#define CANDELA_IMAGE_READING_H

#include <stdint.h>

#include "base/status.h"
#include "image/decode.h"
#include "image/image.h"
#include "tensor/tensor.h"

typedef struct cd_reading cd_reading;

/* Reads n files (what[i], which is copied) and their headers, and begins to decode them in the
 * order given (base/background.h). Errors as in image/decode.h: that of the first file that fails. */
cd_status cd_reading_begin(cd_reading **reading, const cd_picture_request *what, int64_t n, cd_error *err);

/* Returns when picture i is decoded. Errors: as above, where the file is damaged; CD_EINTERRUPT. */
cd_status cd_reading_wait(cd_reading *reading, int64_t i, cd_error *err);

/* Sizes of picture i. */
const cd_image *cd_reading_image(const cd_reading *reading, int64_t i);

/* Pixels of picture i, borrowed: uint8 H x W x C (labels: H x W), with a last dimension of 2 or 4 more where
 * a sample has 16 or 32 bits. Their values are there after cd_reading_wait. NULL once dropped. */
cd_tensor *cd_reading_pixels(const cd_reading *reading, int64_t i);

/* Releases what is kept of picture i, which has been waited for. */
void cd_reading_drop(cd_reading *reading, int64_t i);

/* Number of files. */
int64_t cd_reading_length(const cd_reading *reading);

/* Stops decoding. NULL is allowed. */
void cd_reading_free(cd_reading *reading);

#endif
