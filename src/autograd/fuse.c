#include "autograd/fuse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/channels.h"
#include "autograd/dense.h"
#include "autograd/join.h"
#include "autograd/positions.h"
#include "autograd/recording.h"
#include "autograd/table.h"
#include "base/memory.h"
#include "kernels/interpolate.h"
#include "kernels/mask.h"
#include "tensor/elements.h"
#include "tensor/kept.h"
#include "tensor/lazy.h"
#include "tensor/lazy_bytes.h"
#include "tensor/lazy_image.h"

static const cdk_epilogue as_it_is = {.activation = CDK_ACTIVATION_NONE};

/* ---- what is deferred: convolutions and batch norms ---- */

/* The sources of a deferred convolution; SCALE and SHIFT are what is done to its input first, or NULL. A
 * deferred batch norm has X, SCALE and SHIFT. */
enum { X, WEIGHT, BIAS, SCALE, SHIFT, SOURCES };

/* The affine image of the input that a deferred convolution reads, or NULL. Its activation is the last
 * attribute, behind those of the operator. */
static const cdk_affine *input_of(cdk_affine *affine, const cd_lazy *lazy)
{
    if (lazy->source[SCALE] == NULL) {
        return NULL;
    }
    *affine = (cdk_affine){cd_tensor_data(lazy->source[SCALE]), cd_tensor_data(lazy->source[SHIFT]),
                           (cdk_activation)lazy->attr[lazy->n_attr - 1]};
    return affine;
}

/* y, which has storage, by the convolution `op` that was deferred, and what `with` asks for besides. */
static cd_status convolve(bool *done, const cd_op *op, cd_tensor *y, const cd_lazy *lazy,
                          const cd_fused *with, cd_error *err)
{
    cdk_affine affine;
    cd_fused all = *with;
    cd_call call = {.op = op,
                    .n_in = SCALE,
                    .in = lazy->source,
                    .n_attr = lazy->n_attr - 1,
                    .attr = lazy->attr,
                    .out = {y}};
    all.before = input_of(&affine, lazy);
    return op->fused(done, &call, &all, err);
}

static cd_status convolve_deferred(const cd_op *op, cd_tensor *y, const cd_lazy *lazy, const cd_fused *with,
                                   cd_error *err)
{
    bool done;
    CD_TRY(convolve(&done, op, y, lazy, with, err));
    return done ? CD_OK : cd_fail(err, CD_EINTERNAL, "%s cannot do what it was deferred for.", op->name);
}

static cd_status compute_conv2d(cd_tensor *y, const cd_lazy *lazy, const cdk_epilogue *end, cd_error *err)
{
    const cd_fused with = {.after = *end};
    return convolve_deferred(&cd_op_conv2d, y, lazy, &with, err);
}

static cd_status compute_conv_transpose2d(cd_tensor *y, const cd_lazy *lazy, const cdk_epilogue *end,
                                          cd_error *err)
{
    const cd_fused with = {.after = *end};
    return convolve_deferred(&cd_op_conv_transpose2d, y, lazy, &with, err);
}

static cd_status compute_batch_norm(cd_tensor *y, const cd_lazy *lazy, const cdk_epilogue *end, cd_error *err)
{
    return cd_channel_affine(y, lazy->source[X], cd_tensor_data(lazy->source[SCALE]),
                             cd_tensor_data(lazy->source[SHIFT]), end, err);
}

/* ---- producers, as the table asks for them ---- */

static bool is_anything(const cd_tensor *x)
{
    return x != NULL;
}

static bool is_lazy(const cd_tensor *x)
{
    return x->lazy != NULL;
}

static bool is_conv2d(const cd_tensor *x)
{
    return cd_lazy_result(x, compute_conv2d) != NULL;
}

static bool is_batch_norm(const cd_tensor *x)
{
    return x->lazy != NULL && x->lazy->compute == compute_batch_norm && !x->lazy->used;
}

/* ---- anything lazy, then a rectifier ---- */

/* The activation of a rectifier, and between what its gradient is not 0: 0 and `high`. */
typedef struct rectifier {
    const cd_op *op;
    cdk_activation activation;
    float high;
} rectifier;

static const rectifier rectifiers[] = {
    {&cd_op_relu, CDK_ACTIVATION_RELU, INFINITY},
    {&cd_op_relu6, CDK_ACTIVATION_RELU6, 6},
};

/* NULL where op is none. */
static const rectifier *rectifier_of(const cd_op *op)
{
    for (size_t i = 0; i < sizeof rectifiers / sizeof rectifiers[0]; i++) {
        if (rectifiers[i].op == op) {
            return &rectifiers[i];
        }
    }
    return NULL;
}

/* y, which has storage, becomes the rectified result of `lazy`; the mask that backward will read is made on
 * the way. */
static cd_status rectify(cd_call *call, const rectifier *r, cd_tensor *y, const cd_lazy *lazy, cd_error *err)
{
    cdk_epilogue end = {r->activation, NULL, r->high};
    cd_tensor **mask = &call->saved[CD_RECTIFIER_MASK];
    int64_t bytes = cdk_mask_bytes(cd_tensor_numel(y));
    CD_TRY(cd_tensor_new(mask, CD_UINT8, 1, &bytes, CD_CONTIGUOUS, err));
    end.mask = cd_tensor_data(*mask);
    return cd_lazy_fill(y, lazy, &end, err);
}

/* Without a gradient, which would need the mask, the activation is deferred too. */
static cd_status activation_behind(bool *done, cd_call *call, cd_error *err)
{
    const rectifier *r = rectifier_of(call->op);
    const cd_lazy *lazy = call->in[0]->lazy;
    *done = true;
    if (!call->differentiable) {
        return cd_tensor_defer_activation(call->out[0], lazy, r->activation, err);
    }
    CD_TRY(cd_tensor_allocate(call->out[0], err));
    return rectify(call, r, call->out[0], lazy, err);
}

/* The same with the result in the place of what was lazy. */
static cd_status rectify_in_place(cd_call *call, const rectifier *r, cd_tensor *t, cd_error *err)
{
    if (!call->differentiable) {
        cd_lazy_add_activation(t, r->activation);
        return CD_OK;
    }
    CD_TRY(cd_tensor_allocate(t, err));
    const cd_status status = rectify(call, r, t, t->lazy, err);
    if (status != CD_OK) {
        cd_tensor_drop_storage(t);
        return status;
    }
    cd_lazy_discard(t);
    call->out[0] = cd_tensor_retain(t);
    t->storage->version++;
    return CD_OK;
}

cd_status cd_fuse_in_place(bool *done, cd_call *call, cd_tensor *target, cd_error *err)
{
    const rectifier *r = rectifier_of(call->op);
    *done = r != NULL && call->in[0] == target && target->lazy != NULL && cd_deferring();
    return *done ? rectify_in_place(call, r, target, err) : CD_OK;
}

/* ---- batch norm, then a convolution ---- */

/* `before`: what is done to the input, or NULL. */
static cd_status defer_reading(cd_call *call, cd_tensor *x, const cd_lazy *before, cd_error *err)
{
    const bool transposed = call->op == &cd_op_conv_transpose2d;
    cd_tensor *source[SOURCES] = {[X] = x, [WEIGHT] = call->in[WEIGHT]};
    double attr[CD_LAZY_ATTRS];
    source[BIAS] = call->n_in > BIAS ? call->in[BIAS] : NULL;
    memcpy(attr, call->attr, (size_t)call->n_attr * sizeof *attr);
    attr[call->n_attr] = before != NULL ? before->activation : CDK_ACTIVATION_NONE;
    if (before != NULL) {
        source[SCALE] = before->source[SCALE];
        source[SHIFT] = before->source[SHIFT];
    }
    return cd_tensor_defer(call->out[0], transposed ? compute_conv_transpose2d : compute_conv2d, SOURCES,
                           source, call->n_attr + 1, attr, err);
}

/* Where no gradient will ask for the normalised image it never stands in memory: the convolution normalises
 * what it reads. A second convolution of the same image does not repeat that. */
static cd_status affine_before(bool *done, cd_call *call, cd_error *err)
{
    static const cdk_affine any = {.activation = CDK_ACTIVATION_NONE};
    static const cd_fused question = {.only_asks = true, .before = &any};
    cd_lazy *norm = call->in[X]->lazy;
    *done = false;
    if (!call->differentiable) {
        CD_TRY(call->op->fused(done, call, &question, err));
    }
    if (!*done) {
        return CD_OK;
    }
    norm->used = true;
    return defer_reading(call, norm->source[X], norm, err);
}

/* A convolution waits for an activation behind it: the result before that never stands in memory. */
static cd_status defer_convolution(bool *done, cd_call *call, cd_error *err)
{
    static const cd_fused question = {.only_asks = true};
    CD_TRY(call->op->fused(done, call, &question, err));
    if (!*done) {
        return CD_OK;
    }
    CD_TRY(cd_tensor_materialise(call->in[X], err));
    return defer_reading(call, call->in[X], NULL, err);
}

/* ---- a convolution, then batch norm ---- */

/* Weights with a batch norm folded into them, kept with those it was folded into while they and its scale are
 * the same. */
typedef struct folded_weights {
    cd_kept kept;
    cd_tensor *weights;
    double scale[]; /* of each output channel */
} folded_weights;

static void release_folded(cd_kept *kept)
{
    folded_weights *it = (folded_weights *)kept;
    cd_tensor_release(it->weights);
    free(it);
}

/* Where there is no memory for it nothing is kept. */
static void keep_folded(const cd_tensor *w, cd_tensor *folded, const double *scale)
{
    const size_t K = (size_t)w->shape[0];
    folded_weights *it = malloc(sizeof *it + K * sizeof *scale);
    if (it != NULL) {
        it->kept.release = release_folded;
        it->weights = cd_tensor_retain(folded);
        memcpy(it->scale, scale, K * sizeof *scale);
        cd_kept_add(&w->storage->kept, w->storage->version, &it->kept);
    }
}

static cd_tensor *kept_folded(const cd_tensor *w, const double *scale)
{
    folded_weights *it =
        (folded_weights *)cd_kept_find(&w->storage->kept, w->storage->version, release_folded);
    const bool same = it != NULL && cd_tensor_same_shape(it->weights, w) &&
                      memcmp(it->scale, scale, (size_t)w->shape[0] * sizeof *scale) == 0;
    return same ? cd_tensor_retain(it->weights) : NULL;
}

/* w' = scale w, per output channel. */
static cd_status scaled_weights(cd_tensor **scaled, const cd_tensor *w, const double *scale, cd_error *err)
{
    const int64_t K = w->shape[0], length = K > 0 ? cd_tensor_numel(w) / K : 0;
    CD_TRY(cd_tensor_clone(scaled, w, CD_CONTIGUOUS, err));
    float *new_w = cd_tensor_data(*scaled);
    for (int64_t k = 0; k < K; k++) {
        for (int64_t i = k * length; i < (k + 1) * length; i++) {
            new_w[i] = (float)(new_w[i] * scale[k]);
        }
    }
    return CD_OK;
}

/* The same, from the pass before where that folded the same; only what predicts, without recording, keeps
 * it. */
static cd_status fold_weights(cd_tensor **scaled, const cd_tensor *w, const double *scale, cd_error *err)
{
    const bool keeps = !cd_grad_enabled() && cd_is_all_of_storage(w);
    if (cd_grad_enabled()) {
        cd_kept_clear(&w->storage->kept);
    }
    *scaled = keeps ? kept_folded(w, scale) : NULL;
    if (*scaled != NULL) {
        return CD_OK;
    }
    CD_TRY(scaled_weights(scaled, w, scale, err));
    if (keeps) {
        keep_folded(w, *scaled, scale);
    }
    return CD_OK;
}

/* b' = scale b + shift; b may be NULL. */
static cd_status fold_bias(cd_tensor **scaled, const cd_tensor *b, const double *scale, const double *shift,
                           int64_t K, cd_error *err)
{
    CD_TRY(cd_tensor_new(scaled, CD_FLOAT32, 1, &K, CD_CONTIGUOUS, err));
    float *new_b = cd_tensor_data(*scaled);
    for (int64_t k = 0; k < K; k++) {
        new_b[k] = (float)((b != NULL ? cd_tensor_get(b, k) : 0) * scale[k] + shift[k]);
    }
    return CD_OK;
}

/* out[0] becomes the deferred convolution with the scaled weights. */
static cd_status defer_folded(cd_call *call, const double *scale, const double *shift, cd_error *err)
{
    const cd_lazy *conv = call->in[X]->lazy;
    cd_tensor *source[SOURCES] = {
        [X] = conv->source[X], [SCALE] = conv->source[SCALE], [SHIFT] = conv->source[SHIFT]};
    const cd_tensor *w = conv->source[WEIGHT];
    cd_status status = fold_weights(&source[WEIGHT], w, scale, err);
    if (status == CD_OK) {
        status = fold_bias(&source[BIAS], conv->source[BIAS], scale, shift, w->shape[0], err);
    }
    if (status == CD_OK) {
        status =
            cd_tensor_defer(call->out[0], compute_conv2d, SOURCES, source, conv->n_attr, conv->attr, err);
    }
    cd_tensor_release(source[WEIGHT]);
    cd_tensor_release(source[BIAS]);
    return status;
}

/* In evaluation, without a gradient, normalisation goes into the convolution's weights. */
static cd_status fold(bool *done, cd_call *call, cd_error *err)
{
    const size_t C = (size_t)call->in[X]->shape[1];
    void *block;
    *done = false;
    if (call->differentiable) {
        return CD_OK;
    }
    CD_TRY(cd_memory_alloc(&block, 2 * C * sizeof(double), err));
    const cd_fused with = {.scale = block, .shift = (double *)block + C};
    cd_status status = call->op->fused(done, call, &with, err);
    if (status == CD_OK && *done) {
        status = defer_folded(call, with.scale, with.shift, err);
    }
    cd_memory_free(block);
    return status;
}

/* out[0] becomes the deferred normalisation of `dense`, which has the memory order of out[0]. The statistics
 * are taken at once, for the running ones change at once: `statistics`, or those of the batch. */
static cd_status defer_affine(cd_call *call, cd_tensor *dense, const cd_fused *statistics, bool *done,
                              cd_error *err)
{
    int64_t C = dense->shape[1];
    cd_tensor *source[SOURCES] = {[X] = dense};
    cd_fused with = *statistics;
    CD_TRY(cd_tensor_new(&source[SCALE], CD_FLOAT64, 1, &C, CD_CONTIGUOUS, err));
    cd_status status = cd_tensor_new(&source[SHIFT], CD_FLOAT64, 1, &C, CD_CONTIGUOUS, err);
    if (status == CD_OK) {
        with.scale = cd_tensor_data(source[SCALE]);
        with.shift = cd_tensor_data(source[SHIFT]);
        status = call->op->fused(done, call, &with, err);
    }
    if (status == CD_OK && *done) {
        status = cd_tensor_defer(call->out[0], compute_batch_norm, SOURCES, source, 0, NULL, err);
    }
    cd_tensor_release(source[SCALE]);
    cd_tensor_release(source[SHIFT]);
    return status;
}

/* A batch norm waits for an activation, or for a convolution that normalises what it reads. */
static cd_status defer_batch_norm(bool *done, cd_call *call, cd_error *err)
{
    static const cd_fused nothing_known = {.mean = NULL};
    cd_tensor *const *in = call->in;
    cd_tensor *dense, *dense_in[CD_LAZY_SOURCES];
    CD_TRY(cd_tensor_materialise(in[X], err));
    CD_TRY(cd_dense_like(&dense, in[X], call->out[0], err));
    memcpy(dense_in, in, (size_t)call->n_in * sizeof *in);
    dense_in[X] = dense;
    call->in = dense_in;
    const cd_status status = defer_affine(call, dense, &nothing_known, done, err);
    call->in = in;
    cd_tensor_release(dense);
    return status;
}

/* Computes x, which is a deferred convolution, and from the same pass its statistics. */
static cd_status convolve_with_statistics(cd_tensor *x, const cd_fused *with, cd_error *err)
{
    CD_TRY(cd_tensor_allocate(x, err));
    const cd_status status = convolve_deferred(&cd_op_conv2d, x, x->lazy, with, err);
    if (status != CD_OK) {
        cd_tensor_drop_storage(x);
        return status;
    }
    cd_lazy_discard(x);
    return CD_OK;
}

static cd_status defer_with_statistics(bool *done, cd_call *call, const cd_fused *with, cd_error *err)
{
    CD_TRY(convolve_with_statistics(call->in[X], with, err));
    return defer_affine(call, call->in[X], with, done, err);
}

/* In training the statistics are taken while the convolution writes. */
static cd_status mean_and_M2(bool *done, cd_call *call, cd_error *err)
{
    const size_t C = (size_t)call->in[X]->shape[1];
    void *block;
    CD_TRY(cd_memory_alloc(&block, 2 * C * sizeof(double), err));
    const cd_fused with = {.mean = block, .M2 = (double *)block + C};
    const cd_status status = defer_with_statistics(done, call, &with, err);
    cd_memory_free(block);
    return status;
}

/* ---- joins ---- */

/* A transposed convolution, and an image that is bytes, write where the join wants them. */
static bool writes_into(const cd_op *join, const cd_tensor *x)
{
    return join == &cd_op_cat
               ? x->lazy != NULL && x->lazy->compute == compute_conv_transpose2d && !x->lazy->used
               : cd_is_lazy_image(x);
}

static cd_status fill_slice(bool *done, cd_tensor *slice, cd_tensor *x, cd_error *err)
{
    *done = slice->dtype == x->dtype;
    if (!*done) {
        return CD_OK;
    }
    if (x->lazy->compute != compute_conv_transpose2d) {
        return cd_lazy_fill(slice, x->lazy, &as_it_is, err);
    }
    const cd_fused with = {.after = {.activation = x->lazy->activation}};
    CD_TRY(convolve(done, &cd_op_conv_transpose2d, slice, x->lazy, &with, err));
    x->lazy->used = *done;
    return CD_OK;
}

/* *place: in[i] where it belongs in out[0], or the tensor that is to be copied there. x stays lazy: asked for
 * again, it gets memory of its own. */
static cd_status place_input(cd_tensor **place, const cd_call *call, int i, cd_error *err)
{
    cd_tensor *x = call->in[i];
    bool done = false;
    if (writes_into(call->op, x)) {
        CD_TRY(cd_join_slice(place, call, i, err));
        CD_TRY(fill_slice(&done, *place, x, err));
    }
    if (done) {
        return CD_OK;
    }
    cd_tensor_release(*place);
    *place = NULL;
    if (call->op == &cd_op_stack && cd_is_lazy_bytes(x)) {
        return cd_lazy_bytes_view(place, x, err);
    }
    CD_TRY(cd_tensor_materialise(x, err));
    *place = cd_tensor_retain(x);
    return CD_OK;
}

static cd_status place_and_join(cd_call *call, cd_tensor **placed, cd_error *err)
{
    cd_tensor *const *in = call->in;
    CD_TRY(cd_tensor_allocate(call->out[0], err));
    for (int i = 0; i < call->n_in; i++) {
        CD_TRY(place_input(&placed[i], call, i, err));
    }
    call->in = placed;
    const cd_status status = call->op->forward(call, err);
    call->in = in;
    return status;
}

static cd_status join_in_place(bool *done, cd_call *call, cd_error *err)
{
    cd_tensor **placed = calloc((size_t)call->n_in, sizeof *placed);
    if (placed == NULL) {
        return cd_fail(err, CD_EALLOC, "cannot allocate a list of tensors.");
    }
    *done = true;
    const cd_status status = place_and_join(call, placed, err);
    for (int i = 0; i < call->n_in; i++) {
        cd_tensor_release(placed[i]);
    }
    free(placed);
    return status;
}

/* Smaller images are not worth the trouble (bytes). */
#define LARGE_IMAGE (INT64_C(1) << 20)

/* In a recorded join the larger part is seldom looked at again, but R keeps it until the next collection.
 * Where only a variable holds it, it shares the memory of the join. A smaller part would keep too much
 * alive. */
static bool may_share(const cd_tensor *y, const cd_tensor *x)
{
    return x->storage != NULL && x->refs == 1 && x->storage->refs == 1 && !x->storage->borrowed &&
           x->storage->nbytes >= LARGE_IMAGE && x->ndim == 4 && x->dtype == y->dtype &&
           cd_tensor_is_channels_last(x) && 2 * x->shape[1] >= y->shape[1];
}

static cd_status share(const cd_call *call, int i, cd_error *err)
{
    cd_tensor *slice;
    CD_TRY(cd_join_slice(&slice, call, i, err));
    const cd_status status = cd_tensor_defer_copy(call->in[i], slice, err);
    cd_tensor_release(slice);
    return status;
}

static bool joins_channels(const cd_tensor *y, const double *attr)
{
    int dim;
    cd_error unread;
    return y->ndim == 4 && cd_tensor_dim(&dim, y, cd_int_attr(attr, CD_JOIN_DIM), &unread) == CD_OK &&
           dim == 1;
}

static cd_status join_images(bool *done, cd_call *call, cd_error *err)
{
    const cd_tensor *y = call->out[0];
    CD_TRY(join_in_place(done, call, err));
    if (!call->differentiable || !joins_channels(y, call->attr) || !cd_tensor_is_channels_last(y)) {
        return CD_OK;
    }
    for (int i = 0; i < call->n_in; i++) {
        if (may_share(y, call->in[i])) {
            CD_TRY(share(call, i, err));
        }
    }
    return CD_OK;
}

/* ---- images and integers that are bytes ---- */

/* Operators that only move elements: the result on the bytes, which are then the bytes of the result. */
static cd_status move_bytes(bool *done, cd_call *call, cd_error *err)
{
    cd_tensor *in, *out;
    *done = true;
    CD_TRY(cd_lazy_bytes_view(&in, call->in[0], err));
    cd_status status = cd_run(&out, call->op, 1, &in, call->n_attr, call->attr, err);
    if (status == CD_OK) {
        status = cd_tensor_defer_bytes(call->out[0], out, err);
    }
    cd_tensor_release(out);
    cd_tensor_release(in);
    return status;
}

static cd_status resize_bytes(bool *done, cd_call *call, cd_error *err)
{
    *done = false;
    return (cdk_interpolation)call->attr[CD_RESIZE_MODE] == CDK_NEAREST ? move_bytes(done, call, err) : CD_OK;
}

static cd_status resize_image(bool *done, cd_call *call, cd_error *err)
{
    const double *a = call->attr;
    const cd_lazy_resizing how = {a[CD_RESIZE_ALIGN] != 0, a[CD_RESIZE_SCALE_H], a[CD_RESIZE_SCALE_W]};
    if ((cdk_interpolation)a[CD_RESIZE_MODE] == CDK_BILINEAR) {
        CD_TRY(cd_lazy_image_resize(call->out[0], call->in[0], how, err));
    }
    *done = is_lazy(call->out[0]);
    return CD_OK;
}

static cd_status normalise_image(bool *done, cd_call *call, cd_error *err)
{
    CD_TRY(
        cd_lazy_image_normalise(call->out[0], call->in[0], call->attr, call->attr + call->n_attr / 2, err));
    *done = is_lazy(call->out[0]);
    return CD_OK;
}

static cd_status flip_image(bool *done, cd_call *call, cd_error *err)
{
    bool reversed[CD_MAX_DIMS];
    CD_TRY(cd_flipped_dims(reversed, call->in[0], call->n_attr, call->attr, err));
    CD_TRY(cd_lazy_image_flip(call->out[0], call->in[0], reversed, err));
    *done = is_lazy(call->out[0]);
    return CD_OK;
}

/* ---- the table ---- */

/* The first line that fits and does it counts; the shape rule has run, and inputs behind the first have
 * storage unless the operator is a join. */
static const struct {
    const cd_op *consumer;
    bool (*producer)(const cd_tensor *x); /* of in[0] */
    cd_status (*fuse)(bool *done, cd_call *call, cd_error *err);
} pairs[] = {
    {&cd_op_relu, is_lazy, activation_behind},
    {&cd_op_relu6, is_lazy, activation_behind},
    {&cd_op_conv2d, is_batch_norm, affine_before},
    {&cd_op_conv2d, is_anything, defer_convolution},
    {&cd_op_conv_transpose2d, is_anything, defer_convolution},
    {&cd_op_batch_norm, is_conv2d, fold},
    {&cd_op_batch_norm, is_conv2d, mean_and_M2},
    {&cd_op_batch_norm, is_anything, defer_batch_norm},
    {&cd_op_cat, is_anything, join_images},
    {&cd_op_stack, is_anything, join_in_place},
    {&cd_op_interpolate, cd_is_lazy_bytes, resize_bytes},
    {&cd_op_interpolate, cd_is_lazy_image, resize_image},
    {&cd_op_normalise, cd_is_lazy_image, normalise_image},
    {&cd_op_flip, cd_is_lazy_bytes, move_bytes},
    {&cd_op_flip, cd_is_lazy_image, flip_image},
};

#define PAIRS (sizeof pairs / sizeof pairs[0])

static bool is_consumer(const cd_op *op)
{
    for (size_t i = 0; i < PAIRS; i++) {
        if (pairs[i].consumer == op) {
            return true;
        }
    }
    return false;
}

static cd_status run_fused(cd_call *call, cd_error *err)
{
    bool done = false;
    for (size_t i = 0; i < PAIRS && !done; i++) {
        if (pairs[i].consumer == call->op && pairs[i].producer(call->in[0])) {
            CD_TRY(pairs[i].fuse(&done, call, err));
        }
    }
    if (done) {
        return CD_OK;
    }
    CD_TRY(cd_tensor_materialise(call->in[0], err));
    return cd_call_compute(call, err);
}

cd_status cd_fuse_run(cd_call *call, cd_error *err)
{
    const bool joins = call->op == &cd_op_cat || call->op == &cd_op_stack;
    if (!cd_deferring() || !is_consumer(call->op)) {
        return cd_call_run(call, NULL, err);
    }
    CD_TRY(cd_call_check(call, err));
    if (!joins) {
        CD_TRY(cd_call_materialise(call, 1, err));
    }
    CD_TRY(call->op->shape(call, err));
    return run_fused(call, err);
}

/* ---- backward: the part of a join that alone wants a gradient ---- */

/* Of a join of images: true if one input only wants a gradient. */
static bool is_lone(cd_part *part, const cd_gradient *join)
{
    const cd_tensor *y = join->out[0];
    int64_t begin = 0;
    int wanted = 0;
    for (int i = 0; i < join->n_in; i++) {
        const cd_tensor *x = join->in[i];
        if (x->ndim != 4 || x->dtype != y->dtype) {
            return false;
        }
        if (join->wants[i]) {
            *part = (cd_part){i, begin, x->shape[1]};
            wanted++;
        }
        begin += x->shape[1];
    }
    return wanted == 1 && part->size > 0;
}

bool cd_fuse_finds_part(cd_part *part, const cd_gradient *g, const cd_gradient *join)
{
    const bool is_convolution = g->op == &cd_op_conv2d && g->in[0]->shape[1] == g->in[1]->shape[1];
    return is_convolution && g->wants[0] && join->op == &cd_op_cat &&
           joins_channels(join->out[0], join->attr) && is_lone(part, join);
}

/* in[0] by its shape alone, and the weights, as the convolution has them that reads the wanted channels. */
static cd_status part_operands(cd_tensor **x, cd_tensor **w, const cd_gradient *g, const cd_part *part,
                               cd_error *err)
{
    const cd_tensor *whole = g->in[1];
    int64_t shape[4];
    memcpy(shape, g->in[0]->shape, sizeof shape);
    shape[1] = part->size;
    CD_TRY(cd_tensor_new_shape(x, g->in[0]->dtype, 4, shape, CD_CHANNELS_LAST, err));
    memcpy(shape, whole->shape, sizeof shape);
    shape[1] = part->size;
    return cd_tensor_view(w, whole, 4, shape, whole->stride, whole->offset + part->begin * whole->stride[1],
                          err);
}

static cd_status input_gradient(cd_gradient *g, const cd_part *part, cd_error *err)
{
    static const bool wants[3] = {true};
    cd_tensor *in[3] = {NULL}, *dx[3] = {NULL};
    cd_gradient of_part = *g;
    of_part.in = in;
    of_part.n_in = 2;
    of_part.wants = wants;
    of_part.dx = dx;
    cd_status status = part_operands(&in[0], &in[1], g, part, err);
    if (status == CD_OK) {
        status = g->op->backward(&of_part, err);
    }
    g->dx[0] = dx[0];
    cd_tensor_release(in[0]);
    cd_tensor_release(in[1]);
    return status;
}

/* The gradients of weights and bias come first: the operator then releases in[0], and its memory is free for
 * the gradient of the part. */
static cd_status backward_part(cd_gradient *g, const cd_part *part, cd_error *err)
{
    const bool wants[3] = {false, g->wants[1], g->n_in > 2 && g->wants[2]};
    cd_gradient of_weights = *g;
    of_weights.wants = wants;
    CD_TRY(g->op->backward(&of_weights, err));
    return input_gradient(g, part, err);
}

cd_status cd_fuse_backward_part(cd_gradient *g, const cd_part *part, cd_error *err)
{
    cd_tensor *given = g->dy[0];
    CD_TRY(cd_tensor_as(&g->dy[0], given, g->in[1]->dtype, CD_CHANNELS_LAST, err));
    const cd_status status = backward_part(g, part, err);
    cd_tensor_release(g->dy[0]);
    g->dy[0] = given;
    return status;
}
