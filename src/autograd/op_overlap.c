/* Losses of segmentation that look at every pixel once: sums of overlaps, and the focal loss.
 *
 * inputs: x (N x C x ...), target (classes from 1, the shape of x without C; or labels, the shape of x). */
#include <string.h>

#include "autograd/classes.h"
#include "autograd/dense.h"
#include "kernels/focal.h"
#include "kernels/overlap.h"

enum { INPUT, TARGET };
enum { IGNORE, KIND };

static cd_truth_kind truth_kind(const double *attr)
{
    return (cd_truth_kind)cd_int_attr(attr, KIND);
}

/* x dense, with the truth beside it. */
typedef struct {
    cd_tensor *x;
    cd_truth truth;
    cdk_vectors shape;
} compared;

static void compared_clear(compared *c)
{
    cd_tensor_release(c->x);
    cd_truth_clear(&c->truth);
}

/* Free with compared_clear, also on failure. */
static cd_status compare(compared *c, cd_tensor *x, cd_tensor *target, const double *attr, const char *loss,
                         cd_error *err)
{
    *c = (compared){0};
    CD_TRY(cd_tensor_as(&c->x, x, x->dtype, cd_tensor_preferred_layout(x), err));
    c->shape = cd_vectors_of(c->x, cd_class_dim(c->x));
    return cd_truth_of(&c->truth, c->x, target, truth_kind(attr), cd_int_attr(attr, IGNORE), loss, err);
}

/* ---- overlap: 3 x N x C, sums of p t, of p and of t; p is x, or the softmax of x where LOGITS ---- */

enum { LOGITS = 2 };
enum { SUMS = 3 };

static cd_status overlap_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[INPUT];
    CD_TRY(cd_check_truth(x, call->in[TARGET], truth_kind(call->attr), "overlap loss", err));
    int64_t shape[] = {SUMS, x->shape[0], x->shape[1]};
    return cd_out(call, 0, x->dtype, 3, shape, CD_CONTIGUOUS, err);
}

static cd_status overlap_sums(cd_call *call, const compared *c, cd_error *err)
{
    cd_tensor *sums;
    bool logits = call->attr[LOGITS] != 0;
    void *p = NULL;
    if (cd_tensor_numel(c->x) == 0) {
        return cd_tensor_fill(call->out[0], 0, err);
    }
    if (call->differentiable && logits) {
        CD_TRY(cd_new_like(&call->saved[0], c->x, err));
        p = cd_tensor_data(call->saved[0]);
    }
    CD_TRY(cd_tensor_new(&sums, CD_FLOAT64, 3, call->out[0]->shape, CD_CONTIGUOUS, err));
    cd_status status = cdk_overlap[c->x->dtype](cd_tensor_data(sums), p, cd_tensor_data(c->x), logits,
                                                c->shape, &c->truth.labelled, err);
    if (status == CD_OK) {
        status = cd_tensor_copy(call->out[0], sums, err);
    }
    cd_tensor_release(sums);
    return status;
}

static cd_status overlap_forward(cd_call *call, cd_error *err)
{
    compared c;
    cd_status status = compare(&c, call->in[INPUT], call->in[TARGET], call->attr, "overlap loss", err);
    if (status == CD_OK) {
        status = overlap_sums(call, &c, err);
    }
    compared_clear(&c);
    return status;
}

static cd_status overlap_slopes(cd_gradient *g, const compared *c, cd_error *err)
{
    cd_tensor *dsums;
    CD_TRY(cd_new_like(&g->dx[INPUT], c->x, err));
    if (cd_tensor_numel(c->x) == 0) {
        return CD_OK;
    }
    CD_TRY(cd_tensor_as(&dsums, g->dy[0], CD_FLOAT64, CD_CONTIGUOUS, err));
    cd_status status = cdk_overlap_gradient[c->x->dtype](cd_tensor_data(g->dx[INPUT]), cd_tensor_data(dsums),
                                                         cd_tensor_data(c->x), g->attr[LOGITS] != 0, c->shape,
                                                         &c->truth.labelled, err);
    cd_tensor_release(dsums);
    return status;
}

static cd_status overlap_backward(cd_gradient *g, cd_error *err)
{
    compared c;
    cd_tensor *p = g->saved[0] != NULL ? g->saved[0] : g->in[INPUT];
    cd_status status = compare(&c, p, g->in[TARGET], g->attr, "overlap loss", err);
    if (status == CD_OK) {
        status = overlap_slopes(g, &c, err);
    }
    compared_clear(&c);
    return status;
}

const cd_op cd_op_overlap = {.name = "overlap",
                             .backward_name = "OverlapBackward0",
                             .min_in = 2,
                             .max_in = 2,
                             .min_attr = 3,
                             .max_attr = 3,
                             .n_out = 1,
                             .keeps = CD_KEEP_IN(INPUT) | CD_KEEP_IN(TARGET),
                             .shape = overlap_shape,
                             .forward = overlap_forward,
                             .backward = overlap_backward};

/* ---- focal: like x; or, where SUMMED, 3 x C: by class, the sums of the losses and of their focal terms, and how many
 * elements count ---- */

enum { SUMMED = 2, GAMMA, ALPHA, THRESHOLD, FOCAL_NUMBERS };

static bool is_summed(const double *attr)
{
    return attr[SUMMED] != 0;
}

static cd_status focal_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[INPUT];
    int64_t totals[] = {3, x->ndim > 1 ? x->shape[1] : 1};
    CD_TRY(cd_check_truth(x, call->in[TARGET], truth_kind(call->attr), "focal loss", err));
    if (!is_summed(call->attr)) {
        return cd_out(call, 0, x->dtype, x->ndim, x->shape, cd_tensor_preferred_layout(x), err);
    }
    return cd_out(call, 0, x->dtype, 2, totals, CD_CONTIGUOUS, err);
}

static cdk_focal_options focal_options(const double *attr, const compared *c)
{
    return (cdk_focal_options){c->truth.labelled, attr[GAMMA], attr[ALPHA], attr[THRESHOLD]};
}

static cd_status focal_run(cd_call *call, const compared *c, double *totals, cd_error *err)
{
    cdk_focal_options options = focal_options(call->attr, c);
    void *losses = is_summed(call->attr) ? NULL : cd_tensor_data(call->out[0]);
    if (cd_tensor_numel(c->x) == 0) {
        memset(totals, 0, (size_t)(3 * c->shape.D) * sizeof *totals);
        return CD_OK;
    }
    return cdk_focal[c->x->dtype](totals, losses, cd_tensor_data(c->x), c->shape, &options, err);
}

static cd_status focal_sums(cd_call *call, const compared *c, cd_error *err)
{
    cd_tensor *totals;
    int64_t shape[] = {3, c->shape.D};
    CD_TRY(cd_tensor_new(&totals, CD_FLOAT64, 2, shape, CD_CONTIGUOUS, err));
    cd_status status = focal_run(call, c, cd_tensor_data(totals), err);
    if (status == CD_OK && is_summed(call->attr)) {
        status = cd_tensor_copy(call->out[0], totals, err);
    }
    cd_tensor_release(totals);
    return status;
}

static cd_status focal_forward(cd_call *call, cd_error *err)
{
    compared c;
    cd_status status = compare(&c, call->in[INPUT], call->in[TARGET], call->attr, "focal loss", err);
    if (status == CD_OK) {
        status = focal_sums(call, &c, err);
    }
    compared_clear(&c);
    return status;
}

static cd_status focal_slopes(cd_gradient *g, const compared *c, cd_error *err)
{
    cd_tensor *dy;
    bool summed = is_summed(g->attr);
    cdk_focal_options options = focal_options(g->attr, c);
    CD_TRY(cd_new_like(&g->dx[INPUT], c->x, err));
    if (cd_tensor_numel(c->x) == 0) {
        return CD_OK;
    }
    CD_TRY(summed ? cd_tensor_as(&dy, g->dy[0], CD_FLOAT64, CD_CONTIGUOUS, err)
                  : cd_dense_like(&dy, g->dy[0], c->x, err));
    cd_status status = cdk_focal_gradient[c->x->dtype](
        cd_tensor_data(g->dx[INPUT]), summed ? NULL : cd_tensor_data(dy), summed ? cd_tensor_data(dy) : NULL,
        cd_tensor_data(c->x), c->shape, &options, err);
    cd_tensor_release(dy);
    return status;
}

static cd_status focal_backward(cd_gradient *g, cd_error *err)
{
    compared c;
    cd_status status = compare(&c, g->in[INPUT], g->in[TARGET], g->attr, "focal loss", err);
    if (status == CD_OK) {
        status = focal_slopes(g, &c, err);
    }
    compared_clear(&c);
    return status;
}

const cd_op cd_op_focal = {.name = "focal",
                           .backward_name = "FocalBackward0",
                           .min_in = 2,
                           .max_in = 2,
                           .min_attr = FOCAL_NUMBERS,
                           .max_attr = FOCAL_NUMBERS,
                           .n_out = 1,
                           .keeps = CD_KEEP_IN(INPUT) | CD_KEEP_IN(TARGET),
                           .shape = focal_shape,
                           .forward = focal_forward,
                           .backward = focal_backward};
