/* Activations: y = f(x), element by element. */
#include "autograd/op.h"
#include "base/parallel.h"

#define GRAIN 32768

typedef struct {
    float *y;
    const float *x;
} relu_work;

static void relu_range(void *context, int64_t begin, int64_t end, int thread)
{
    const relu_work *w = context;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        w->y[i] = w->x[i] > 0 ? w->x[i] : 0;
    }
}

static cd_status relu_shape(cd_call *call, cd_error *err)
{
    return cd_out_like(call, 0, call->in[0], err);
}

static cd_status relu_forward(cd_call *call, cd_error *err)
{
    (void)err;
    relu_work w = {cd_tensor_data(call->out[0]), cd_tensor_data(call->in[0])};
    cd_parallel_for(cd_tensor_numel(call->in[0]), GRAIN, relu_range, &w);
    return CD_OK;
}

const cd_op cd_op_relu = {.name = "relu",
                          .min_in = 1,
                          .max_in = 1,
                          .n_out = 1,
                          .traits = CD_POINTWISE,
                          .shape = relu_shape,
                          .forward = relu_forward};
