#include "image/image.h"

#include <stdlib.h>

size_t cd_image_bytes(const cd_image *image)
{
    return (size_t)image->height * (size_t)image->width * (size_t)image->channels * (size_t)(image->bits / 8);
}

cd_status cd_image_check_size(const cd_image *image, cd_error *err)
{
    int64_t pixel = image->channels * (image->bits / 8);
    if (image->height < 1 || image->width < 1) {
        return cd_fail(err, CD_EVALUE, "an image has at least one pixel, got %lld x %lld.",
                       (long long)image->height, (long long)image->width);
    }
    if (pixel < 1) {
        return cd_fail(err, CD_EVALUE, "an image has channels of 8 bits or more, got %d of %d bits.",
                       (int)image->channels, image->bits);
    }
    if (image->width > CD_IMAGE_MAX_BYTES / pixel / image->height) {
        return cd_fail(err, CD_EVALUE, "the image is too large: %lld x %lld pixels, the limit is %lld bytes.",
                       (long long)image->height, (long long)image->width, (long long)CD_IMAGE_MAX_BYTES);
    }
    return CD_OK;
}

/* What one byte of a file may become, and what any file may. */
#define LARGEST_RATIO 256
#define LEAST_BUDGET ((double)(192 << 20))

cd_status cd_image_check_budget(const cd_image *image, size_t n, cd_error *err)
{
    const bool turned = image->orientation > 1;
    const double needs = (double)cd_image_bytes(image) * (turned ? 2 : 1) + (double)image->working,
                 ratio = LARGEST_RATIO * (double)n,
                 budget = (ratio > LEAST_BUDGET ? ratio : LEAST_BUDGET) * (turned ? 2 : 1);
    if (needs <= budget) {
        return CD_OK;
    }
    return cd_fail(
        err, CD_EFORMAT,
        "claims %lld x %lld pixels, for which %.0f MB would be needed, but has %.0f kB: it is damaged, "
        "or made to exhaust memory.",
        (long long)image->height, (long long)image->width, needs / 1e6, (double)n / 1e3);
}

cd_status cd_image_allocate(cd_image *image, cd_error *err)
{
    image->pixels = NULL;
    CD_TRY(cd_image_check_size(image, err));
    image->pixels = malloc(cd_image_bytes(image));
    if (image->pixels == NULL) {
        return cd_fail(err, CD_EALLOC, "no memory for an image of %lld x %lld pixels.",
                       (long long)image->height, (long long)image->width);
    }
    return CD_OK;
}

void cd_image_free(cd_image *image)
{
    free(image->pixels);
    image->pixels = NULL;
}
