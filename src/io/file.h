/* Files read at any position, with every read checked against the file's size. */
#ifndef CANDELA_IO_FILE_H
#define CANDELA_IO_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"

typedef struct cd_file {
    FILE *stream;
    const char *path; /* borrowed; shown in messages */
    int64_t size;     /* bytes */
} cd_file;

/* Opens path for reading. Errors: CD_EIO. Close with cd_file_close also after an error. */
cd_status cd_file_open(cd_file *f, const char *path, cd_error *err);
void cd_file_close(cd_file *f);

/* Whether there is something at path that is neither a file nor a folder: a pipe, a device. */
bool cd_file_is_special(const char *path);

/* Reads nbytes at position into data. CD_EFORMAT, naming `what`, where the file ends before. */
cd_status cd_file_read(cd_file *f, void *data, int64_t position, int64_t nbytes, const char *what,
                       cd_error *err);

/* CD_EFORMAT with "'path' is damaged: " before the message. */
cd_status cd_file_damaged(const cd_file *f, cd_error *err, const char *format, ...) CD_PRINTF(3, 4);

/* Little-endian numbers in a byte buffer. */
uint16_t cd_little16(const unsigned char *p);
uint32_t cd_little32(const unsigned char *p);
uint64_t cd_little64(const unsigned char *p);

/* Turns n little-endian elements of size bytes into the machine's order, or back. */
void cd_little_swap(void *data, size_t size, int64_t n);

/* A part of a file read from front to back through a buffer. */
#define CD_READER_BUFFER 16384
typedef struct cd_reader {
    cd_file *file;
    int64_t position; /* of the next byte, in the file */
    int64_t end;
    int64_t buffered; /* file position of buffer[0] */
    int64_t filled;   /* bytes in the buffer */
    unsigned char buffer[CD_READER_BUFFER];
} cd_reader;

void cd_reader_init(cd_reader *r, cd_file *f, int64_t begin, int64_t end);

/* The next nbytes into data. Errors: CD_EFORMAT at the end. */
cd_status cd_reader_bytes(cd_reader *r, void *data, int64_t nbytes, cd_error *err);

#endif
