/* The readers of files without R: says what is in each file that is named, so that two machines can be compared, or is
 * the target of a fuzzer.
 *
 *     read-files FILE...     a line for each thing found; "refused" and why, where a file cannot be read
 *
 * Compiled with -DFUZZ and clang's -fsanitize=fuzzer: the reader that READER names (safetensors, checkpoint, json,
 * image, rgb, labels), on bytes that the fuzzer makes. */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/parallel.h"
#include "image/decode.h"
#include "io/checkpoint.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "tensor/elements.h"

/* Values walked, of files that name one list in many places. */
#define MOST_STEPS 200000

typedef struct walk {
    FILE *out; /* NULL: says nothing */
    int64_t steps;
} walk;

static void say_tensor(walk *w, cd_tensor *t)
{
    double sum = 0;
    const int64_t n = cd_tensor_numel(t);
    for (int64_t i = 0; i < n && i < MOST_STEPS; i++) {
        sum += cd_tensor_get(t, i) * (double)(i % 97 + 1);
    }
    if (w->out != NULL) {
        fprintf(w->out, "tensor %s", cd_dtype_name(t->dtype));
        for (int d = 0; d < t->ndim; d++) {
            fprintf(w->out, " %lld", (long long)t->shape[d]);
        }
        fprintf(w->out, ": %.17g\n", sum);
    }
}

static void say_value(walk *w, const cd_value *v, int depth)
{
    if (v == NULL || depth > 100 || ++w->steps > MOST_STEPS) {
        return;
    }
    if (v->kind == CD_VALUE_TENSOR && v->tensor != NULL) {
        say_tensor(w, v->tensor);
    } else if (w->out != NULL) {
        fprintf(w->out, "%d %lld %.17g %s\n", (int)v->kind, (long long)v->integer, v->real,
                v->kind == CD_VALUE_STRING ? v->text : "");
    }
    for (int64_t i = 0; i < v->count; i++) {
        say_value(w, v->item[i], depth + 1);
    }
}

typedef cd_status read_document(cd_document *d, const char *path, cd_error *err);

static cd_status say_document(walk *w, read_document *read, const char *path, cd_error *err)
{
    cd_document d;
    cd_document_init(&d);
    const cd_status status = read(&d, path, err);
    if (status == CD_OK) {
        say_value(w, d.root, 0);
    }
    cd_document_free(&d);
    return status;
}

static double sample_at(const cd_image *image, int64_t i)
{
    return image->bits == 8    ? ((const uint8_t *)image->pixels)[i]
           : image->bits == 16 ? ((const uint16_t *)image->pixels)[i]
                               : (double)((const float *)image->pixels)[i];
}

static void say_pixels(walk *w, const cd_image *image, cd_decode_as as)
{
    double sum = 0;
    const int64_t n = image->height * image->width * image->channels;
    for (int64_t i = 0; i < n; i++) {
        sum += (as == CD_AS_LABELS && image->bits == 32 ? ((const int32_t *)image->pixels)[i]
                                                        : sample_at(image, i)) *
               (double)(i % 97 + 1);
    }
    if (w->out != NULL) {
        fprintf(w->out, "image %lld x %lld x %lld, %d bits, page of %lld: %.17g\n", (long long)image->height,
                (long long)image->width, (long long)image->channels, image->bits, (long long)image->pages,
                sum);
    }
}

static cd_status say_image(walk *w, const char *path, cd_decode_as as, cd_error *err)
{
    cd_image_file file;
    CD_TRY(cd_image_file_open(&file, &(cd_picture_request){path, as, 0}, err));
    void *pixels = malloc(cd_image_bytes(&file.image) + 1);
    const cd_status status = pixels != NULL ? cd_image_file_decode(&file, pixels, err)
                                            : cd_fail(err, CD_EALLOC, "no memory for the pixels.");
    if (status == CD_OK) {
        cd_image image = file.image;
        image.pixels = pixels;
        say_pixels(w, &image, as);
    }
    free(pixels);
    cd_image_file_close(&file);
    return status;
}

#ifdef FUZZ

static cd_status say_json(const uint8_t *bytes, size_t n, cd_error *err)
{
    cd_document d;
    cd_value *v = NULL;
    cd_document_init(&d);
    cd_document_limit(&d, (int64_t)n);
    const cd_status status = cd_json_read(&v, &d, (const char *)bytes, (int64_t)n, "text", err);
    cd_document_free(&d);
    return status;
}

static char path[64];

static void remove_file(void)
{
    remove(path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    snprintf(path, sizeof path, "/dev/shm/read-files-%ld", (long)getpid());
    atexit(remove_file);
    cd_set_threads(1);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const char *reader = getenv("READER");
    walk w = {NULL, 0};
    cd_error err;
    if (reader == NULL || strcmp(reader, "json") == 0) {
        say_json(bytes, n, &err);
        return 0;
    }
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        return 0;
    }
    fwrite(bytes, 1, n, file);
    fclose(file);
    if (strcmp(reader, "safetensors") == 0) {
        say_document(&w, cd_safetensors_read, path, &err);
    } else if (strcmp(reader, "checkpoint") == 0) {
        say_document(&w, cd_checkpoint_read, path, &err);
    } else {
        say_image(&w, path,
                  strcmp(reader, "labels") == 0 ? CD_AS_LABELS
                  : strcmp(reader, "rgb") == 0  ? CD_AS_RGB
                                                : CD_AS_STORED,
                  &err);
    }
    return 0;
}

#else

static int ends_in(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static cd_status say_file(walk *w, const char *path, cd_error *err)
{
    if (ends_in(path, ".safetensors")) {
        return say_document(w, cd_safetensors_read, path, err);
    }
    return ends_in(path, ".pth") ? say_document(w, cd_checkpoint_read, path, err)
                                 : say_image(w, path, CD_AS_STORED, err);
}

int main(int argc, char **argv)
{
    walk w = {stdout, 0};
    for (int i = 1; i < argc; i++) {
        cd_error err;
        const char *name = strrchr(argv[i], '/');
        printf("== %s\n", name != NULL ? name + 1 : argv[i]);
        w.steps = 0;
        if (say_file(&w, argv[i], &err) != CD_OK) {
            printf("refused: %s\n", err.message);
        }
    }
    return 0;
}

#endif
