#define _XOPEN_SOURCE 700
#define _FILE_OFFSET_BITS 64
#include "io/file.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#ifdef _WIN32
#define seek _fseeki64
#define tell _ftelli64
#else
#define seek fseeko
#define tell ftello
#endif

bool cd_file_is_special(const char *path)
{
    struct stat found;
    if (stat(path, &found) != 0) {
        return false;
    }
    const unsigned kind = (unsigned)found.st_mode & S_IFMT;
    return kind != S_IFREG && kind != S_IFDIR;
}

cd_status cd_file_open(cd_file *f, const char *path, cd_error *err)
{
    f->path = path;
    f->size = 0;
    f->stream = fopen(path, "rb");
    if (f->stream == NULL) {
        return cd_fail(err, CD_EIO, "cannot open '%s': %s.", path, strerror(errno));
    }
    if (seek(f->stream, 0, SEEK_END) == 0) {
        f->size = (int64_t)tell(f->stream);
    }
    /* A directory opens on some systems, with an absurd size. */
    if (f->size < 0 || f->size == INT64_MAX) {
        return cd_fail(err, CD_EIO, "cannot read '%s': is it a file?", path);
    }
    return CD_OK;
}

void cd_file_close(cd_file *f)
{
    if (f->stream != NULL) {
        fclose(f->stream);
        f->stream = NULL;
    }
}

cd_status cd_file_read(cd_file *f, void *data, int64_t position, int64_t nbytes, const char *what,
                       cd_error *err)
{
    if (position < 0 || nbytes < 0 || position > f->size || nbytes > f->size - position) {
        return cd_file_damaged(f, err,
                               "%s lies beyond its end (%lld bytes); the file is cut short or corrupt.", what,
                               (long long)f->size);
    }
    if (nbytes == 0) {
        return CD_OK;
    }
    if (seek(f->stream, position, SEEK_SET) != 0 ||
        fread(data, 1, (size_t)nbytes, f->stream) != (size_t)nbytes) {
        return cd_fail(err, CD_EIO, "cannot read %s from '%s'.", what, f->path);
    }
    return CD_OK;
}

cd_status cd_file_damaged(const cd_file *f, cd_error *err, const char *format, ...)
{
    char text[CD_ERROR_LENGTH / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return cd_fail(err, CD_EFORMAT, "'%s' is damaged or of another kind: %s", f->path, text);
}

uint16_t cd_little16(const unsigned char *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t cd_little32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint64_t cd_little64(const unsigned char *p)
{
    return (uint64_t)cd_little32(p) | (uint64_t)cd_little32(p + 4) << 32;
}

static int is_little_endian(void)
{
    const uint16_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    return first == 1;
}

void cd_little_swap(void *data, size_t size, int64_t n)
{
    unsigned char *p = data;
    if (size == 1 || is_little_endian()) {
        return;
    }
    for (int64_t i = 0; i < n; i++, p += size) {
        for (size_t k = 0; k < size / 2; k++) {
            unsigned char swapped = p[k];
            p[k] = p[size - 1 - k];
            p[size - 1 - k] = swapped;
        }
    }
}

void cd_reader_init(cd_reader *r, cd_file *f, int64_t begin, int64_t end)
{
    r->file = f;
    r->position = begin;
    r->end = end;
    r->buffered = begin;
    r->filled = 0;
}

static cd_status refill(cd_reader *r, cd_error *err)
{
    int64_t left = r->end - r->position;
    r->buffered = r->position;
    r->filled = 0;
    int64_t n = left < CD_READER_BUFFER ? left : CD_READER_BUFFER;
    CD_TRY(cd_file_read(r->file, r->buffer, r->position, n, "the description of its contents", err));
    r->filled = n;
    return CD_OK;
}

cd_status cd_reader_bytes(cd_reader *r, void *data, int64_t nbytes, cd_error *err)
{
    unsigned char *out = data;
    if (nbytes < 0 || nbytes > r->end - r->position) {
        return cd_file_damaged(r->file, err, "the description of its contents breaks off at byte %lld.",
                               (long long)r->position);
    }
    while (nbytes > 0) {
        int64_t available = r->buffered + r->filled - r->position;
        if (available <= 0) {
            CD_TRY(refill(r, err));
            continue;
        }
        int64_t n = available < nbytes ? available : nbytes;
        memcpy(out, r->buffer + (r->position - r->buffered), (size_t)n);
        out += n;
        nbytes -= n;
        r->position += n;
    }
    return CD_OK;
}
