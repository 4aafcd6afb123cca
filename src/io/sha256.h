/* SHA-256 (FIPS 180-4) of files: the checksum that addresses of published weights carry in their names. */
#ifndef CANDELA_IO_SHA256_H
#define CANDELA_IO_SHA256_H

#include <stddef.h>

#include "base/status.h"

#define CD_SHA256_HEX 65 /* 64 hexadecimal digits and a zero */

/* The sum of the file at path as lower-case hexadecimal digits. Errors: CD_EIO, CD_EFORMAT, CD_EALLOC. */
cd_status cd_sha256_file(const char *path, char hex[CD_SHA256_HEX], cd_error *err);

/* The sum of n bytes. */
void cd_sha256_bytes(const void *bytes, size_t n, char hex[CD_SHA256_HEX]);

#endif
