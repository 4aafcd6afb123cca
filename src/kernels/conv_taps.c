
#include "kernels/conv_taps.h"

#include "base/memory.h"

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    return -floor_div(-a, b);
}

static void add_tap(cdk_axis *axis, int64_t at, int64_t tap, int64_t offset)
{
    const int none = axis->start[axis->phases] == 0;
    axis->tap[at] = tap;
    axis->offset[at] = offset;
    axis->low = none || offset < axis->low ? offset : axis->low;
    axis->high = none || offset > axis->high ? offset : axis->high;
    axis->start[axis->phases] = at + 1;
}

static void forward_axis(cdk_axis *axis, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation)
{
    axis->in_step = stride;
    axis->out_step = 1;
    for (int64_t r = 0; r < kernel; r++) {
        add_tap(axis, r, r, r * dilation - pad);
    }
}

static void backward_axis(cdk_axis *axis, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation)
{
    int64_t taps = 0;
    axis->in_step = 1;
    axis->out_step = stride;
    for (int64_t phase = 0; phase < stride; phase++) {
        axis->start[phase] = taps;
        for (int64_t r = kernel - 1; r >= 0; r--) {
            const int64_t distance = phase + pad - r * dilation;
            if (distance % stride == 0) {
                add_tap(axis, taps++, r, distance / stride);
            }
        }
    }
    axis->start[stride] = taps;
}

static void make_axis(cdk_axis *axis, int64_t *memory, int64_t kernel, int64_t stride, int64_t pad,
                      int64_t dilation, int backward)
{
    axis->phases = backward ? stride : 1;
    axis->start = memory;
    axis->tap = memory + stride + 1;
    axis->offset = axis->tap + kernel;
    axis->start[0] = 0;
    axis->start[axis->phases] = 0;
    (backward ? backward_axis : forward_axis)(axis, kernel, stride, pad, dilation);
}

cd_status cdk_taps_make(cdk_taps *taps, const cdk_conv *conv, int backward, cd_error *err)
{
    const int64_t h_size = conv->stride_h + 1 + 2 * conv->R, w_size = conv->stride_w + 1 + 2 * conv->S;
    const int64_t c_group = conv->C / conv->groups, k_group = conv->K / conv->groups;
    void *memory = NULL;
    size_t bytes = 0;
    CD_TRY(cd_memory_size(&bytes, (size_t)(h_size + w_size), sizeof(int64_t), 1, err));
    CD_TRY(cd_memory_alloc(&memory, bytes, err));
    *taps = (cdk_taps){.N = conv->N, .groups = conv->groups, .memory = memory};
    make_axis(&taps->h, taps->memory, conv->R, conv->stride_h, conv->pad_top, conv->dilation_h, backward);
    make_axis(&taps->w, taps->memory + h_size, conv->S, conv->stride_w, conv->pad_left, conv->dilation_w,
              backward);
    taps->h.outputs = backward ? conv->H : conv->OH;
    taps->h.inputs = backward ? conv->OH : conv->H;
    taps->w.outputs = backward ? conv->W : conv->OW;
    taps->w.inputs = backward ? conv->OW : conv->W;
    taps->in_channels = backward ? conv->K : conv->C;
    taps->out_channels = backward ? conv->C : conv->K;
    taps->in_group = backward ? k_group : c_group;
    taps->out_group = backward ? c_group : k_group;
    taps->kernel_w = conv->S;
    taps->kernel_size = conv->R * conv->S;
    taps->weight_group = k_group * c_group * taps->kernel_size;
    taps->weight_out = backward ? taps->kernel_size : c_group * taps->kernel_size;
    taps->weight_in = backward ? c_group * taps->kernel_size : taps->kernel_size;
    return CD_OK;
}

void cdk_taps_free(cdk_taps *taps)
{
    cd_memory_free(taps->memory);
    taps->memory = NULL;
}

int64_t cdk_axis_count(const cdk_axis *axis, int64_t phase)
{
    return phase >= axis->outputs ? 0 : (axis->outputs - phase + axis->out_step - 1) / axis->out_step;
}

void cdk_axis_valid(const cdk_axis *axis, int64_t i, int64_t count, int64_t *first, int64_t *last)
{
    const int64_t begin = ceil_div(-axis->offset[i], axis->in_step);
    const int64_t end = floor_div(axis->inputs - 1 - axis->offset[i], axis->in_step) + 1;
    *last = end < 0 ? 0 : end > count ? count : end;
    *first = begin < 0 ? 0 : begin > *last ? *last : begin;
}

int cdk_conv_is_pointwise(const cdk_conv *conv)
{
    return conv->R == 1 && conv->S == 1 && conv->stride_h == 1 && conv->stride_w == 1 && conv->pad_top == 0 &&
           conv->pad_left == 0 && conv->OH == conv->H && conv->OW == conv->W;
}
