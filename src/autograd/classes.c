#include "autograd/classes.h"

#include "autograd/dense.h"
#include "kernels/loss.h"

int cd_class_dim(const cd_tensor *x)
{
    return x->ndim > 1 ? 1 : 0;
}

cdk_vectors cd_vectors_of(const cd_tensor *t, int dim)
{
    cdk_vectors v = {1, t->ndim > 0 ? t->shape[dim] : 1, 1};
    for (int i = 0; i < t->ndim; i++) {
        if (i < dim) {
            v.outer *= t->shape[i];
        } else if (i > dim) {
            v.inner *= t->shape[i];
        }
    }
    if (dim == 1 && cd_dense_layout(t) == CD_CHANNELS_LAST) {
        v.outer *= v.inner;
        v.inner = 1;
    }
    return v;
}

static cd_status expected(const char *loss, int ndim, const int64_t *shape, const cd_tensor *x,
                          const cd_tensor *target, cd_error *err)
{
    char got[CD_SHAPE_TEXT], want[CD_SHAPE_TEXT], input[CD_SHAPE_TEXT];
    return cd_fail(err, CD_ESHAPE, "%s: expected a target of size %s for input of size %s, got size %s.",
                   loss, cd_shape_text(want, ndim, shape), cd_shape_text(input, x->ndim, x->shape),
                   cd_shape_text(got, target->ndim, target->shape));
}

cd_status cd_check_class_target(int64_t *shape, const cd_tensor *x, const cd_tensor *target, const char *loss,
                                cd_error *err)
{
    int n = 0;
    if (!cd_dtype_is_integer(target->dtype)) {
        return cd_fail(err, CD_EDTYPE, "%s: expected a Long target, got %s.", loss,
                       cd_dtype_name(target->dtype));
    }
    for (int i = 0; i < x->ndim; i++) {
        if (i != cd_class_dim(x)) {
            shape[n++] = x->shape[i];
        }
    }
    bool fits = target->ndim == n;
    for (int i = 0; i < n && fits; i++) {
        fits = target->shape[i] == shape[i];
    }
    return fits ? CD_OK : expected(loss, n, shape, x, target, err);
}

cd_status cd_check_truth(const cd_tensor *x, const cd_tensor *target, cd_truth_kind kind, const char *loss,
                         cd_error *err)
{
    int64_t shape[CD_MAX_DIMS];
    CD_TRY(cd_check_float(x, loss, err));
    if (x->ndim < 2) {
        char input[CD_SHAPE_TEXT];
        return cd_fail(err, CD_ESHAPE,
                       "%s: the input must have at least two dimensions, N x C, but has size %s.", loss,
                       cd_shape_text(input, x->ndim, x->shape));
    }
    if (kind == CD_CLASSES) {
        return cd_check_class_target(shape, x, target, loss, err);
    }
    return cd_tensor_same_shape(x, target) ? CD_OK : expected(loss, x->ndim, x->shape, x, target, err);
}

static cd_status classes_of(cd_truth *truth, const cd_tensor *x, cd_tensor *target, const char *loss,
                            cd_error *err)
{
    double total;
    CD_TRY(cd_tensor_as(&truth->target, target, CD_INT64, CD_CONTIGUOUS, err));
    truth->labelled.target = cd_tensor_data(truth->target);
    cdk_classes classes = {.target = truth->labelled.target,
                           .n = cd_tensor_numel(truth->target),
                           .C = x->shape[cd_class_dim(x)],
                           .ignore = truth->labelled.ignore,
                           .loss = loss};
    return cdk_classes_weight(&total, &classes, err);
}

cd_status cd_truth_of(cd_truth *truth, const cd_tensor *x, cd_tensor *target, cd_truth_kind kind,
                      int64_t ignore, const char *loss, cd_error *err)
{
    *truth = (cd_truth){.labelled = {.images = x->shape[0], .ignore = ignore}};
    if (kind == CD_CLASSES) {
        return classes_of(truth, x, target, loss, err);
    }
    CD_TRY(cd_dense_like(&truth->target, target, x, err));
    truth->labelled.labels = cd_tensor_data(truth->target);
    return cdk_labels_check[x->dtype](truth->labelled.labels, cd_tensor_numel(x), ignore,
                                      kind == CD_HARD_LABELS, loss, err);
}

void cd_truth_clear(cd_truth *truth)
{
    cd_tensor_release(truth->target);
    truth->target = NULL;
}
