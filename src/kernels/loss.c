#include "kernels/loss.h"

#include <stddef.h>

#include "base/memory.h"
#include "base/parallel.h"

#define PIECE 16384

static int64_t piece_count(int64_t n)
{
    return (n + PIECE - 1) / PIECE;
}

static int64_t piece_end(int64_t piece, int64_t n)
{
    return (piece + 1) * PIECE < n ? (piece + 1) * PIECE : n;
}

/* ---- classes ---- */

typedef struct {
    const cdk_classes *classes;
    double *weights; /* of each piece, the sum of the weights of the classes in it */
    int64_t *wrong;  /* of each piece, how many are out of bounds */
} class_work;

static void check_piece(const class_work *w, int64_t piece)
{
    const cdk_classes *k = w->classes;
    int64_t begin = piece * PIECE, end = piece_end(piece, k->n), counted = 0, wrong = 0;
    double weights = 0;
    for (int64_t i = begin; i < end; i++) {
        int64_t counts = k->target[i] != k->ignore;
        counted += counts;
        wrong += counts & ((k->target[i] < 1) | (k->target[i] > k->C));
    }
    for (int64_t i = begin; i < end && k->weight != NULL && wrong == 0; i++) {
        weights += k->target[i] != k->ignore ? k->weight[k->target[i] - 1] : 0;
    }
    w->weights[piece] = k->weight != NULL ? weights : (double)counted;
    w->wrong[piece] = wrong;
}

static void check_pieces(void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    for (int64_t piece = begin; piece < end; piece++) {
        check_piece(context, piece);
    }
}

static cd_status wrong_class(const cdk_classes *k, cd_error *err)
{
    int64_t i = 0;
    while (k->target[i] == k->ignore || (k->target[i] >= 1 && k->target[i] <= k->C)) {
        i++;
    }
    if (k->target[i] == 0) {
        return cd_fail(
            err, CD_EINDEX,
            "Indexing starts at 1 but found a 0. %s: classes of a target count from 1. For a mask of 0 and "
            "1 add 1; for one of 0 and 255 divide by 255 first; pixels that do not count are %lld.",
            k->loss, (long long)k->ignore);
    }
    return cd_fail(err, CD_EINDEX,
                   "%s: target class %lld is out of bounds for %lld class%s. Classes count from 1 to %lld%s.",
                   k->loss, (long long)k->target[i], (long long)k->C, k->C == 1 ? "" : "es", (long long)k->C,
                   k->C == 1 ? "; one channel of logits goes with targets of 0 and 1 and a binary loss" : "");
}

cd_status cdk_classes_weight(double *total, const cdk_classes *classes, cd_error *err)
{
    int64_t pieces = piece_count(classes->n), wrong = 0;
    void *block;
    CD_TRY(cd_memory_alloc(&block, (size_t)pieces * (sizeof(double) + sizeof(int64_t)), err));
    class_work w = {.classes = classes, .weights = block};
    w.wrong = (int64_t *)(w.weights + pieces);
    cd_parallel_for(pieces, 4, check_pieces, &w);
    *total = 0;
    for (int64_t i = 0; i < pieces; i++) {
        *total += w.weights[i];
        wrong += w.wrong[i];
    }
    cd_memory_free(block);
    return wrong == 0 ? CD_OK : wrong_class(classes, err);
}

#define DEFINE_LABELS_CHECK(name, T)                                                                    \
    static cd_status name(const void *labels, int64_t n, int64_t ignore, bool hard, const char *loss,   \
                          cd_error *err)                                                                \
    {                                                                                                   \
        const T *t = labels;                                                                            \
        for (int64_t i = 0; i < n; i++) {                                                               \
            bool fine = t[i] == 0 || t[i] == 1 || t[i] == (T)ignore || (!hard && t[i] > 0 && t[i] < 1); \
            if (!fine) {                                                                                \
                return cd_fail(                                                                         \
                    err, CD_EVALUE,                                                                     \
                    "%s: labels are 0 or 1, but found %g. Targets with classes from 1 are for mode = "  \
                    "\"multiclass\"; pixels that do not count are %lld.",                               \
                    loss, (double)t[i], (long long)ignore);                                             \
            }                                                                                           \
        }                                                                                               \
        return CD_OK;                                                                                   \
    }

DEFINE_LABELS_CHECK(labels_check_f32, float)
DEFINE_LABELS_CHECK(labels_check_f64, double)

cdk_labels_check_run *const cdk_labels_check[CD_DTYPES] = CDK_FLOATS(labels_check);
