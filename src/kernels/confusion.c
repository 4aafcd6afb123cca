#include "kernels/confusion.h"

#include <string.h>

#include "base/parallel.h"

typedef struct {
    int64_t *counts;
    const int64_t *predicted, *truth;
    cdk_confusion_shape shape;
} confusion_work;

static void count_images(void *context, int64_t begin, int64_t end, int thread)
{
    const confusion_work *w = context;
    int64_t K = w->shape.K, each = w->shape.each;
    (void)thread;
    for (int64_t image = begin; image < end; image++) {
        int64_t *counts = w->counts + image * K * K;
        memset(counts, 0, (size_t)(K * K) * sizeof *counts);
        for (int64_t i = image * each; i < (image + 1) * each; i++) {
            if (w->truth[i] != w->shape.ignore) {
                counts[(w->truth[i] - 1) * K + w->predicted[i] - 1]++;
            }
        }
    }
}

void cdk_confusion(int64_t *counts, const int64_t *predicted, const int64_t *truth, cdk_confusion_shape shape)
{
    confusion_work w = {counts, predicted, truth, shape};
    cd_parallel_for(shape.n, 1, count_images, &w);
}
