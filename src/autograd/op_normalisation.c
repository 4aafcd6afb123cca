/* Batch normalisation (Ioffe and Szegedy 2015) and normalisation of rows, on which layer, group and instance
 * normalisation stand. */
#include <math.h>
#include <string.h>

#include "autograd/channels.h"
#include "autograd/dense.h"
#include "base/memory.h"
#include "kernels/normalisation.h"
#include "tensor/elements.h"

enum { TRAINING, MOMENTUM, EPS, BATCH_ATTRS };
enum { X, WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VAR, BATCH_INPUTS };
enum { SAVED_MEAN, SAVED_RSTD };

/* inputs: x (N x C x ...), weight, bias, running_mean, running_var, the last four C or absent.
 * y = (x - mean) rstd weight + bias; statistics of the batch when training, else the running ones. */

static cd_tensor *optional(int n_in, cd_tensor *const *in, int i)
{
    return i < n_in ? in[i] : NULL;
}

static cd_status check_channels(const cd_call *call, cd_error *err)
{
    static const char *const names[] = {"input", "weight", "bias", "running_mean", "running_var"};
    int64_t C = call->in[X]->shape[1];
    char got[CD_SHAPE_TEXT], input[CD_SHAPE_TEXT];
    for (int i = WEIGHT; i < call->n_in; i++) {
        const cd_tensor *t = call->in[i];
        if (t != NULL && cd_tensor_numel(t) != C) {
            return cd_fail(
                err, CD_ESHAPE, "batch_norm: %s should contain %lld elements for input of size %s, not %s.",
                names[i], (long long)C, cd_shape_text(input, call->in[X]->ndim, call->in[X]->shape),
                cd_shape_text(got, t->ndim, t->shape));
        }
    }
    return CD_OK;
}

static cd_status batch_norm_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[X];
    char got[CD_SHAPE_TEXT];
    if (x->ndim < 2 || x->ndim > 5) {
        return cd_fail(err, CD_ESHAPE, "batch_norm: expected an input of 2 to 5 dimensions, got size %s.",
                       cd_shape_text(got, x->ndim, x->shape));
    }
    CD_TRY(cd_check_float(x, "batch_norm", err));
    CD_TRY(check_channels(call, err));
    bool training = call->attr[TRAINING] != 0;
    bool no_running = optional(call->n_in, call->in, RUNNING_MEAN) == NULL ||
                      optional(call->n_in, call->in, RUNNING_VAR) == NULL;
    if (!training && no_running) {
        return cd_fail(err, CD_EVALUE,
                       "batch_norm: running_mean and running_var must be given when not training.");
    }
    if (training && x->shape[1] > 0 && cd_tensor_numel(x) == x->shape[1]) {
        return cd_fail(err, CD_EVALUE,
                       "batch_norm: expected more than 1 value per channel when training, got input size %s.",
                       cd_shape_text(got, x->ndim, x->shape));
    }
    return cd_out_like(call, 0, x, err);
}

static cd_status new_vector(cd_tensor **t, int64_t C, cd_error *err)
{
    return cd_tensor_new(t, CD_FLOAT64, 1, &C, CD_CONTIGUOUS, err);
}

/* Of x, which is dense: the mean of each channel and the sum of squared distances from it. */
static cd_status mean_and_M2(double *mean, double *M2, const cd_tensor *x, cd_error *err)
{
    return cdk_channel_mean_m2[x->dtype](mean, M2, cd_tensor_data(x), cd_channels_of(x), err);
}

/* running = (1 - momentum) running + momentum (factor value) */
static cd_status move_running(cd_tensor *running, const cd_tensor *value, double factor, double momentum,
                              cd_error *err)
{
    cd_tensor *moved;
    if (running == NULL) {
        return CD_OK;
    }
    CD_TRY(new_vector(&moved, value->shape[0], err));
    double *m = cd_tensor_data(moved), *v = cd_tensor_data(value);
    for (int64_t c = 0; c < value->shape[0]; c++) {
        m[c] = (1 - momentum) * cd_tensor_get(running, c) + momentum * factor * v[c];
    }
    cd_status status = cd_tensor_copy(running, moved, err);
    cd_tensor_release(moved);
    return status;
}

/* Mean and sums of squares of the batch: those that are known already, or of x. */
static cd_status take_statistics(cd_call *call, const cd_tensor *x, const cd_fused *with, cd_error *err)
{
    double *mean = cd_tensor_data(call->saved[SAVED_MEAN]), *M2 = cd_tensor_data(call->saved[SAVED_RSTD]);
    if (with->mean == NULL) {
        return mean_and_M2(mean, M2, x, err);
    }
    memcpy(mean, with->mean, (size_t)call->in[X]->shape[1] * sizeof *mean);
    memcpy(M2, with->M2, (size_t)call->in[X]->shape[1] * sizeof *M2);
    return CD_OK;
}

/* Mean and variance of the batch into saved, and the running statistics moved towards them. */
static cd_status batch_statistics(cd_call *call, const cd_tensor *x, const cd_fused *with, cd_error *err)
{
    cd_tensor *mean = call->saved[SAVED_MEAN], *var = call->saved[SAVED_RSTD];
    const int64_t C = call->in[X]->shape[1];
    double count = (double)(cd_tensor_numel(call->in[X]) / C), *v = cd_tensor_data(var);
    double momentum = call->attr[MOMENTUM];
    CD_TRY(take_statistics(call, x, with, err));
    for (int64_t c = 0; c < C; c++) {
        v[c] /= count;
    }
    CD_TRY(move_running(optional(call->n_in, call->in, RUNNING_MEAN), mean, 1, momentum, err));
    return move_running(optional(call->n_in, call->in, RUNNING_VAR), var, count / (count - 1), momentum, err);
}

/* Into saved: mean and 1 / sqrt(variance + eps), of the batch or the running ones. x: the input, dense; it is
 * not read where the statistics are known. */
static cd_status statistics(cd_call *call, const cd_tensor *x, const cd_fused *with, cd_error *err)
{
    int64_t C = call->in[X]->shape[1];
    CD_TRY(new_vector(&call->saved[SAVED_MEAN], C, err));
    CD_TRY(new_vector(&call->saved[SAVED_RSTD], C, err));
    double *mean = cd_tensor_data(call->saved[SAVED_MEAN]), *rstd = cd_tensor_data(call->saved[SAVED_RSTD]);
    if (call->attr[TRAINING] != 0) {
        CD_TRY(batch_statistics(call, x, with, err));
    } else {
        for (int64_t c = 0; c < C; c++) {
            mean[c] = cd_tensor_get(call->in[RUNNING_MEAN], c);
            rstd[c] = cd_tensor_get(call->in[RUNNING_VAR], c);
        }
    }
    for (int64_t c = 0; c < C; c++) {
        rstd[c] = 1 / sqrt(rstd[c] + call->attr[EPS]);
    }
    return CD_OK;
}

/* y = scale x + shift per channel is the whole of normalisation, once the statistics are known. */
static void coefficients(double *scale, double *shift, const cd_call *call)
{
    const cd_tensor *weight = optional(call->n_in, call->in, WEIGHT),
                    *bias = optional(call->n_in, call->in, BIAS);
    const double *mean = cd_tensor_data(call->saved[SAVED_MEAN]),
                 *rstd = cd_tensor_data(call->saved[SAVED_RSTD]);
    for (int64_t c = 0; c < call->in[X]->shape[1]; c++) {
        scale[c] = rstd[c] * (weight != NULL ? cd_tensor_get(weight, c) : 1);
        shift[c] = (bias != NULL ? cd_tensor_get(bias, c) : 0) - mean[c] * scale[c];
    }
}

static cd_status normalise(cd_call *call, const cd_tensor *x, cd_error *err)
{
    static const cd_fused alone = {.after = {.activation = CDK_ACTIVATION_NONE}};
    const size_t C = (size_t)x->shape[1];
    void *block;
    CD_TRY(cd_memory_alloc(&block, 2 * C * sizeof(double), err));
    double *scale = block, *shift = scale + C;
    cd_status status = statistics(call, x, &alone, err);
    if (status == CD_OK) {
        coefficients(scale, shift, call);
        status = cd_channel_affine(call->out[0], x, scale, shift, &alone.after, err);
    }
    cd_memory_free(block);
    return status;
}

static cd_status batch_norm_forward(cd_call *call, cd_error *err)
{
    cd_tensor *x;
    if (cd_tensor_numel(call->in[X]) == 0) {
        return CD_OK;
    }
    CD_TRY(cd_dense_like(&x, call->in[X], call->out[0], err));
    cd_status status = normalise(call, x, err);
    cd_tensor_release(x);
    return status;
}

/* in[X] is dense where it is read: statistics of the batch that nobody has taken yet. */
static cd_status batch_norm_fused(bool *done, cd_call *call, const cd_fused *with, cd_error *err)
{
    const cd_tensor *x = call->in[X];
    const bool known = call->attr[TRAINING] == 0 || with->mean != NULL;
    *done = with->scale != NULL && (known || x->storage != NULL) && cd_tensor_numel(x) > 0;
    if (!*done || with->only_asks) {
        return CD_OK;
    }
    CD_TRY(statistics(call, x, with, err));
    coefficients(with->scale, with->shift, call);
    return CD_OK;
}

/* Vectors of C doubles of one backward pass. */
typedef struct {
    double *sum_dy, *sum_dyx, *a, *b, *d;
} gradient_vectors;

static cd_status gradient_sums(gradient_vectors *v, const double *mean, const cd_tensor *dy,
                               const cd_tensor *x, cd_error *err)
{
    return cdk_channel_gradient_sums[x->dtype](v->sum_dy, v->sum_dyx, cd_tensor_data(dy), cd_tensor_data(x),
                                               mean, cd_channels_of(x), err);
}

/* dx = weight rstd (dy - mean(dy) - xhat mean(dy xhat)) when training, weight rstd dy otherwise. */
static void gradient_coefficients(gradient_vectors *v, const cd_gradient *g)
{
    const cd_tensor *x = g->in[X], *weight = optional(g->n_in, g->in, WEIGHT);
    const double *rstd = cd_tensor_data(g->saved[SAVED_RSTD]);
    double count = (double)(cd_tensor_numel(x) / x->shape[1]);
    bool training = g->attr[TRAINING] != 0;
    for (int64_t c = 0; c < x->shape[1]; c++) {
        v->a[c] = rstd[c] * (weight != NULL ? cd_tensor_get(weight, c) : 1);
        v->b[c] = training ? -v->a[c] * rstd[c] * rstd[c] * v->sum_dyx[c] / count : 0;
        v->d[c] = training ? -v->a[c] * v->sum_dy[c] / count : 0;
    }
}

static cd_status vector_gradient(cd_tensor **dw, const cd_tensor *like, const double *sums,
                                 const double *factor, cd_error *err)
{
    cd_tensor *exact;
    int64_t C = cd_tensor_numel(like);
    CD_TRY(cd_tensor_new(&exact, CD_FLOAT64, like->ndim, like->shape, CD_CONTIGUOUS, err));
    double *e = cd_tensor_data(exact);
    for (int64_t c = 0; c < C; c++) {
        e[c] = sums[c] * (factor != NULL ? factor[c] : 1);
    }
    cd_status status = cd_tensor_as(dw, exact, like->dtype, CD_CONTIGUOUS, err);
    cd_tensor_release(exact);
    return status;
}

static cd_status input_gradient(cd_gradient *g, const gradient_vectors *v, const cd_tensor *dy,
                                const cd_tensor *x, cd_error *err)
{
    const cdk_channel_coefficients by = {cd_tensor_data(g->saved[SAVED_MEAN]), v->a, v->b, v->d};
    CD_TRY(cd_new_like(&g->dx[X], x, err));
    return cdk_channel_gradient[x->dtype](cd_tensor_data(g->dx[X]), cd_tensor_data(dy), cd_tensor_data(x),
                                          &by, cd_channels_of(x), err);
}

static bool wanted(const cd_gradient *g, int i)
{
    return i < g->n_in && g->wants[i];
}

static cd_status all_gradients(cd_gradient *g, gradient_vectors *v, const cd_tensor *dy, const cd_tensor *x,
                               cd_error *err)
{
    const double *mean = cd_tensor_data(g->saved[SAVED_MEAN]), *rstd = cd_tensor_data(g->saved[SAVED_RSTD]);
    CD_TRY(gradient_sums(v, mean, dy, x, err));
    gradient_coefficients(v, g);
    if (wanted(g, WEIGHT)) {
        CD_TRY(vector_gradient(&g->dx[WEIGHT], g->in[WEIGHT], v->sum_dyx, rstd, err));
    }
    if (wanted(g, BIAS)) {
        CD_TRY(vector_gradient(&g->dx[BIAS], g->in[BIAS], v->sum_dy, NULL, err));
    }
    return wanted(g, X) ? input_gradient(g, v, dy, x, err) : CD_OK;
}

static cd_status batch_norm_backward(cd_gradient *g, cd_error *err)
{
    cd_tensor *x = NULL, *dy = NULL;
    void *block = NULL;
    int64_t C = g->in[X]->shape[1];
    if (g->saved[SAVED_MEAN] == NULL) {
        return CD_OK;
    }
    cd_status status = cd_tensor_as(&x, g->in[X], g->in[X]->dtype, cd_tensor_preferred_layout(g->in[X]), err);
    if (status == CD_OK) {
        status = cd_dense_like(&dy, g->dy[0], x, err);
    }
    if (status == CD_OK) {
        status = cd_memory_alloc(&block, 5 * (size_t)C * sizeof(double), err);
    }
    if (status == CD_OK) {
        double *d = block;
        gradient_vectors v = {d, d + C, d + 2 * C, d + 3 * C, d + 4 * C};
        status = all_gradients(g, &v, dy, x, err);
    }
    cd_memory_free(block);
    cd_tensor_release(x);
    cd_tensor_release(dy);
    return status;
}

const cd_op cd_op_batch_norm = {.name = "batch_norm",
                                .backward_name = "NativeBatchNormBackward0",
                                .min_in = 1,
                                .max_in = BATCH_INPUTS,
                                .min_attr = BATCH_ATTRS,
                                .max_attr = BATCH_ATTRS,
                                .n_out = 1,
                                .keeps = CD_KEEP_IN(X) | CD_KEEP_IN(WEIGHT),
                                .shape = batch_norm_shape,
                                .forward = batch_norm_forward,
                                .backward = batch_norm_backward,
                                .fused = batch_norm_fused};

/* row_norm: the elements of x in row-major order, LENGTH at a time, are brought to mean 0 and variance 1. */

enum { LENGTH, ROW_EPS };

static cd_status row_norm_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[0];
    int64_t length = cd_int_attr(call->attr, LENGTH);
    CD_TRY(cd_check_float(x, "normalisation", err));
    if (length < 1 || cd_tensor_numel(x) % length != 0) {
        return cd_fail(err, CD_ESHAPE, "normalisation: %lld elements cannot be cut into rows of %lld.",
                       (long long)cd_tensor_numel(x), (long long)length);
    }
    return cd_out(call, 0, x->dtype, x->ndim, x->shape, CD_CONTIGUOUS, err);
}

static cd_status row_norm_forward(cd_call *call, cd_error *err)
{
    cd_tensor *x;
    int64_t length = cd_int_attr(call->attr, LENGTH), rows = cd_tensor_numel(call->in[0]) / length;
    CD_TRY(new_vector(&call->saved[0], rows, err));
    CD_TRY(cd_dense_like(&x, call->in[0], call->out[0], err));
    double *rstd = cd_tensor_data(call->saved[0]);
    void *y = cd_tensor_data(call->out[0]);
    cdk_row_normalise[x->dtype](y, rstd, cd_tensor_data(x), rows, length, call->attr[ROW_EPS]);
    cd_tensor_release(x);
    return CD_OK;
}

static cd_status row_norm_backward(cd_gradient *g, cd_error *err)
{
    cd_tensor *dy, *y = g->out[0];
    int64_t rows = g->saved[0]->shape[0], length = cd_int_attr(g->attr, LENGTH);
    CD_TRY(cd_dense_like(&dy, g->dy[0], y, err));
    cd_status status = cd_new_like(&g->dx[0], y, err);
    const double *rstd = cd_tensor_data(g->saved[0]);
    if (status == CD_OK) {
        cdk_row_gradient[y->dtype](cd_tensor_data(g->dx[0]), cd_tensor_data(dy), cd_tensor_data(y), rstd,
                                   rows, length);
    }
    cd_tensor_release(dy);
    return status;
}

const cd_op cd_op_row_norm = {.name = "row_norm",
                              .backward_name = "NativeLayerNormBackward0",
                              .min_in = 1,
                              .max_in = 1,
                              .min_attr = 2,
                              .max_attr = 2,
                              .n_out = 1,
                              .keeps = CD_KEEP_OUT(0),
                              .shape = row_norm_shape,
                              .forward = row_norm_forward,
                              .backward = row_norm_backward};
