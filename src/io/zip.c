#include "io/zip.h"

#include <stdlib.h>
#include <string.h>

#define END_SIGNATURE 0x06054b50u
#define END64_SIGNATURE 0x06064b50u
#define LOCATOR64_SIGNATURE 0x07064b50u
#define ENTRY_SIGNATURE 0x02014b50u
#define LOCAL_SIGNATURE 0x04034b50u
#define END_SIZE 22
#define LONGEST_COMMENT 65535
#define ENTRY_SIZE 46
#define LOCAL_SIZE 30

typedef struct {
    int64_t position, size, count;
} directory;

/* ---- checksum ---- */

static uint32_t crc_table[8][256];

static void crc_prepare(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) {
            c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
        }
        crc_table[0][i] = c;
    }
    for (int t = 1; t < 8; t++) {
        for (int i = 0; i < 256; i++) {
            crc_table[t][i] = crc_table[0][crc_table[t - 1][i] & 255] ^ crc_table[t - 1][i] >> 8;
        }
    }
}

/* Eight bytes at a time through eight tables. */
static uint32_t crc32_of(const unsigned char *p, int64_t n)
{
    uint32_t c = 0xffffffffu;
    if (crc_table[0][1] == 0) {
        crc_prepare();
    }
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t low = cd_little32(p) ^ c, high = cd_little32(p + 4);
        c = crc_table[7][low & 255] ^ crc_table[6][low >> 8 & 255] ^ crc_table[5][low >> 16 & 255] ^
            crc_table[4][low >> 24] ^ crc_table[3][high & 255] ^ crc_table[2][high >> 8 & 255] ^
            crc_table[1][high >> 16 & 255] ^ crc_table[0][high >> 24];
    }
    for (; n > 0; n--, p++) {
        c = crc_table[0][(c ^ *p) & 255] ^ c >> 8;
    }
    return ~c;
}

/* ---- table of contents ---- */

static cd_status find_end(cd_file *f, unsigned char *end, int64_t *position, cd_error *err)
{
    int64_t window = f->size < END_SIZE + LONGEST_COMMENT ? f->size : END_SIZE + LONGEST_COMMENT;
    unsigned char *tail = malloc((size_t)window + 1);
    if (tail == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate %lld bytes.", (long long)window);
    }
    cd_status status = cd_file_read(f, tail, f->size - window, window, "the table of contents", err);
    *position = -1;
    for (int64_t i = window - END_SIZE; status == CD_OK && i >= 0 && *position < 0; i--) {
        if (cd_little32(tail + i) == END_SIGNATURE) {
            *position = f->size - window + i;
            memcpy(end, tail + i, END_SIZE);
        }
    }
    free(tail);
    if (status == CD_OK && *position < 0) {
        return cd_file_damaged(f, err, "the table of contents at its end is missing; the file is cut short.");
    }
    return status;
}

static cd_status directory64(directory *d, cd_file *f, int64_t end, cd_error *err)
{
    unsigned char locator[20], record[56];
    CD_TRY(cd_file_read(f, locator, end - 20, 20, "the table of contents", err));
    if (cd_little32(locator) != LOCATOR64_SIGNATURE) {
        return cd_file_damaged(f, err, "the long table of contents is missing.");
    }
    uint64_t at = cd_little64(locator + 8);
    CD_TRY(cd_file_read(f, record, at > INT64_MAX ? -1 : (int64_t)at, 56, "the table of contents", err));
    if (cd_little32(record) != END64_SIGNATURE) {
        return cd_file_damaged(f, err, "the long table of contents is missing.");
    }
    d->count = (int64_t)(cd_little64(record + 32) & INT64_MAX);
    d->size = (int64_t)(cd_little64(record + 40) & INT64_MAX);
    d->position = (int64_t)(cd_little64(record + 48) & INT64_MAX);
    return CD_OK;
}

static cd_status find_directory(directory *d, cd_file *f, cd_error *err)
{
    unsigned char end[END_SIZE];
    int64_t position = 0;
    CD_TRY(find_end(f, end, &position, err));
    d->count = cd_little16(end + 10);
    d->size = cd_little32(end + 12);
    d->position = cd_little32(end + 16);
    if (d->count == 0xffff || d->size == 0xffffffff || d->position == 0xffffffff) {
        CD_TRY(directory64(d, f, position, err));
    }
    if (d->position > f->size || d->size > f->size - d->position || d->count > d->size / ENTRY_SIZE) {
        return cd_file_damaged(f, err, "the table of contents lies beyond its end.");
    }
    return CD_OK;
}

/* The ZIP64 extra field holds, in this order, those of size, compressed size and
 * position that are all ones. */
static void read_extra64(cd_zip_entry *e, int64_t *compressed, const unsigned char *extra, int64_t length)
{
    int64_t *field[3] = {&e->size, compressed, &e->header};
    while (length >= 4) {
        int64_t bytes = cd_little16(extra + 2);
        const unsigned char *value = extra + 4;
        const unsigned char *stop = value + (bytes < length - 4 ? bytes : length - 4);
        for (int i = 0; cd_little16(extra) == 1 && i < 3; i++) {
            if (*field[i] == 0xffffffff && stop - value >= 8) {
                *field[i] = (int64_t)(cd_little64(value) & INT64_MAX);
                value += 8;
            }
        }
        length -= 4 + bytes;
        extra += 4 + bytes;
    }
}

static cd_status check_method(const cd_file *f, const cd_zip_entry *e, const unsigned char *p,
                              int64_t compressed, cd_error *err)
{
    if (cd_little16(p + 8) & 1) {
        return cd_fail(err, CD_EFORMAT, "'%s': entry '%.100s' is encrypted.", f->path, e->name);
    }
    if (cd_little16(p + 10) != 0) {
        return cd_fail(
            err, CD_EFORMAT,
            "'%s': entry '%.100s' is compressed, which torch.save() never does. Unpack the archive and pack "
            "it again without compression (zip -0).",
            f->path, e->name);
    }
    if (compressed != e->size) {
        return cd_file_damaged(f, err, "entry '%.100s' has two different sizes.", e->name);
    }
    return CD_OK;
}

/* Parses the entry at p (left bytes remain); *used is its length. */
static cd_status read_entry(cd_zip_entry *e, const cd_file *f, const unsigned char *p, int64_t left,
                            int64_t *used, cd_error *err)
{
    if (left < ENTRY_SIZE || cd_little32(p) != ENTRY_SIGNATURE) {
        return cd_file_damaged(f, err, "its table of contents is damaged.");
    }
    int64_t name = cd_little16(p + 28), extra = cd_little16(p + 30), comment = cd_little16(p + 32);
    *used = ENTRY_SIZE + name + extra + comment;
    if (*used > left) {
        return cd_file_damaged(f, err, "its table of contents is damaged.");
    }
    int64_t compressed = cd_little32(p + 20);
    e->size = cd_little32(p + 24);
    e->header = cd_little32(p + 42);
    e->crc = cd_little32(p + 16);
    e->data = -1;
    e->name = malloc((size_t)name + 1);
    if (e->name == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate a name.");
    }
    memcpy(e->name, p + ENTRY_SIZE, (size_t)name);
    e->name[name] = '\0';
    read_extra64(e, &compressed, p + ENTRY_SIZE + name, extra);
    return check_method(f, e, p, compressed, err);
}

static cd_status read_entries(cd_zip *z, const directory *d, const unsigned char *table, cd_error *err)
{
    int64_t at = 0;
    for (int64_t i = 0; i < d->count; i++) {
        int64_t used = 0;
        z->count = i + 1;
        CD_TRY(read_entry(&z->entry[i], z->file, table + at, d->size - at, &used, err));
        at += used;
    }
    return CD_OK;
}

cd_status cd_zip_open(cd_zip *z, cd_file *f, cd_error *err)
{
    directory d = {0, 0, 0};
    z->file = f;
    z->entry = NULL;
    z->count = 0;
    CD_TRY(find_directory(&d, f, err));
    unsigned char *table = malloc((size_t)d.size + 1);
    z->entry = calloc((size_t)d.count + 1, sizeof *z->entry);
    cd_status status = table != NULL && z->entry != NULL
                           ? cd_file_read(f, table, d.position, d.size, "the table of contents", err)
                           : cd_fail(err, CD_EALLOC, "cannot allocate %lld bytes.", (long long)d.size);
    if (status == CD_OK) {
        status = read_entries(z, &d, table, err);
    }
    free(table);
    return status;
}

void cd_zip_free(cd_zip *z)
{
    for (int64_t i = 0; i < z->count; i++) {
        free(z->entry[i].name);
    }
    free(z->entry);
    z->entry = NULL;
    z->count = 0;
}

cd_zip_entry *cd_zip_find(cd_zip *z, const char *name)
{
    for (int64_t i = 0; i < z->count; i++) {
        const char *slash = strchr(z->entry[i].name, '/');
        if (slash != NULL && strcmp(slash + 1, name) == 0) {
            return &z->entry[i];
        }
    }
    return NULL;
}

cd_status cd_zip_locate(cd_zip *z, cd_zip_entry *entry, cd_error *err)
{
    unsigned char local[LOCAL_SIZE];
    CD_TRY(cd_file_read(z->file, local, entry->header, LOCAL_SIZE, entry->name, err));
    if (cd_little32(local) != LOCAL_SIGNATURE) {
        return cd_file_damaged(z->file, err, "entry '%.100s' is not where the table of contents says.",
                               entry->name);
    }
    entry->data = entry->header + LOCAL_SIZE + cd_little16(local + 26) + cd_little16(local + 28);
    if (entry->data > z->file->size || entry->size > z->file->size - entry->data) {
        return cd_file_damaged(z->file, err, "entry '%.100s' lies beyond its end.", entry->name);
    }
    return CD_OK;
}

cd_status cd_zip_read(cd_zip *z, cd_zip_entry *entry, void *data, cd_error *err)
{
    CD_TRY(cd_zip_locate(z, entry, err));
    CD_TRY(cd_file_read(z->file, data, entry->data, entry->size, entry->name, err));
    if (entry->crc != 0 && crc32_of(data, entry->size) != entry->crc) {
        return cd_file_damaged(z->file, err, "the checksum of entry '%.100s' is wrong.", entry->name);
    }
    return CD_OK;
}
