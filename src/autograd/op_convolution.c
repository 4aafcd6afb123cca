/* Convolution and transposed convolution of images, N x C x H x W. Results are channels last. */
#include "autograd/dense.h"
#include "autograd/recording.h"
#include "autograd/second.h"
#include "base/cell.h"
#include "base/interrupt.h"
#include "kernels/conv.h"
#include "kernels/conv_packed.h"
#include "kernels/conv_table.h"
#include "tensor/kept.h"

enum {
    STRIDE_H,
    STRIDE_W,
    PAD_TOP,
    PAD_LEFT,
    PAD_BOTTOM,
    PAD_RIGHT,
    DILATION_H,
    DILATION_W,
    GROUPS,
    CONV_ATTRS
};

/* For the transposed convolution PAD_BOTTOM and PAD_RIGHT are what is added to the output there. */

static cd_status check_numbers(const double *attr, const char *op, cd_error *err)
{
    if (attr[STRIDE_H] < 1 || attr[STRIDE_W] < 1) {
        return cd_fail(err, CD_EVALUE, "%s: stride must be at least 1.", op);
    }
    if (attr[DILATION_H] < 1 || attr[DILATION_W] < 1) {
        return cd_fail(err, CD_EVALUE, "%s: dilation must be at least 1.", op);
    }
    if (attr[GROUPS] < 1) {
        return cd_fail(err, CD_EVALUE, "%s: groups must be at least 1.", op);
    }
    for (int i = PAD_TOP; i <= PAD_RIGHT; i++) {
        if (attr[i] < 0) {
            return cd_fail(err, CD_EVALUE, "%s: padding must not be negative.", op);
        }
    }
    for (int i = STRIDE_H; i < CONV_ATTRS; i++) {
        if (attr[i] > INT32_MAX) {
            return cd_fail(err, CD_EVALUE,
                           "%s: stride, padding, dilation and groups must be below 2^31, got %g.", op,
                           attr[i]);
        }
    }
    return CD_OK;
}

static cd_status check_inputs(const cd_call *call, int64_t channels, int64_t outputs, cd_error *err)
{
    const cd_tensor *x = call->in[0], *w = call->in[1], *b = call->n_in > 2 ? call->in[2] : NULL;
    char got[CD_SHAPE_TEXT], weight[CD_SHAPE_TEXT];
    const char *op = call->op->name;
    cd_shape_text(got, x->ndim, x->shape);
    cd_shape_text(weight, w->ndim, w->shape);
    if (w->shape[2] < 1 || w->shape[3] < 1) {
        return cd_fail(err, CD_ESHAPE, "%s: kernel size must be at least 1, got a weight of size %s.", op,
                       weight);
    }
    if (x->shape[1] != channels) {
        return cd_fail(
            err, CD_ESHAPE,
            "%s: given groups=%lld, weight of size %s, expected input %s to have %lld channels, but got %lld "
            "channels instead.",
            op, (long long)call->attr[GROUPS], weight, got, (long long)channels, (long long)x->shape[1]);
    }
    if (b != NULL && (b->ndim != 1 || b->shape[0] != outputs)) {
        return cd_fail(err, CD_ESHAPE, "%s: bias must have %lld elements for weight of size %s, got size %s.",
                       op, (long long)outputs, weight, cd_shape_text(got, b->ndim, b->shape));
    }
    if (x->dtype != w->dtype || (b != NULL && b->dtype != x->dtype)) {
        return cd_fail(err, CD_EDTYPE, "%s: input (%s), weight (%s) and bias must have the same dtype.", op,
                       cd_dtype_name(x->dtype), cd_dtype_name(w->dtype));
    }
    return cd_check_float(x, op, err);
}

static cd_status check_ranks(const cd_call *call, cd_error *err)
{
    char got[CD_SHAPE_TEXT];
    for (int i = 0; i < 2; i++) {
        const cd_tensor *t = call->in[i];
        if (t->ndim != 4) {
            return cd_fail(err, CD_ESHAPE, "%s: expected %s of 4 dimensions, got size %s.", call->op->name,
                           i == 0 ? "input" : "weight", cd_shape_text(got, t->ndim, t->shape));
        }
    }
    return check_numbers(call->attr, call->op->name, err);
}

/* The description of a convolution from `image` (the side of C, H, W) to `output` (K, OH, OW). */
static cdk_conv describe(const cd_tensor *image, const cd_tensor *output, const cd_tensor *w,
                         const double *attr)
{
    return (cdk_conv){.N = image->shape[0],
                      .C = image->shape[1],
                      .H = image->shape[2],
                      .W = image->shape[3],
                      .K = output->shape[1],
                      .R = w->shape[2],
                      .S = w->shape[3],
                      .OH = output->shape[2],
                      .OW = output->shape[3],
                      .stride_h = cd_int_attr(attr, STRIDE_H),
                      .stride_w = cd_int_attr(attr, STRIDE_W),
                      .pad_top = cd_int_attr(attr, PAD_TOP),
                      .pad_left = cd_int_attr(attr, PAD_LEFT),
                      .dilation_h = cd_int_attr(attr, DILATION_H),
                      .dilation_w = cd_int_attr(attr, DILATION_W),
                      .groups = cd_int_attr(attr, GROUPS)};
}

/* Everything dense, x and y channels last, as the kernels want it. */
typedef struct {
    cd_tensor *x, *w, *b, *dy;
} dense_set;

static void dense_clear(dense_set *d)
{
    cd_tensor_release(d->x);
    cd_tensor_release(d->w);
    cd_tensor_release(d->b);
    cd_tensor_release(d->dy);
}

static cd_status as_image(cd_tensor **as, cd_tensor *t, cd_dtype dtype, cd_error *err)
{
    return cd_tensor_as(as, t, dtype, CD_CHANNELS_LAST, err);
}

static cd_status dense_inputs(dense_set *d, const cd_call *call, cd_error *err)
{
    cd_dtype dtype = call->in[0]->dtype;
    CD_TRY(as_image(&d->x, call->in[0], dtype, err));
    CD_TRY(cd_tensor_as(&d->w, call->in[1], dtype, CD_CONTIGUOUS, err));
    if (call->n_in > 2 && call->in[2] != NULL) {
        CD_TRY(cd_tensor_as(&d->b, call->in[2], dtype, CD_CONTIGUOUS, err));
    }
    return CD_OK;
}

static const void *bias_of(const dense_set *d)
{
    return d->b != NULL ? cd_tensor_data(d->b) : NULL;
}

static int64_t pixels_of(const cd_tensor *t)
{
    return t->shape[0] * t->shape[2] * t->shape[3];
}

/* ---- packed weights ---- */

/* With more output pixels packing the weights is too small a part of the work to keep them packed. */
#define KEEP_PIXELS 16384

/* Weights as the kernels pack them, kept with the weights until these change. */
typedef struct packed_weights {
    cd_kept kept;
    cdk_packed packed;
} packed_weights;

static void release_packed(cd_kept *kept)
{
    packed_weights *it = (packed_weights *)kept;
    cdk_packed_free(&it->packed);
    cd_cell_free(it, sizeof *it);
}

/* Only what predicts, without recording, meets the same weights again; training lets go of what predictions
 * kept. */
static cdk_packed *packed_of(const cd_tensor *w, const cdk_conv *conv)
{
    if (!cd_is_all_of_storage(w)) {
        return NULL;
    }
    if (cd_grad_enabled()) {
        cd_kept_clear(&w->storage->kept);
        return NULL;
    }
    if (conv->N * conv->OH * conv->OW > KEEP_PIXELS) {
        return NULL;
    }
    cd_storage *storage = w->storage;
    packed_weights *it = (packed_weights *)cd_kept_find(&storage->kept, storage->version, release_packed);
    if (it == NULL && (it = cd_cell_new(sizeof *it)) != NULL) {
        it->kept.release = release_packed;
        cd_kept_add(&storage->kept, storage->version, &it->kept);
    }
    return it != NULL ? &it->packed : NULL;
}

/* conv2d */

static cd_status conv_extent(int64_t *out, const cd_call *call, int dim, cd_error *err)
{
    const double *a = call->attr;
    int64_t size =
        call->in[0]->shape[2 + dim] + cd_int_attr(a, PAD_TOP + dim) + cd_int_attr(a, PAD_BOTTOM + dim);
    int64_t reach = cd_int_attr(a, DILATION_H + dim) * (call->in[1]->shape[2 + dim] - 1) + 1;
    if (size < reach) {
        return cd_fail(
            err, CD_ESHAPE,
            "%s: kernel size can't be greater than actual input size: the %s of the padded input is %lld, "
            "that of the kernel %lld.",
            call->op->name, dim == 0 ? "height" : "width", (long long)size, (long long)reach);
    }
    *out = (size - reach) / cd_int_attr(a, STRIDE_H + dim) + 1;
    return CD_OK;
}

static cd_status conv_shape(cd_call *call, cd_error *err)
{
    CD_TRY(check_ranks(call, err));
    const cd_tensor *x = call->in[0], *w = call->in[1];
    int64_t groups = cd_int_attr(call->attr, GROUPS);
    if (w->shape[0] % groups != 0) {
        return cd_fail(err, CD_ESHAPE, "conv2d: %lld output channels cannot be split into %lld groups.",
                       (long long)w->shape[0], (long long)groups);
    }
    CD_TRY(check_inputs(call, w->shape[1] * groups, w->shape[0], err));
    int64_t shape[4] = {x->shape[0], w->shape[0], 0, 0};
    CD_TRY(conv_extent(&shape[2], call, 0, err));
    CD_TRY(conv_extent(&shape[3], call, 1, err));
    return cd_out(call, 0, x->dtype, 4, shape, CD_CHANNELS_LAST, err);
}

static cd_status conv_run(const cd_call *call, const dense_set *d, const cd_fused *with, cd_error *err)
{
    cdk_conv conv = describe(call->in[0], call->out[0], call->in[1], call->attr);
    const cdk_conv_finish finish = {.input = with->before,
                                    .end = with->after,
                                    .mean = with->mean,
                                    .M2 = with->M2,
                                    .packed = packed_of(d->w, &conv)};
    return cdk_conv_of[d->x->dtype]->plain.forward(cd_tensor_data(call->out[0]), cd_tensor_data(d->x),
                                                   cd_tensor_data(d->w), bias_of(d), &conv, &finish, err);
}

typedef cd_status (*run_function)(const cd_call *, const dense_set *, const cd_fused *, cd_error *);

/* From so many multiplications on the user may stop a convolution; those of float64 are far slower. */
static bool is_long(const cd_tensor *side, const cd_tensor *w)
{
    const double each = (double)cd_tensor_numel(w) / (double)(w->shape[0] > 0 ? w->shape[0] : 1);
    return (double)cd_tensor_numel(side) * each > (w->dtype == CD_FLOAT64 ? 1e8 : 1e10);
}

/* The image that has one element for each sum over the weights of a channel. */
static const cd_tensor *side_of_sums(bool transposed, const cd_tensor *x, const cd_tensor *y)
{
    return transposed ? x : y;
}

static cd_status transpose_run(const cd_call *call, const dense_set *d, const cd_fused *with, cd_error *err);

static cd_status run_dense(const cd_call *call, run_function run, const cd_fused *with, cd_error *err)
{
    dense_set d = {0};
    if (cd_tensor_numel(call->out[0]) == 0) {
        return CD_OK;
    }
    const bool stoppable = cd_stoppable_begin(
        is_long(side_of_sums(run == transpose_run, call->in[0], call->out[0]), call->in[1]));
    cd_status status = dense_inputs(&d, call, err);
    if (status == CD_OK) {
        status = run(call, &d, with, err);
    }
    dense_clear(&d);
    status = cd_stoppable_end(stoppable, status, err);
    return status;
}

static const cd_fused alone = {.after = {.activation = CDK_ACTIVATION_NONE}};

static cd_status conv_forward(cd_call *call, cd_error *err)
{
    return run_dense(call, conv_run, &alone, err);
}

static bool can_fuse(const cd_call *call, const cd_fused *with)
{
    return cdk_conv_of[call->in[0]->dtype]->fuses && cd_tensor_numel(call->out[0]) > 0 && with->scale == NULL;
}

static cd_status conv_fused(bool *done, cd_call *call, const cd_fused *with, cd_error *err)
{
    const cdk_conv conv = describe(call->in[0], call->out[0], call->in[1], call->attr);
    *done = can_fuse(call, with) && cd_tensor_is_channels_last(call->out[0]) &&
            (with->before == NULL || cdk_conv_takes_affine(&conv));
    return *done && !with->only_asks ? run_dense(call, conv_run, with, err) : CD_OK;
}

/* Backward of both: the same three gradients, with the kernels of either. */

static cd_status new_gradient(cd_tensor **dx, const cd_tensor *like, cd_layout layout, cd_error *err)
{
    return cd_tensor_new(dx, like->dtype, like->ndim, like->shape, layout, err);
}

static bool wants_bias(const cd_gradient *g)
{
    return g->n_in > 2 && g->wants[2];
}

/* The kernels of one direction of the convolutions of dtype. */
static const cdk_conv_direction *direction_of(cd_dtype dtype, bool transposed)
{
    return transposed ? &cdk_conv_of[dtype]->transposed : &cdk_conv_of[dtype]->plain;
}

static void *data_or_null(const cd_tensor *t)
{
    return t != NULL ? cd_tensor_data(t) : NULL;
}

static cd_status weight_gradient_operands(cd_gradient *g, dense_set *d, cd_error *err)
{
    if (g->wants[1]) {
        CD_TRY(as_image(&d->x, g->in[0], d->dy->dtype, err));
        CD_TRY(new_gradient(&g->dx[1], g->in[1], CD_CONTIGUOUS, err));
    }
    return wants_bias(g) ? new_gradient(&g->dx[2], g->in[2], CD_CONTIGUOUS, err) : CD_OK;
}

/* dw and db, where they are wanted. */
static cd_status weight_gradient(cd_gradient *g, dense_set *d, bool transposed, const cdk_conv *conv,
                                 cd_error *err)
{
    const cd_dtype dtype = d->dy->dtype;
    CD_TRY(weight_gradient_operands(g, d, err));
    void *dw = data_or_null(g->dx[1]), *db = wants_bias(g) ? cd_tensor_data(g->dx[2]) : NULL;
    const void *dy = cd_tensor_data(d->dy);
    if (dw != NULL) {
        return direction_of(dtype, transposed)->weight(dw, db, dy, cd_tensor_data(d->x), conv, err);
    }
    return db != NULL ? cdk_conv_of[dtype]->channel_sums(db, dy, pixels_of(d->dy), d->dy->shape[1], err)
                      : CD_OK;
}

static cd_status input_gradient_operands(cd_gradient *g, dense_set *d, cd_error *err)
{
    const cd_tensor *x = g->in[0];
    CD_TRY(cd_tensor_as(&d->w, g->in[1], x->dtype, CD_CONTIGUOUS, err));
    return new_gradient(&g->dx[0], x, CD_CHANNELS_LAST, err);
}

static cd_status input_gradient(cd_gradient *g, dense_set *d, bool transposed, const cdk_conv *conv,
                                cd_error *err)
{
    CD_TRY(input_gradient_operands(g, d, err));
    return direction_of(d->dy->dtype, transposed)
        ->input(cd_tensor_data(g->dx[0]), cd_tensor_data(d->dy), cd_tensor_data(d->w), conv, err);
}

static bool wants_both(const cd_gradient *g, bool transposed, const cdk_conv *conv)
{
    return g->wants[0] && g->wants[1] && !transposed && cdk_conv_of[g->in[1]->dtype]->fuses &&
           cdk_conv_prefers_both(conv);
}

static cd_status both_gradients(cd_gradient *g, dense_set *d, bool transposed, const cdk_conv *conv,
                                cd_error *err)
{
    (void)transposed;
    CD_TRY(weight_gradient_operands(g, d, err));
    CD_TRY(input_gradient_operands(g, d, err));
    return cdk_conv_backward(cd_tensor_data(g->dx[0]), cd_tensor_data(g->dx[1]),
                             wants_bias(g) ? cd_tensor_data(g->dx[2]) : NULL, cd_tensor_data(d->dy),
                             cd_tensor_data(d->x), cd_tensor_data(d->w), conv, err);
}

/* The gradient of the weights comes first: with it done the memory of x is free for the gradient of x. */
static cd_status one_by_one(cd_gradient *g, dense_set *d, bool transposed, const cdk_conv *conv,
                            cd_error *err)
{
    CD_TRY(weight_gradient(g, d, transposed, conv, err));
    cd_tensor_release(d->x);
    d->x = NULL;
    cd_gradient_done_with(g, 0);
    return g->wants[0] ? input_gradient(g, d, transposed, conv, err) : CD_OK;
}

static cd_status gradients(cd_gradient *g, bool transposed, cd_error *err)
{
    dense_set d = {0};
    const cd_tensor *x = g->in[0], *y = g->out[0];
    const cdk_conv conv = transposed ? describe(y, x, g->in[1], g->attr) : describe(x, y, g->in[1], g->attr);
    const bool stoppable = cd_stoppable_begin(is_long(side_of_sums(transposed, x, y), g->in[1]));
    cd_status status = as_image(&d.dy, g->dy[0], g->in[1]->dtype, err);
    if (status == CD_OK) {
        status =
            (wants_both(g, transposed, &conv) ? both_gradients : one_by_one)(g, &d, transposed, &conv, err);
    }
    dense_clear(&d);
    return cd_stoppable_end(stoppable, status, err);
}

static cd_status conv_backward(cd_gradient *g, cd_error *err)
{
    return gradients(g, false, err);
}

/* Linear in x and in w; db is the sum of dy over images and pixels. */
static cd_status convolution_second(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    for (int i = 0; i < 2; i++) {
        if (g->wants[i]) {
            cd_expr_give(&e, g, i, cd_expr_gradient_of(&e, g, i, 2));
        }
    }
    if (wants_bias(g)) {
        const double attr[5] = {0, -1, 0, 2, 3};
        cd_expr_give(&e, g, 2, cd_expr_op(&e, CD_OP_sum, 1, &g->dy[0], 5, attr));
    }
    return cd_expr_end(&e);
}

const cd_op cd_op_conv2d = {.name = "conv2d",
                            .backward_name = "ConvolutionBackward0",
                            .min_in = 2,
                            .max_in = 3,
                            .min_attr = CONV_ATTRS,
                            .max_attr = CONV_ATTRS,
                            .n_out = 1,
                            .keeps = CD_KEEP_IN(0) | CD_KEEP_IN(1),
                            .shape = conv_shape,
                            .forward = conv_forward,
                            .backward = conv_backward,
                            .second = convolution_second,
                            .fused = conv_fused};

/* conv_transpose2d */

static cd_status transpose_extent(int64_t *out, const cd_call *call, int dim, cd_error *err)
{
    const double *a = call->attr;
    int64_t stride = cd_int_attr(a, STRIDE_H + dim), dilation = cd_int_attr(a, DILATION_H + dim);
    int64_t extra = cd_int_attr(a, PAD_BOTTOM + dim);
    if (extra >= stride && extra >= dilation) {
        return cd_fail(
            err, CD_EVALUE,
            "%s: output padding must be smaller than either stride or dilation, got %lld with stride %lld.",
            call->op->name, (long long)extra, (long long)stride);
    }
    *out = (call->in[0]->shape[2 + dim] - 1) * stride - 2 * cd_int_attr(a, PAD_TOP + dim) +
           dilation * (call->in[1]->shape[2 + dim] - 1) + extra + 1;
    if (*out < 1) {
        return cd_fail(err, CD_ESHAPE, "%s: the output would be too small: its %s would be %lld.",
                       call->op->name, dim == 0 ? "height" : "width", (long long)*out);
    }
    return CD_OK;
}

static cd_status transpose_shape(cd_call *call, cd_error *err)
{
    CD_TRY(check_ranks(call, err));
    const cd_tensor *x = call->in[0], *w = call->in[1];
    int64_t groups = cd_int_attr(call->attr, GROUPS), outputs = w->shape[1] * groups;
    if (w->shape[0] % groups != 0) {
        return cd_fail(err, CD_ESHAPE,
                       "conv_transpose2d: %lld input channels cannot be split into %lld groups.",
                       (long long)w->shape[0], (long long)groups);
    }
    CD_TRY(check_inputs(call, w->shape[0], outputs, err));
    int64_t shape[4] = {x->shape[0], outputs, 0, 0};
    CD_TRY(transpose_extent(&shape[2], call, 0, err));
    CD_TRY(transpose_extent(&shape[3], call, 1, err));
    return cd_out(call, 0, x->dtype, 4, shape, CD_CHANNELS_LAST, err);
}

/* Elements between two pixels of y, which lie at equal distances, with their channels side by side; 0 where
 * they do not. */
static int64_t pixel_step(const cd_tensor *y)
{
    const int64_t *stride = y->stride, *size = y->shape;
    const bool regular = (size[1] == 1 || stride[1] == 1) && stride[2] == size[3] * stride[3] &&
                         stride[0] == size[2] * stride[2];
    return cd_tensor_is_channels_last(y) ? size[1] : regular && stride[3] >= size[1] ? stride[3] : 0;
}

static cd_status transpose_run(const cd_call *call, const dense_set *d, const cd_fused *with, cd_error *err)
{
    cdk_conv conv = describe(call->out[0], call->in[0], call->in[1], call->attr);
    const int64_t step = pixel_step(call->out[0]);
    const cdk_conv_finish finish = {
        .end = with->after, .y_pixel = step == conv.C ? 0 : step, .packed = packed_of(d->w, &conv)};
    return cdk_conv_of[d->x->dtype]->transposed.forward(cd_tensor_data(call->out[0]), cd_tensor_data(d->x),
                                                        cd_tensor_data(d->w), bias_of(d), &conv, &finish,
                                                        err);
}

static cd_status transpose_forward(cd_call *call, cd_error *err)
{
    return run_dense(call, transpose_run, &alone, err);
}

static cd_status transpose_fused(bool *done, cd_call *call, const cd_fused *with, cd_error *err)
{
    const cdk_conv conv = describe(call->out[0], call->in[0], call->in[1], call->attr);
    const int64_t step = pixel_step(call->out[0]);
    *done =
        can_fuse(call, with) && with->before == NULL && with->mean == NULL &&
        (step == conv.C || (step > 0 && with->after.mask == NULL && cdk_conv_transpose_writes_apart(&conv)));
    return *done && !with->only_asks ? run_dense(call, transpose_run, with, err) : CD_OK;
}

static cd_status transpose_backward(cd_gradient *g, cd_error *err)
{
    return gradients(g, true, err);
}

const cd_op cd_op_conv_transpose2d = {.name = "conv_transpose2d",
                                      .backward_name = "ConvolutionBackward0",
                                      .min_in = 2,
                                      .max_in = 3,
                                      .min_attr = CONV_ATTRS,
                                      .max_attr = CONV_ATTRS,
                                      .n_out = 1,
                                      .keeps = CD_KEEP_IN(0) | CD_KEEP_IN(1),
                                      .shape = transpose_shape,
                                      .forward = transpose_forward,
                                      .backward = transpose_backward,
                                      .second = convolution_second,
                                      .fused = transpose_fused};
