/* Pictures whose bytes are not floats yet.
 *
 * A picture read from a file is a pending float tensor C x H x W over its bytes. Resizing reads the bytes;
 * for anything else they become floats. */
#ifndef CANDELA_AUTOGRAD_PIXELS_H
#define CANDELA_AUTOGRAD_PIXELS_H

#include "tensor/tensor.h"

/* *picture = bytes / 255 as C x H x W, the channels of a pixel side by side; bytes: uint8, H x W x C,
 * row-major, which nobody changes. Pending where postponing is on. Caller owns it. */
cd_status cd_picture_from_bytes(cd_tensor **picture, cd_tensor *bytes, cd_error *err);

/* The bytes (borrowed) of a picture that is pending, else NULL. */
const cd_tensor *cd_picture_bytes(const cd_tensor *t);

#endif
