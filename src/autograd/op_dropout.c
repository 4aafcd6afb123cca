/* Dropout: elements, or whole channels, are set to 0 with probability p and the others divided by 1 - p.
 * Numbers are drawn from the default generator in row-major order, one for each element or channel. */
#include "autograd/dense.h"
#include "base/parallel.h"
#include "base/random.h"

enum { PROBABILITY, KEPT_DIMS };

/* KEPT_DIMS: draws are made for the first so many dimensions and hold for the rest. */

static cd_status dropout_shape(cd_call *call, cd_error *err)
{
    double p = call->attr[PROBABILITY];
    CD_TRY(cd_check_float(call->in[0], "dropout", err));
    if (!(p >= 0 && p <= 1)) {
        return cd_fail(err, CD_EVALUE, "dropout: probability has to be between 0 and 1, but got %g.", p);
    }
    return cd_out_like(call, 0, call->in[0], err);
}

/* What each element is multiplied with, in the memory order of y. */
static cd_status draw_factors(cd_tensor **factors, cd_tensor *y, const double *attr, cd_error *err)
{
    cd_tensor *draws;
    int64_t shape[CD_MAX_DIMS], kept = cd_int_attr(attr, KEPT_DIMS);
    double p = attr[PROBABILITY];
    for (int i = 0; i < y->ndim; i++) {
        shape[i] = i < kept ? y->shape[i] : 1;
    }
    CD_TRY(cd_tensor_new(&draws, CD_FLOAT32, y->ndim, shape, CD_CONTIGUOUS, err));
    float *d = cd_tensor_data(draws), scale = p < 1 ? (float)(1 / (1 - p)) : 0;
    cd_generator *generator = cd_random_default();
    for (int64_t i = 0; i < cd_tensor_numel(draws); i++) {
        d[i] = cd_random_double(generator) < 1 - p ? scale : 0;
    }
    cd_status status = cd_new_like(factors, y, err);
    if (status == CD_OK) {
        status = cd_tensor_copy(*factors, draws, err);
    }
    cd_tensor_release(draws);
    return status;
}

typedef struct {
    void *out;
    const void *x, *factors;
} product_task;

#define DEFINE_PRODUCT(name, T)                                             \
    static void name(void *context, int64_t begin, int64_t end, int thread) \
    {                                                                       \
        const product_task *t = context;                                    \
        T *out = t->out;                                                    \
        const T *x = t->x, *factors = t->factors;                           \
        (void)thread;                                                       \
        for (int64_t i = begin; i < end; i++) {                             \
            out[i] = x[i] * factors[i];                                     \
        }                                                                   \
    }
DEFINE_PRODUCT(product_f32, float)
DEFINE_PRODUCT(product_f64, double)

static cd_status multiply(cd_tensor *out, cd_tensor *x, const cd_tensor *factors, cd_error *err)
{
    cd_tensor *dense;
    CD_TRY(cd_dense_like(&dense, x, factors, err));
    product_task t = {cd_tensor_data(out), cd_tensor_data(dense), cd_tensor_data(factors)};
    cd_parallel_for(cd_tensor_numel(out), 32768, out->dtype == CD_FLOAT32 ? product_f32 : product_f64, &t);
    cd_tensor_release(dense);
    return CD_OK;
}

static cd_status dropout_forward(cd_call *call, cd_error *err)
{
    CD_TRY(draw_factors(&call->saved[0], call->out[0], call->attr, err));
    return multiply(call->out[0], call->in[0], call->saved[0], err);
}

static cd_status dropout_backward(cd_gradient *g, cd_error *err)
{
    CD_TRY(cd_new_like(&g->dx[0], g->saved[0], err));
    return multiply(g->dx[0], g->dy[0], g->saved[0], err);
}

const cd_op cd_op_dropout = {.name = "dropout",
                             .backward_name = "NativeDropoutBackward0",
                             .min_in = 1,
                             .max_in = 1,
                             .n_out = 1,
                             .shape = dropout_shape,
                             .forward = dropout_forward,
                             .backward = dropout_backward};
