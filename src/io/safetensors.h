/* The safetensors format: 8 bytes header length (little-endian), JSON header, raw little-endian elements. */
#ifndef CANDELA_IO_SAFETENSORS_H
#define CANDELA_IO_SAFETENSORS_H

#include "io/value.h"

/* Reads the file into d. The root is a list of two dictionaries: name -> tensor in the order of the header,
 * and the texts of its __metadata__. Errors: CD_EIO, CD_EFORMAT, CD_EALLOC, CD_EINTERRUPT. */
cd_status cd_safetensors_read(cd_document *d, const char *path, cd_error *err);

/* Writes n named tensors and n_meta pairs of texts (key, value, key, value). Elements of larger size come
 * first in the file, so that all are aligned; the header keeps the caller's order. Texts are UTF-8. Errors:
 * CD_EIO, CD_EALLOC, CD_EINTERRUPT; the file may then be incomplete. */
cd_status cd_safetensors_write(const char *path, int64_t n, const char *const *name, cd_tensor *const *tensor,
                               int64_t n_meta, const char *const *meta, cd_error *err);

#endif
