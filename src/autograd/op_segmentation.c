/* What losses and metrics of segmentation need besides sums of overlaps: the Lovasz extension, distances in
 * pictures, confusion matrices. */
#include "autograd/classes.h"
#include "autograd/dense.h"
#include "kernels/confusion.h"
#include "kernels/distance.h"
#include "kernels/loss.h"
#include "kernels/lovasz.h"

enum { INPUT, TARGET };

/* ---- lovasz: losses and numbers of true elements, both G x C for classes, G for labels. The slope of the losses is
 * kept. ---- */

enum { IGNORE, KIND, PER_IMAGE, LOVASZ_NUMBERS };

static cd_truth_kind truth_kind(const double *attr)
{
    return (cd_truth_kind)cd_int_attr(attr, KIND);
}

static int64_t group_count(const cd_tensor *x, const double *attr)
{
    return attr[PER_IMAGE] != 0 ? x->shape[0] : 1;
}

static cd_status lovasz_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[INPUT];
    CD_TRY(cd_check_truth(x, call->in[TARGET], truth_kind(call->attr), "Lovasz loss", err));
    int64_t shape[] = {group_count(x, call->attr), x->shape[1]};
    int ndim = truth_kind(call->attr) == CD_CLASSES ? 2 : 1;
    CD_TRY(cd_out(call, 0, x->dtype, ndim, shape, CD_CONTIGUOUS, err));
    return cd_out(call, 1, x->dtype, ndim, shape, CD_CONTIGUOUS, err);
}

/* both: float64, the losses and the numbers of true elements. */
static cd_status lovasz_run(cd_call *call, cd_tensor *const both[2], const cd_tensor *x,
                            const cd_truth *truth, cd_error *err)
{
    cdk_vectors shape = cd_vectors_of(x, cd_class_dim(x));
    CD_TRY(cd_new_like(&call->saved[0], x, err));
    if (cd_tensor_numel(x) == 0) {
        CD_TRY(cd_tensor_fill(both[0], 0, err));
        CD_TRY(cd_tensor_fill(both[1], 0, err));
    } else {
        CD_TRY(cdk_lovasz[x->dtype](cd_tensor_data(both[0]), cd_tensor_data(both[1]),
                                    cd_tensor_data(call->saved[0]), cd_tensor_data(x), shape,
                                    &truth->labelled, group_count(x, call->attr), err));
    }
    CD_TRY(cd_tensor_copy(call->out[0], both[0], err));
    return cd_tensor_copy(call->out[1], both[1], err);
}

static cd_status lovasz_of(cd_call *call, const cd_tensor *x, const cd_truth *truth, cd_error *err)
{
    cd_tensor *both[2] = {NULL, NULL};
    const cd_tensor *out = call->out[0];
    cd_status status = cd_tensor_new(&both[0], CD_FLOAT64, out->ndim, out->shape, CD_CONTIGUOUS, err);
    if (status == CD_OK) {
        status = cd_tensor_new(&both[1], CD_FLOAT64, out->ndim, out->shape, CD_CONTIGUOUS, err);
    }
    if (status == CD_OK) {
        status = lovasz_run(call, both, x, truth, err);
    }
    cd_tensor_release(both[0]);
    cd_tensor_release(both[1]);
    return status;
}

static cd_status lovasz_forward(cd_call *call, cd_error *err)
{
    cd_tensor *x, *given = call->in[INPUT];
    cd_truth truth;
    CD_TRY(cd_tensor_as(&x, given, given->dtype, cd_tensor_preferred_layout(given), err));
    cd_status status = cd_truth_of(&truth, x, call->in[TARGET], truth_kind(call->attr),
                                   cd_int_attr(call->attr, IGNORE), "Lovasz loss", err);
    if (status == CD_OK) {
        status = lovasz_of(call, x, &truth, err);
    }
    cd_truth_clear(&truth);
    cd_tensor_release(x);
    return status;
}

static cd_status lovasz_backward(cd_gradient *g, cd_error *err)
{
    cd_tensor *dloss;
    const cd_tensor *slope = g->saved[0];
    if (g->dy[0] == NULL) {
        return CD_OK;
    }
    CD_TRY(cd_new_like(&g->dx[INPUT], slope, err));
    if (cd_tensor_numel(slope) == 0) {
        return CD_OK;
    }
    CD_TRY(cd_tensor_as(&dloss, g->dy[0], CD_FLOAT64, CD_CONTIGUOUS, err));
    cdk_lovasz_gradient[slope->dtype](cd_tensor_data(g->dx[INPUT]), cd_tensor_data(slope),
                                      cd_tensor_data(dloss), cd_vectors_of(slope, cd_class_dim(slope)),
                                      truth_kind(g->attr) == CD_CLASSES, group_count(slope, g->attr));
    cd_tensor_release(dloss);
    return CD_OK;
}

const cd_op cd_op_lovasz = {.name = "lovasz",
                            .backward_name = "LovaszBackward0",
                            .min_in = 2,
                            .max_in = 2,
                            .min_attr = LOVASZ_NUMBERS,
                            .max_attr = LOVASZ_NUMBERS,
                            .n_out = 2,
                            .shape = lovasz_shape,
                            .forward = lovasz_forward,
                            .backward = lovasz_backward};

/* ---- distance: from each pixel of ... x H x W to the nearest that is not 0, float32 ---- */

static cd_status distance_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[INPUT];
    if (x->ndim < 2) {
        return cd_fail(err, CD_ESHAPE, "distances are for pictures, ... x H x W.");
    }
    return cd_out(call, 0, CD_FLOAT32, x->ndim, x->shape, CD_CONTIGUOUS, err);
}

static cd_status distance_forward(cd_call *call, cd_error *err)
{
    cd_tensor *mask;
    const cd_tensor *out = call->out[0];
    if (cd_tensor_numel(out) == 0) {
        return CD_OK;
    }
    int64_t H = out->shape[out->ndim - 2], W = out->shape[out->ndim - 1];
    CD_TRY(cd_tensor_as(&mask, call->in[INPUT], CD_BOOL, CD_CONTIGUOUS, err));
    cd_status status =
        cdk_distance(cd_tensor_data(out), cd_tensor_data(mask), cd_tensor_numel(out) / (H * W), H, W, err);
    cd_tensor_release(mask);
    return status;
}

const cd_op cd_op_distance = {.name = "distance",
                              .min_in = 1,
                              .max_in = 1,
                              .n_out = 1,
                              .shape = distance_shape,
                              .forward = distance_forward};

/* ---- confusion: N x K x K counts of true and predicted classes, both N x ... ---- */

enum { CONFUSION_IGNORE, CLASSES, CONFUSION_NUMBERS };

static cd_status confusion_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *predicted = call->in[INPUT], *truth = call->in[TARGET];
    if (!cd_dtype_is_integer(predicted->dtype) || !cd_dtype_is_integer(truth->dtype)) {
        return cd_fail(err, CD_EDTYPE, "confusion matrix: expected integers, got %s and %s.",
                       cd_dtype_name(predicted->dtype), cd_dtype_name(truth->dtype));
    }
    if (predicted->ndim < 1 || !cd_tensor_same_shape(predicted, truth)) {
        char got[CD_SHAPE_TEXT], want[CD_SHAPE_TEXT];
        return cd_fail(err, CD_ESHAPE, "confusion matrix: the target has size %s, the predictions %s.",
                       cd_shape_text(got, truth->ndim, truth->shape),
                       cd_shape_text(want, predicted->ndim, predicted->shape));
    }
    int64_t K = cd_int_attr(call->attr, CLASSES), shape[] = {predicted->shape[0], K, K};
    return cd_out(call, 0, CD_INT64, 3, shape, CD_CONTIGUOUS, err);
}

static cd_status check_classes(const cd_tensor *t, int64_t K, int64_t ignore, const char *what, cd_error *err)
{
    double total;
    cdk_classes classes = {
        .target = cd_tensor_data(t), .n = cd_tensor_numel(t), .C = K, .ignore = ignore, .loss = what};
    return cdk_classes_weight(&total, &classes, err);
}

static cd_status confusion_count(cd_call *call, const cd_tensor *predicted, const cd_tensor *truth,
                                 cd_error *err)
{
    cdk_confusion_shape shape = {.n = truth->shape[0],
                                 .K = cd_int_attr(call->attr, CLASSES),
                                 .ignore = cd_int_attr(call->attr, CONFUSION_IGNORE)};
    if (cd_tensor_numel(truth) == 0) {
        return cd_tensor_fill(call->out[0], 0, err);
    }
    shape.each = cd_tensor_numel(truth) / shape.n;
    CD_TRY(check_classes(truth, shape.K, shape.ignore, "metric", err));
    CD_TRY(check_classes(predicted, shape.K, INT64_MIN, "metric of predicted classes", err));
    cdk_confusion(cd_tensor_data(call->out[0]), cd_tensor_data(predicted), cd_tensor_data(truth), shape);
    return CD_OK;
}

static cd_status confusion_forward(cd_call *call, cd_error *err)
{
    cd_tensor *predicted, *truth;
    CD_TRY(cd_tensor_as(&predicted, call->in[INPUT], CD_INT64, CD_CONTIGUOUS, err));
    cd_status status = cd_tensor_as(&truth, call->in[TARGET], CD_INT64, CD_CONTIGUOUS, err);
    if (status == CD_OK) {
        status = confusion_count(call, predicted, truth, err);
        cd_tensor_release(truth);
    }
    cd_tensor_release(predicted);
    return status;
}

const cd_op cd_op_confusion = {.name = "confusion",
                               .min_in = 2,
                               .max_in = 2,
                               .min_attr = CONFUSION_NUMBERS,
                               .max_attr = CONFUSION_NUMBERS,
                               .n_out = 1,
                               .shape = confusion_shape,
                               .forward = confusion_forward};
