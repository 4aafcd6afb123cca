#include "tensor/format.h"

#include <string.h>

/* Whether dimension `inner` varies more slowly in memory than `outer`, which comes before it: 1, or -1 where
 * `outer` does, or 0 where strides do not tell. */
static int should_swap(const cd_tensor *t, int outer, int inner)
{
    int64_t a = t->stride[outer], b = t->stride[inner];
    if (a == 0 || b == 0) {
        return 0;
    }
    if (a != b) {
        return a < b ? 1 : -1;
    }
    return t->shape[outer] < t->shape[inner];
}

/* The dimensions of t from the slowest to the fastest; as they are numbered where strides do not tell. */
static void order_of(int *order, const cd_tensor *t)
{
    for (int i = 0; i < t->ndim; i++) {
        order[i] = i;
    }
    for (int i = t->ndim - 2; i >= 0; i--) {
        for (int at = i, next = i + 1; next < t->ndim; next++) {
            int swap = should_swap(t, order[at], order[next]);
            if (swap < 0) {
                break;
            }
            if (swap > 0) {
                int moved = order[at];
                order[at] = order[next];
                order[next] = moved;
                at = next;
            }
        }
    }
}

static void close_gaps(int64_t *stride, const cd_tensor *t)
{
    int order[CD_MAX_DIMS];
    int64_t step = 1;
    order_of(order, t);
    for (int i = t->ndim - 1; i >= 0; i--) {
        stride[order[i]] = step;
        step *= t->shape[order[i]];
    }
}

cd_status cd_format_strides(int64_t *stride, const cd_tensor *t, int64_t format, cd_error *err)
{
    char shape[CD_SHAPE_TEXT];
    if (format < CD_FORMAT_CONTIGUOUS || format > CD_FORMAT_PRESERVE) {
        return cd_fail(err, CD_EVALUE, "unknown memory format %lld.", (long long)format);
    }
    if (format == CD_FORMAT_CHANNELS_LAST && t->ndim != 4) {
        return cd_fail(err, CD_ESHAPE,
                       "the channels-last format needs a tensor of 4 dimensions, got one of shape %s.",
                       cd_shape_text(shape, t->ndim, t->shape));
    }
    if (format != CD_FORMAT_PRESERVE) {
        cd_tensor_fill_strides(stride, t->ndim, t->shape, (cd_layout)format);
    } else if (cd_tensor_is_dense(t)) {
        memcpy(stride, t->stride, sizeof t->stride);
    } else {
        close_gaps(stride, t);
    }
    return CD_OK;
}

bool cd_format_is(const cd_tensor *t, cd_format format)
{
    return format == CD_FORMAT_CHANNELS_LAST ? cd_tensor_is_channels_last(t) : cd_tensor_is_contiguous(t);
}

cd_layout cd_format_common(int n, cd_tensor *const *in, int64_t numel)
{
    for (int i = 0; i < n; i++) {
        bool counts =
            in[i] != NULL && in[i]->ndim == 4 && (numel == CD_ANY_NUMEL || cd_tensor_numel(in[i]) == numel);
        if (counts && cd_tensor_preferred_layout(in[i]) == CD_CHANNELS_LAST) {
            return CD_CHANNELS_LAST;
        }
    }
    return CD_CONTIGUOUS;
}
