/* Windows of images and volumes laid out side by side, and their adjoints, which add them up again.
 *
 *     unfold_depth   x N x C x D x H x W  ->  y (N OD) x (C T) x H x W:  y[n OD + o][c T + t] = x[n][c][o s -
 *                    p + t d]
 *     unfold         x N x C x H x W      ->  y N x (C R S) x (OH OW), the columns of a convolution
 *     fold_depth, fold   the adjoints: each element of x is the sum, in the order of the taps, of the
 *                        elements of y
 *                        that unfolding would fill with it; fold_depth starts from a bias for each channel
 *
 * Elements outside of x are 0. A convolution of volumes is unfold_depth and then one of images, whose weight
 * K x C / groups x T x R x S is seen as K x (C / groups T) x R x S; a transposed one is one of images and
 * then fold_depth.
 */
#include <string.h>

#include "autograd/dense.h"
#include "autograd/second.h"
#include "autograd/shapes.h"
#include "tensor/iterate.h"

/* Along one dimension: `count` windows of `taps` elements over `size` elements. */
typedef struct {
    int64_t taps, stride, pad, dilation, size, count;
} side;

/* DEPTH, HEIGHT, WIDTH of x; y[n][c][taps][windows] has a stride for each. */
enum { DEPTH, HEIGHT, WIDTH, SIDES };

typedef struct {
    int64_t N, C;
    side sides[SIDES];
    int64_t x_stride[2 + SIDES]; /* N, C, DEPTH, ... */
    int64_t y_stride[2 + SIDES]; /* N, C, the windows along each side */
    int64_t tap_stride[SIDES];   /* the taps along each side */
} windows;

/* How an operator's numbers lay x and y side by side. */
typedef windows describer(const cd_tensor *x, const cd_tensor *y, const double *attr);

/* ---- the copies: one for each tap, of all windows that have it inside of x ---- */

/* first .. last: the windows whose tap lies inside; false where there is none. */
static bool inside(int64_t *first, int64_t *last, const side *s, int64_t tap)
{
    const int64_t at = tap * s->dilation - s->pad;
    *first = at >= 0 ? 0 : (-at + s->stride - 1) / s->stride;
    *last = s->size - 1 - at < 0 ? -1 : (s->size - 1 - at) / s->stride;
    *last = *last < s->count - 1 ? *last : s->count - 1;
    return *first <= *last;
}

typedef struct {
    int64_t shape[2 + SIDES], x_stride[2 + SIDES], x_offset, y_offset;
} part;

/* What the taps with these numbers read of x, and where it goes in y. */
static bool part_of(part *p, const windows *w, const int64_t *tap)
{
    *p = (part){.shape = {w->N, w->C}, .x_stride = {w->x_stride[0], w->x_stride[1]}};
    for (int d = 0; d < SIDES; d++) {
        const side *s = &w->sides[d];
        int64_t first, last;
        if (!inside(&first, &last, s, tap[d])) {
            return false;
        }
        p->shape[2 + d] = last - first + 1;
        p->x_stride[2 + d] = w->x_stride[2 + d] * s->stride;
        p->x_offset += w->x_stride[2 + d] * (first * s->stride + tap[d] * s->dilation - s->pad);
        p->y_offset += w->y_stride[2 + d] * first + w->tap_stride[d] * tap[d];
    }
    return true;
}

static cd_status views(cd_tensor **x_view, cd_tensor **y_view, const windows *w, const int64_t *tap,
                       const cd_tensor *x, const cd_tensor *y, cd_error *err)
{
    part p;
    *x_view = *y_view = NULL;
    if (!part_of(&p, w, tap)) {
        return CD_OK;
    }
    CD_TRY(cd_tensor_view(x_view, x, 2 + SIDES, p.shape, p.x_stride, x->offset + p.x_offset, err));
    return cd_tensor_view(y_view, y, 2 + SIDES, p.shape, w->y_stride, y->offset + p.y_offset, err);
}

#define ADD_RUN(T)                                                                                    \
    static void add_run_##T(const void *context, char *const *data, const int64_t *stride, int64_t n) \
    {                                                                                                 \
        T *to = (T *)(void *)data[0];                                                                 \
        const T *from = (const T *)(const void *)data[1];                                             \
        (void)context;                                                                                \
        for (int64_t i = 0; i < n; i++) {                                                             \
            to[i * stride[0]] += from[i * stride[1]];                                                 \
        }                                                                                             \
    }
ADD_RUN(float)
ADD_RUN(double)

typedef cd_status move(cd_tensor *x, cd_tensor *y, cd_error *err);

static cd_status copy_to_y(cd_tensor *x, cd_tensor *y, cd_error *err)
{
    return cd_tensor_copy(y, x, err);
}

static cd_status add_to_x(cd_tensor *x, cd_tensor *y, cd_error *err)
{
    cd_tensor *operands[] = {x, y};
    return cd_iterate(2, operands, x->dtype == CD_FLOAT32 ? add_run_float : add_run_double, NULL, err);
}

static cd_status move_tap(move *f, const windows *w, const int64_t *tap, cd_tensor *x, cd_tensor *y,
                          cd_error *err)
{
    cd_tensor *x_view, *y_view;
    cd_status status = views(&x_view, &y_view, w, tap, x, y, err);
    if (status == CD_OK && y_view != NULL) {
        status = f(x_view, y_view, err);
    }
    cd_tensor_release(x_view);
    cd_tensor_release(y_view);
    return status;
}

static cd_status move_all(move *f, const windows *w, cd_tensor *x, cd_tensor *y, cd_error *err)
{
    const side *s = w->sides;
    int64_t tap[SIDES];
    for (tap[0] = 0; tap[0] < s[0].taps; tap[0]++) {
        for (tap[1] = 0; tap[1] < s[1].taps; tap[1]++) {
            for (tap[2] = 0; tap[2] < s[2].taps; tap[2]++) {
                CD_TRY(move_tap(f, w, tap, x, y, err));
            }
        }
    }
    return CD_OK;
}

static bool has_padding(const windows *w)
{
    bool padded = false;
    for (int d = 0; d < SIDES; d++) {
        const side *s = &w->sides[d];
        const int64_t reach = (s->count - 1) * s->stride + (s->taps - 1) * s->dilation - s->pad;
        padded = padded || s->pad > 0 || reach >= s->size;
    }
    return padded;
}

/* y from x, both with memory. */
static cd_status unfold_into(cd_tensor *y, cd_tensor *x, const windows *w, cd_error *err)
{
    if (has_padding(w)) {
        CD_TRY(cd_tensor_fill(y, 0, err));
    }
    return cd_tensor_numel(y) > 0 ? move_all(copy_to_y, w, x, y, err) : CD_OK;
}

/* x, which holds what the sums start from, from y of the same dtype. */
static cd_status fold_into(cd_tensor *x, cd_tensor *y, const windows *w, cd_error *err)
{
    return cd_tensor_numel(x) > 0 && cd_tensor_numel(y) > 0 ? move_all(add_to_x, w, x, y, err) : CD_OK;
}

/* ---- numbers, shapes and places in memory ---- */

/* For each side: taps, stride, padding, dilation; then sizes: the count of windows or the size of x along
 * each. */
enum { TAPS, STRIDE, PAD, DILATION, SIDE_ATTRS };

static cd_status check_side(const double *attr, const char *op, cd_error *err)
{
    static const char *const names[] = {"kernel size", "stride", "padding", "dilation"};
    for (int i = 0; i < SIDE_ATTRS; i++) {
        const double least = i == PAD ? 0 : 1;
        if (!(attr[i] >= least && attr[i] <= INT32_MAX)) {
            return cd_fail(err, CD_EVALUE, "%s: %s must be a whole number of at least %g, got %g.", op,
                           names[i], least, attr[i]);
        }
    }
    return CD_OK;
}

static side side_of(const double *attr)
{
    return (side){.taps = cd_int_attr(attr, TAPS),
                  .stride = cd_int_attr(attr, STRIDE),
                  .pad = cd_int_attr(attr, PAD),
                  .dilation = cd_int_attr(attr, DILATION)};
}

static const side no_side = {.taps = 1, .stride = 1, .dilation = 1, .size = 1, .count = 1};

static cd_status check_ndim(const cd_tensor *t, int ndim, const char *op, cd_error *err)
{
    char got[CD_SHAPE_TEXT];
    if (t->ndim != ndim) {
        return cd_fail(err, CD_ESHAPE, "%s: expected an input of %d dimensions, got size %s.", op, ndim,
                       cd_shape_text(got, t->ndim, t->shape));
    }
    return cd_check_float(t, op, err);
}

/* ---- depth: attributes TAPS .. DILATION and then ---- */
enum { DEPTH_WINDOWS = SIDE_ATTRS, DEPTH_SIZE, DEPTH_ATTRS };

/* x: N x C x D x H x W, y: (N OD) x (C T) x H x W, either without memory. */
static windows depth_windows(const cd_tensor *x, const cd_tensor *y, const double *attr)
{
    windows w = {.N = x->shape[0], .C = x->shape[1], .sides = {side_of(attr), no_side, no_side}};
    side *s = w.sides;
    s[DEPTH].size = x->shape[2];
    s[DEPTH].count = cd_int_attr(attr, DEPTH_WINDOWS);
    for (int d = HEIGHT; d <= WIDTH; d++) {
        s[d].size = s[d].count = x->shape[2 + d];
        w.y_stride[2 + d] = y->stride[1 + d];
    }
    memcpy(w.x_stride, x->stride, sizeof w.x_stride);
    w.y_stride[0] = y->stride[0] * s[DEPTH].count;
    w.y_stride[1] = y->stride[1] * s[DEPTH].taps;
    w.y_stride[2 + DEPTH] = y->stride[0];
    w.tap_stride[DEPTH] = y->stride[1];
    return w;
}

/* A volume stored with its channels last, as convolutions of images store theirs. */
static void channels_last(cd_tensor *x)
{
    const int64_t *n = x->shape;
    const int64_t W = n[1], H = W * n[4], D = H * n[3];
    const int64_t stride[] = {D * n[2], 1, D, H, W};
    memcpy(x->stride, stride, sizeof stride);
}

static cd_status unfold_depth_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[0];
    CD_TRY(check_ndim(x, 5, call->op->name, err));
    CD_TRY(check_side(call->attr, call->op->name, err));
    const int64_t count = cd_int_attr(call->attr, DEPTH_WINDOWS);
    if (count < 1) {
        return cd_fail(err, CD_ESHAPE,
                       "%s: kernel size can't be greater than actual input size: the depth of the input is "
                       "%lld, with kernel size %g, dilation %g and padding %g.",
                       call->op->name, (long long)x->shape[2], call->attr[TAPS], call->attr[DILATION],
                       call->attr[PAD]);
    }
    const int64_t shape[] = {x->shape[0] * count, x->shape[1] * cd_int_attr(call->attr, TAPS), x->shape[3],
                             x->shape[4]};
    return cd_out(call, 0, x->dtype, 4, shape, CD_CHANNELS_LAST, err);
}

static cd_status unfold_depth_forward(cd_call *call, cd_error *err)
{
    const windows w = depth_windows(call->in[0], call->out[0], call->attr);
    return unfold_into(call->out[0], call->in[0], &w, err);
}

/* dx, of the shape and format that x was given, takes the gradient of its windows. Releases x on failure. */
static cd_status folded_gradient(cd_gradient *g, cd_tensor *x, describer *describe, cd_error *err)
{
    cd_tensor *dy = NULL;
    cd_status status = cd_tensor_as_dtype(&dy, g->dy[0], x->dtype, err);
    if (status == CD_OK) {
        status = cd_tensor_allocate(x, err);
    }
    if (status == CD_OK) {
        status = cd_tensor_fill(x, 0, err);
    }
    if (status == CD_OK) {
        const windows w = describe(x, dy, g->attr);
        status = fold_into(x, dy, &w, err);
    }
    cd_tensor_release(dy);
    if (status != CD_OK) {
        cd_tensor_release(x);
        return status;
    }
    g->dx[0] = x;
    return CD_OK;
}

static cd_status unfold_depth_backward(cd_gradient *g, cd_error *err)
{
    cd_tensor *dx;
    CD_TRY(cd_tensor_new_shape(&dx, g->in[0]->dtype, 5, g->in[0]->shape, CD_CONTIGUOUS, err));
    channels_last(dx);
    return folded_gradient(g, dx, depth_windows, err);
}

const cd_op cd_op_unfold_depth = {.name = "unfold_depth",
                                  .backward_name = "UnfoldBackward0",
                                  .min_in = 1,
                                  .max_in = 1,
                                  .min_attr = DEPTH_ATTRS,
                                  .max_attr = DEPTH_ATTRS,
                                  .n_out = 1,
                                  .traits = CD_LINEAR,
                                  .shape = unfold_depth_shape,
                                  .forward = unfold_depth_forward,
                                  .backward = unfold_depth_backward};

/* fold_depth: inputs y and a bias of C elements or NULL */

static cd_status check_bias(const cd_call *call, int64_t C, cd_error *err)
{
    const cd_tensor *b = call->n_in > 1 ? call->in[1] : NULL;
    char got[CD_SHAPE_TEXT];
    if (b != NULL && (b->ndim != 1 || b->shape[0] != C)) {
        return cd_fail(err, CD_ESHAPE, "%s: bias must have %lld elements, got size %s.", call->op->name,
                       (long long)C, cd_shape_text(got, b->ndim, b->shape));
    }
    return CD_OK;
}

static cd_status fold_depth_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *y = call->in[0];
    CD_TRY(check_ndim(y, 4, call->op->name, err));
    CD_TRY(check_side(call->attr, call->op->name, err));
    const int64_t count = cd_int_attr(call->attr, DEPTH_WINDOWS), taps = cd_int_attr(call->attr, TAPS);
    if (count < 1 || y->shape[0] % count != 0 || y->shape[1] % taps != 0 || call->attr[DEPTH_SIZE] < 1) {
        return cd_fail(err, CD_ESHAPE, "%s: the output would be too small: its depth would be %g.",
                       call->op->name, call->attr[DEPTH_SIZE]);
    }
    CD_TRY(check_bias(call, y->shape[1] / taps, err));
    const int64_t shape[] = {y->shape[0] / count, y->shape[1] / taps, cd_int_attr(call->attr, DEPTH_SIZE),
                             y->shape[2], y->shape[3]};
    CD_TRY(cd_out(call, 0, y->dtype, 5, shape, CD_CONTIGUOUS, err));
    channels_last(call->out[0]);
    return CD_OK;
}

static cd_status start_from_bias(cd_tensor *x, const cd_tensor *bias, cd_error *err)
{
    static const int64_t zero[2 + SIDES] = {0};
    cd_tensor *view;
    int64_t stride[2 + SIDES];
    if (bias == NULL) {
        return cd_tensor_fill(x, 0, err);
    }
    memcpy(stride, zero, sizeof stride);
    stride[1] = bias->stride[0];
    CD_TRY(cd_tensor_view(&view, bias, 2 + SIDES, x->shape, stride, bias->offset, err));
    cd_status status = cd_tensor_copy(x, view, err);
    cd_tensor_release(view);
    return status;
}

static cd_status fold_depth_forward(cd_call *call, cd_error *err)
{
    cd_tensor *x = call->out[0], *y = call->in[0];
    const windows w = depth_windows(x, y, call->attr);
    CD_TRY(start_from_bias(x, call->n_in > 1 ? call->in[1] : NULL, err));
    return fold_into(x, y, &w, err);
}

static cd_status bias_gradient(cd_gradient *g, cd_error *err)
{
    cd_tensor *column = NULL;
    const cd_tensor *b = g->in[1];
    const int64_t shape[2 + SIDES] = {1, b->shape[0], 1, 1, 1}, stride[2 + SIDES] = {1, 1, 1, 1, 1};
    CD_TRY(cd_sum_to_shape(&column, g->dy[0], 2 + SIDES, shape, err));
    cd_tensor *vector = NULL;
    cd_status status = cd_tensor_view(&vector, column, 1, b->shape, stride, column->offset, err);
    if (status == CD_OK) {
        status = cd_tensor_as_dtype(&g->dx[1], vector, b->dtype, err);
    }
    cd_tensor_release(vector);
    cd_tensor_release(column);
    return status;
}

/* A new tensor of the shape of `like`, stored in that layout, unfolded from dy. */
static cd_status unfolded_gradient(cd_gradient *g, cd_layout layout, describer *describe, cd_error *err)
{
    cd_tensor *dx;
    const cd_tensor *y = g->in[0];
    CD_TRY(cd_tensor_new(&dx, y->dtype, y->ndim, y->shape, layout, err));
    const windows w = describe(g->dy[0], dx, g->attr);
    cd_status status = unfold_into(dx, g->dy[0], &w, err);
    if (status != CD_OK) {
        cd_tensor_release(dx);
        return status;
    }
    g->dx[0] = dx;
    return CD_OK;
}

static cd_status fold_depth_backward(cd_gradient *g, cd_error *err)
{
    if (g->n_in > 1 && g->wants[1]) {
        CD_TRY(bias_gradient(g, err));
    }
    return g->wants[0] ? unfolded_gradient(g, CD_CHANNELS_LAST, depth_windows, err) : CD_OK;
}

/* Linear in y; dbias is the sum of dy over all but the channels. */
static cd_status fold_depth_second(cd_gradient *g, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    if (g->wants[0]) {
        cd_expr_give(&e, g, 0, cd_expr_gradient_of(&e, g, 0, 1));
    }
    if (g->n_in > 1 && g->wants[1]) {
        const double attr[6] = {0, -1, 0, 2, 3, 4};
        cd_expr_give(&e, g, 1, cd_expr_op(&e, CD_OP_sum, 1, &g->dy[0], 6, attr));
    }
    return cd_expr_end(&e);
}

const cd_op cd_op_fold_depth = {.name = "fold_depth",
                                .backward_name = "FoldBackward0",
                                .min_in = 1,
                                .max_in = 2,
                                .min_attr = DEPTH_ATTRS,
                                .max_attr = DEPTH_ATTRS,
                                .n_out = 1,
                                .shape = fold_depth_shape,
                                .forward = fold_depth_forward,
                                .backward = fold_depth_backward,
                                .second = fold_depth_second};

/* ---- images: attributes of the height, of the width, and then the sizes of the image (fold) ---- */
enum {
    SIDE_H = 0,
    SIDE_W = SIDE_ATTRS,
    UNFOLD_ATTRS = 2 * SIDE_ATTRS,
    IMAGE_H = UNFOLD_ATTRS,
    IMAGE_W,
    FOLD_ATTRS
};

static int64_t window_count(const side *s)
{
    const int64_t room = s->size + 2 * s->pad - s->dilation * (s->taps - 1) - 1;
    return room < 0 ? 0 : room / s->stride + 1;
}

/* The sides of an image of these sizes. */
static void image_sides(side *s, int64_t H, int64_t W, const double *attr)
{
    s[DEPTH] = no_side;
    s[HEIGHT] = side_of(attr + SIDE_H);
    s[WIDTH] = side_of(attr + SIDE_W);
    s[HEIGHT].size = H;
    s[WIDTH].size = W;
    s[HEIGHT].count = window_count(&s[HEIGHT]);
    s[WIDTH].count = window_count(&s[WIDTH]);
}

/* x: N x C x H x W, y: N x (C R S) x L */
static windows image_windows(const cd_tensor *x, const cd_tensor *y, const double *attr)
{
    windows w = {.N = x->shape[0], .C = x->shape[1]};
    side *s = w.sides;
    image_sides(s, x->shape[2], x->shape[3], attr);
    memcpy(w.x_stride, x->stride, 2 * sizeof *w.x_stride);
    w.x_stride[2 + HEIGHT] = x->stride[2];
    w.x_stride[2 + WIDTH] = x->stride[3];
    w.y_stride[0] = y->stride[0];
    w.y_stride[1] = y->stride[1] * s[HEIGHT].taps * s[WIDTH].taps;
    w.y_stride[2 + HEIGHT] = y->stride[2] * s[WIDTH].count;
    w.y_stride[2 + WIDTH] = y->stride[2];
    w.tap_stride[HEIGHT] = y->stride[1] * s[WIDTH].taps;
    w.tap_stride[WIDTH] = y->stride[1];
    return w;
}

static cd_status check_sides(const cd_call *call, cd_error *err)
{
    CD_TRY(check_side(call->attr + SIDE_H, call->op->name, err));
    return check_side(call->attr + SIDE_W, call->op->name, err);
}

static cd_status unfold_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[0];
    char got[CD_SHAPE_TEXT];
    side s[SIDES];
    CD_TRY(check_ndim(x, 4, "unfold", err));
    CD_TRY(check_sides(call, err));
    image_sides(s, x->shape[2], x->shape[3], call->attr);
    const int64_t L = s[HEIGHT].count * s[WIDTH].count, taps = s[HEIGHT].taps * s[WIDTH].taps;
    if (L < 1) {
        return cd_fail(err, CD_ESHAPE, "unfold: no patch of %lld x %lld fits into an input of size %s.",
                       (long long)s[HEIGHT].taps, (long long)s[WIDTH].taps,
                       cd_shape_text(got, x->ndim, x->shape));
    }
    const int64_t shape[] = {x->shape[0], x->shape[1] * taps, L};
    return cd_out(call, 0, x->dtype, 3, shape, CD_CONTIGUOUS, err);
}

static cd_status unfold_forward(cd_call *call, cd_error *err)
{
    const windows w = image_windows(call->in[0], call->out[0], call->attr);
    return unfold_into(call->out[0], call->in[0], &w, err);
}

static cd_status unfold_backward(cd_gradient *g, cd_error *err)
{
    cd_tensor *dx;
    const cd_tensor *x = g->in[0];
    CD_TRY(cd_tensor_new_shape(&dx, x->dtype, x->ndim, x->shape, CD_CONTIGUOUS, err));
    return folded_gradient(g, dx, image_windows, err);
}

const cd_op cd_op_unfold = {.name = "unfold",
                            .backward_name = "Im2ColBackward0",
                            .min_in = 1,
                            .max_in = 1,
                            .min_attr = UNFOLD_ATTRS,
                            .max_attr = UNFOLD_ATTRS,
                            .n_out = 1,
                            .traits = CD_LINEAR,
                            .shape = unfold_shape,
                            .forward = unfold_forward,
                            .backward = unfold_backward};

static cd_status fold_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *y = call->in[0];
    char got[CD_SHAPE_TEXT];
    side s[SIDES];
    CD_TRY(check_ndim(y, 3, "fold", err));
    CD_TRY(check_sides(call, err));
    const int64_t H = cd_int_attr(call->attr, IMAGE_H), W = cd_int_attr(call->attr, IMAGE_W);
    image_sides(s, H, W, call->attr);
    const int64_t L = s[HEIGHT].count * s[WIDTH].count, taps = s[HEIGHT].taps * s[WIDTH].taps;
    if (H < 1 || W < 1 || y->shape[1] % taps != 0 || y->shape[2] != L) {
        return cd_fail(err, CD_ESHAPE, "fold: expected an input of size N x (C %lld) x %lld, got size %s.",
                       (long long)taps, (long long)L, cd_shape_text(got, y->ndim, y->shape));
    }
    const int64_t shape[] = {y->shape[0], y->shape[1] / taps, H, W};
    return cd_out(call, 0, y->dtype, 4, shape, CD_CONTIGUOUS, err);
}

static cd_status fold_forward(cd_call *call, cd_error *err)
{
    const windows w = image_windows(call->out[0], call->in[0], call->attr);
    CD_TRY(cd_tensor_fill(call->out[0], 0, err));
    return fold_into(call->out[0], call->in[0], &w, err);
}

static cd_status fold_backward(cd_gradient *g, cd_error *err)
{
    return unfolded_gradient(g, CD_CONTIGUOUS, image_windows, err);
}

const cd_op cd_op_fold = {.name = "fold",
                          .backward_name = "Col2ImBackward0",
                          .min_in = 1,
                          .max_in = 1,
                          .min_attr = FOLD_ATTRS,
                          .max_attr = FOLD_ATTRS,
                          .n_out = 1,
                          .traits = CD_LINEAR,
                          .shape = fold_shape,
                          .forward = fold_forward,
                          .backward = fold_backward};
