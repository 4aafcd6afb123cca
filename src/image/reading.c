#include "image/reading.h"

#include <stdlib.h>
#include <string.h>

#include "base/background.h"
#include "image/decode.h"

typedef struct entry {
    char *path;
    cd_decode_as as;
    int64_t page;
    cd_image_file file;
    cd_tensor *pixels;
    cd_error err;
} entry;

struct cd_reading {
    int64_t n;
    entry *entries;
    cd_background *decoding;
};

static void open_entry(void *context, int64_t i)
{
    entry *e = &((cd_reading *)context)->entries[i];
    e->err.code = cd_image_file_open(&e->file, &(cd_picture_request){e->path, e->as, e->page}, &e->err);
}

static void decode_entry(void *context, int64_t i)
{
    entry *e = &((cd_reading *)context)->entries[i];
    e->err.code = cd_image_file_decode(&e->file, cd_tensor_data(e->pixels), &e->err);
}

static cd_status open_files(cd_reading *r, cd_error *err)
{
    cd_background *opening;
    CD_TRY(cd_background_new(&opening, r->n, open_entry, r, err));
    cd_background_start(opening);
    cd_status status = CD_OK;
    for (int64_t i = 0; i < r->n && status == CD_OK; i++) {
        status = cd_background_wait(opening, i, err);
        if (status == CD_OK && r->entries[i].err.code != CD_OK) {
            *err = r->entries[i].err;
            status = err->code;
        }
    }
    cd_background_free(opening);
    return status;
}

static cd_status new_pixels(entry *e, cd_error *err)
{
    const cd_image *image = &e->file.image;
    int ndim = e->as == CD_AS_LABELS ? 2 : 3;
    int64_t shape[4] = {image->height, image->width, image->channels};
    shape[ndim] = image->bits / 8;
    return cd_tensor_new(&e->pixels, CD_UINT8, image->bits > 8 ? ndim + 1 : ndim, shape, CD_CONTIGUOUS, err);
}

static cd_status copy_path(char **copy, const char *path, cd_error *err)
{
    size_t n = strlen(path) + 1;
    *copy = malloc(n);
    if (*copy == NULL) {
        return cd_fail(err, CD_EALLOC, "no memory to read images.");
    }
    memcpy(*copy, path, n);
    return CD_OK;
}

static cd_status begin(cd_reading *r, const cd_picture_request *what, cd_error *err)
{
    for (int64_t i = 0; i < r->n; i++) {
        r->entries[i].as = what[i].as;
        r->entries[i].page = what[i].page;
        CD_TRY(copy_path(&r->entries[i].path, what[i].path, err));
    }
    CD_TRY(open_files(r, err));
    for (int64_t i = 0; i < r->n; i++) {
        CD_TRY(new_pixels(&r->entries[i], err));
    }
    return cd_background_new(&r->decoding, r->n, decode_entry, r, err);
}

cd_status cd_reading_begin(cd_reading **reading, const cd_picture_request *what, int64_t n, cd_error *err)
{
    cd_reading *r = calloc(1, sizeof *r);
    entry *entries = calloc(n > 0 ? (size_t)n : 1, sizeof *entries);
    if (r == NULL || entries == NULL) {
        free(entries);
        free(r);
        return cd_fail(err, CD_EALLOC, "no memory to read images.");
    }
    *r = (cd_reading){.n = n, .entries = entries};
    cd_status status = begin(r, what, err);
    if (status != CD_OK) {
        cd_reading_free(r);
        return status;
    }
    cd_background_start(r->decoding);
    *reading = r;
    return CD_OK;
}

cd_status cd_reading_wait(cd_reading *r, int64_t i, cd_error *err)
{
    CD_TRY(cd_background_wait(r->decoding, i, err));
    if (r->entries[i].err.code != CD_OK) {
        *err = r->entries[i].err;
        return err->code;
    }
    return CD_OK;
}

const cd_image *cd_reading_image(const cd_reading *r, int64_t i)
{
    return &r->entries[i].file.image;
}

cd_tensor *cd_reading_pixels(const cd_reading *r, int64_t i)
{
    return r->entries[i].pixels;
}

void cd_reading_drop(cd_reading *r, int64_t i)
{
    entry *e = &r->entries[i];
    cd_image_file_close(&e->file);
    cd_tensor_release(e->pixels);
    e->pixels = NULL;
}

int64_t cd_reading_length(const cd_reading *r)
{
    return r->n;
}

void cd_reading_free(cd_reading *r)
{
    if (r == NULL) {
        return;
    }
    cd_background_free(r->decoding);
    for (int64_t i = 0; i < r->n; i++) {
        cd_reading_drop(r, i);
        free(r->entries[i].path);
    }
    free(r->entries);
    free(r);
}
