/* Zip archives as torch.save writes them: entries stored without compression, also beyond 4 GB (ZIP64). */
#ifndef CANDELA_IO_ZIP_H
#define CANDELA_IO_ZIP_H

#include "io/file.h"

typedef struct cd_zip_entry {
    char *name;     /* owned */
    int64_t header; /* file position of its local header */
    int64_t size;   /* bytes */
    int64_t data;   /* file position of its contents, -1 before cd_zip_locate */
    uint32_t crc;   /* 0: not recorded */
} cd_zip_entry;

typedef struct cd_zip {
    cd_file *file;
    cd_zip_entry *entry;
    int64_t count;
} cd_zip;

/* Reads the table of contents; z is to be freed with cd_zip_free in any case. Errors: CD_EFORMAT (damaged,
 * compressed or encrypted), CD_EIO, CD_EALLOC. */
cd_status cd_zip_open(cd_zip *z, cd_file *f, cd_error *err);
void cd_zip_free(cd_zip *z);

/* The entry called <anything without a slash>/<name>, or NULL. */
cd_zip_entry *cd_zip_find(cd_zip *z, const char *name);

/* Finds where the contents lie. */
cd_status cd_zip_locate(cd_zip *z, cd_zip_entry *entry, cd_error *err);

/* Reads the contents into data (entry->size bytes) and compares the checksum where there is one. */
cd_status cd_zip_read(cd_zip *z, cd_zip_entry *entry, void *data, cd_error *err);

#endif
