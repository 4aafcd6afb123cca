/* Counts of what was predicted where something is true. */
#ifndef CANDELA_KERNELS_CONFUSION_H
#define CANDELA_KERNELS_CONFUSION_H

#include <stdint.h>

/* n images of `each` pixels with classes from 1 to K; those whose truth is `ignore` do not count. */
typedef struct cdk_confusion_shape {
    int64_t n, each, K, ignore;
} cdk_confusion_shape;

/* counts[n][K][K]: pixels of class k that were predicted as l, at [k - 1][l - 1]. Classes are in range. */
void cdk_confusion(int64_t *counts, const int64_t *predicted, const int64_t *truth,
                   cdk_confusion_shape shape);

#endif
