/* The table of codecs (codecs.def), and what messages say of it. */
#ifndef CANDELA_IMAGE_CODECS_H
#define CANDELA_IMAGE_CODECS_H

#include "image/codec.h"

/* The codec for a file that begins with these bytes; NULL: there is none. */
const cd_codec *cd_codec_for_bytes(const uint8_t *bytes, size_t n);

/* The codec that the end of a file's name asks for, in either case, and that end in *extension (unless NULL).
 * NULL, and *extension unchanged: there is none. */
const cd_codec *cd_codec_for_path(const char *path, const char **extension);

/* The name of a format that begins with these bytes and has no codec; NULL: it is not known. */
const char *cd_codec_foreign(const uint8_t *bytes, size_t n);

/* Number of codecs, and the name of codec i. */
int cd_codec_count(void);
const char *cd_codec_name(int i);

/* "JPEG and PNG": what can be read. */
#define CD_CODEC_TEXT 128
const char *cd_codec_readable(char text[CD_CODEC_TEXT]);

/* ".jpg, .jpeg or .png": names of files that can be written. */
const char *cd_codec_writable(char text[CD_CODEC_TEXT]);

#endif
