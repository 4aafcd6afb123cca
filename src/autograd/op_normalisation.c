/* Normalisation: of batches (Ioffe and Szegedy 2015), of groups of channels (Wu and He 2018), of which those
 * of one channel are instance normalisation, and of rows. */
#include <math.h>
#include <string.h>

#include "autograd/channels.h"
#include "autograd/dense.h"
#include "autograd/expression.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "kernels/normalisation.h"
#include "tensor/elements.h"
#include "tensor/format.h"

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
            return cd_fail(err, CD_ESHAPE,
                           "%s: %s should contain %lld elements for input of size %s, not %s.",
                           call->op->name, names[i], (long long)C,
                           cd_shape_text(input, call->in[X]->ndim, call->in[X]->shape),
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
    CD_TRY(cd_stoppable_check(err));
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

/* ---- gradients of all of them as formulas of operators, for gradients of gradients ---- */

/* What is normalised: x seen in a shape, over some of its dimensions; weight and bias in a shape that fits
 * x. */
typedef struct {
    int ndim, n_over, n_vector;
    int64_t shape[CD_MAX_DIMS], vector[CD_MAX_DIMS];
    double over[2 + CD_MAX_DIMS]; /* attributes of a mean */
    double eps;
    bool centred;
} normalising;

static cd_tensor *mean_over(cd_expr *e, const normalising *n, cd_tensor *t)
{
    return cd_expr_op(e, CD_OP_mean, 1, &t, 2 + n->n_over, n->over);
}

static cd_tensor *seen(cd_expr *e, const normalising *n, cd_tensor *t)
{
    return t == NULL ? NULL : cd_expr_reshape(e, t, n->ndim, n->shape);
}

static cd_tensor *vector_of(cd_expr *e, const normalising *n, cd_tensor *v)
{
    return cd_expr_reshape(e, v, n->n_vector, n->vector);
}

/* g->dx[i] = t summed to the vector. */
static void give_vector(cd_expr *e, cd_gradient *g, int i, const normalising *n, cd_tensor *t)
{
    double size[CD_MAX_DIMS];
    for (int d = 0; d < n->n_vector; d++) {
        size[d] = (double)n->vector[d];
    }
    cd_tensor *sum = cd_expr_op(e, CD_OP_sum_to_shape, 1, &t, n->n_vector, size);
    cd_expr_give(e, g, i, sum == NULL ? NULL : cd_expr_reshape(e, sum, g->in[i]->ndim, g->in[i]->shape));
}

/* dx = rstd (dz - mean(dz) - xhat mean(dz xhat)) with dz = dy weight; not centred: without mean(dz). */
static cd_status normalising_second(cd_gradient *g, const normalising *n, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    const cd_tensor *like = g->in[X];
    cd_tensor *x = seen(&e, n, g->in[X]), *dy = g->dy[0], *weight = optional(g->n_in, g->in, WEIGHT);
    x = n->centred ? cd_expr_sub(&e, x, mean_over(&e, n, x)) : x;
    cd_tensor *rstd =
        cd_expr1(&e, CD_OP_rsqrt, cd_expr_plus(&e, mean_over(&e, n, cd_expr1(&e, CD_OP_square, x)), n->eps));
    cd_tensor *xhat = cd_expr_mul(&e, x, rstd);
    if (g->wants[X]) {
        cd_tensor *dz = seen(&e, n, weight != NULL ? cd_expr_mul(&e, dy, vector_of(&e, n, weight)) : dy);
        cd_tensor *dx = n->centred ? cd_expr_sub(&e, dz, mean_over(&e, n, dz)) : dz;
        dx = cd_expr_sub(&e, dx, cd_expr_mul(&e, xhat, mean_over(&e, n, cd_expr_mul(&e, dz, xhat))));
        dx = cd_expr_mul(&e, dx, rstd);
        cd_expr_give(&e, g, X, dx == NULL ? NULL : cd_expr_reshape(&e, dx, like->ndim, like->shape));
    }
    if (wanted(g, WEIGHT)) {
        cd_tensor *whole = xhat == NULL ? NULL : cd_expr_reshape(&e, xhat, like->ndim, like->shape);
        give_vector(&e, g, WEIGHT, n, cd_expr_mul(&e, dy, whole));
    }
    if (wanted(g, BIAS)) {
        give_vector(&e, g, BIAS, n, dy);
    }
    return cd_expr_end(&e);
}

/* Over the last of two dimensions. */
static normalising by_rows(int64_t rows, int64_t length, double eps)
{
    return (normalising){
        .ndim = 2, .n_over = 1, .shape = {rows, length}, .over = {1, -1, 1}, .eps = eps, .centred = true};
}

/* Vectors with one element for each channel. */
static void by_channel(normalising *n, const cd_tensor *x)
{
    n->n_vector = x->ndim;
    for (int d = 0; d < x->ndim; d++) {
        n->vector[d] = d == 1 ? x->shape[1] : 1;
    }
}

/* Statistics that do not come from x: y = (x - mean) rstd weight + bias. */
static cd_status fixed_norm_second(cd_gradient *g, const normalising *n, cd_error *err)
{
    cd_expr e = cd_expr_begin(err);
    cd_tensor *mean = vector_of(&e, n, g->saved[SAVED_MEAN]), *rstd = vector_of(&e, n, g->saved[SAVED_RSTD]);
    const double as_x[2] = {g->in[X]->dtype, CD_FORMAT_PRESERVE};
    mean = cd_expr_op(&e, CD_OP_to_dtype, 1, &mean, 2, as_x);
    rstd = cd_expr_op(&e, CD_OP_to_dtype, 1, &rstd, 2, as_x);
    cd_tensor *weight = optional(g->n_in, g->in, WEIGHT), *dy = cd_expr_mul(&e, g->dy[0], rstd);
    if (g->wants[X]) {
        cd_expr_give(&e, g, X, weight != NULL ? cd_expr_mul(&e, dy, vector_of(&e, n, weight)) : dy);
    }
    if (wanted(g, WEIGHT)) {
        give_vector(&e, g, WEIGHT, n, cd_expr_mul(&e, dy, cd_expr_sub(&e, g->in[X], mean)));
    }
    if (wanted(g, BIAS)) {
        give_vector(&e, g, BIAS, n, g->dy[0]);
    }
    return cd_expr_end(&e);
}

static cd_status batch_norm_second(cd_gradient *g, cd_error *err)
{
    const cd_tensor *x = g->in[X];
    normalising n = {.ndim = x->ndim, .over = {1, -1, 0}, .n_over = 1, .eps = g->attr[EPS], .centred = true};
    if (g->saved[SAVED_MEAN] == NULL) {
        return CD_OK;
    }
    memcpy(n.shape, x->shape, sizeof n.shape);
    by_channel(&n, x);
    for (int d = 2; d < x->ndim; d++) {
        n.over[2 + n.n_over++] = d;
    }
    return (g->attr[TRAINING] != 0 ? normalising_second : fixed_norm_second)(g, &n, err);
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
                                .second = batch_norm_second,
                                .fused = batch_norm_fused};

/* group_norm: inputs x (N x C x ...), weight, bias (C or absent). Each sample's groups of neighbouring
 * channels are brought to mean 0 and variance 1. The sums are those of a batch norm that takes each sample's
 * channels for channels of their own; those of a group are joined. */

enum { GROUPS, GROUP_EPS };

static cd_status group_norm_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[X];
    const int64_t groups = cd_int_attr(call->attr, GROUPS);
    char got[CD_SHAPE_TEXT];
    CD_TRY(cd_check_float(x, "group_norm", err));
    if (x->ndim < 2 || groups < 1 || x->shape[1] % groups != 0) {
        return cd_fail(err, CD_ESHAPE,
                       "group_norm: expected the number of channels to be divisible by %lld groups, got an "
                       "input of size "
                       "%s.",
                       (long long)groups, cd_shape_text(got, x->ndim, x->shape));
    }
    CD_TRY(check_channels(call, err));
    return cd_out_like(call, 0, x, err);
}

static cdk_channels samples_of(const cd_tensor *x)
{
    cdk_channels s = cd_channels_of(x);
    s.samples = x->shape[0];
    return s;
}

/* How x is cut into groups. */
typedef struct {
    int64_t samples, groups, channels; /* channels of a group */
    double count, elements;            /* of a channel, of a group */
} grouping;

static grouping grouping_of(const cd_tensor *x, const double *attr)
{
    grouping k = {.samples = x->shape[0], .groups = cd_int_attr(attr, GROUPS)};
    k.channels = x->shape[1] / k.groups;
    k.count = (double)cd_tensor_numel(x) / (double)(x->shape[0] * x->shape[1]);
    k.elements = k.count * (double)k.channels;
    return k;
}

/* Of the channels of each group, mean and M2 become those of the group, in place of the first one's. */
static void join_groups(double *group_mean, double *group_M2, const double *mean, const double *M2,
                        const grouping *k)
{
    for (int64_t g = 0; g < k->samples * k->groups; g++) {
        const double *m = mean + g * k->channels, *squares = M2 + g * k->channels;
        double sum = 0, distances = 0;
        for (int64_t c = 0; c < k->channels; c++) {
            sum += m[c];
        }
        group_mean[g] = sum / (double)k->channels;
        for (int64_t c = 0; c < k->channels; c++) {
            distances += squares[c] + k->count * (m[c] - group_mean[g]) * (m[c] - group_mean[g]);
        }
        group_M2[g] = distances;
    }
}

static double factor_at(const cd_tensor *t, int64_t c, double otherwise)
{
    return t != NULL ? cd_tensor_get(t, c) : otherwise;
}

/* Vectors of samples x channels doubles, one after the other in one block. */
static cd_status channel_vectors(double **v, const cd_tensor *x, int count, cd_error *err)
{
    void *block;
    CD_TRY(cd_memory_alloc(&block, (size_t)(x->shape[0] * x->shape[1] * count) * sizeof(double), err));
    *v = block;
    return CD_OK;
}

/* Into saved: mean and 1 / sqrt(variance + eps) of each sample's groups. */
static cd_status group_statistics(cd_call *call, const cd_tensor *x, double *scratch, cd_error *err)
{
    const grouping k = grouping_of(x, call->attr);
    double *mean = scratch, *M2 = scratch + x->shape[0] * x->shape[1];
    CD_TRY(new_vector(&call->saved[SAVED_MEAN], k.samples * k.groups, err));
    CD_TRY(new_vector(&call->saved[SAVED_RSTD], k.samples * k.groups, err));
    CD_TRY(cdk_channel_mean_m2[x->dtype](mean, M2, cd_tensor_data(x), samples_of(x), err));
    double *group_mean = cd_tensor_data(call->saved[SAVED_MEAN]),
           *rstd = cd_tensor_data(call->saved[SAVED_RSTD]);
    join_groups(group_mean, rstd, mean, M2, &k);
    for (int64_t g = 0; g < k.samples * k.groups; g++) {
        rstd[g] = 1 / sqrt(rstd[g] / k.elements + call->attr[GROUP_EPS]);
    }
    return CD_OK;
}

static cd_status group_normalise(cd_call *call, const cd_tensor *x, double *scratch, cd_error *err)
{
    const grouping k = grouping_of(x, call->attr);
    const cd_tensor *weight = optional(call->n_in, call->in, WEIGHT),
                    *bias = optional(call->n_in, call->in, BIAS);
    const int64_t C = x->shape[1];
    double *scale = scratch, *shift = scratch + x->shape[0] * C;
    CD_TRY(group_statistics(call, x, scratch, err));
    const double *mean = cd_tensor_data(call->saved[SAVED_MEAN]),
                 *rstd = cd_tensor_data(call->saved[SAVED_RSTD]);
    for (int64_t i = 0; i < x->shape[0] * C; i++) {
        scale[i] = rstd[i / k.channels] * factor_at(weight, i % C, 1);
        shift[i] = factor_at(bias, i % C, 0) - mean[i / k.channels] * scale[i];
    }
    return cdk_channel_affine[x->dtype](cd_tensor_data(call->out[0]), cd_tensor_data(x), scale, shift,
                                        CDK_ACTIVATION_NONE, samples_of(x), err);
}

static cd_status group_norm_forward(cd_call *call, cd_error *err)
{
    cd_tensor *x = NULL;
    double *scratch = NULL;
    if (cd_tensor_numel(call->in[X]) == 0) {
        return CD_OK;
    }
    cd_status status = cd_dense_like(&x, call->in[X], call->out[0], err);
    if (status == CD_OK) {
        status = channel_vectors(&scratch, x, 2, err);
    }
    if (status == CD_OK) {
        status = group_normalise(call, x, scratch, err);
    }
    cd_memory_free(scratch);
    cd_tensor_release(x);
    return status;
}

/* Of every sample's channels: the mean of their group, sums of dy and of dy (x - mean), and what dx is made
 * of. */
typedef struct {
    double *mean, *sum_dy, *sum_dyx, *a, *b, *d;
} group_vectors;

/* dx = rstd (w dy - mean(w dy) - h mean(w dy h)), h = (x - mean) rstd, means over the group */
static void group_coefficients(group_vectors *v, const cd_gradient *g, const grouping *k)
{
    const cd_tensor *weight = optional(g->n_in, g->in, WEIGHT);
    const double *rstd = cd_tensor_data(g->saved[SAVED_RSTD]);
    const int64_t C = k->groups * k->channels;
    for (int64_t group = 0; group < k->samples * k->groups; group++) {
        const int64_t first = group * k->channels;
        double sum = 0, product = 0;
        for (int64_t i = first; i < first + k->channels; i++) {
            sum += factor_at(weight, i % C, 1) * v->sum_dy[i];
            product += factor_at(weight, i % C, 1) * v->sum_dyx[i];
        }
        for (int64_t i = first; i < first + k->channels; i++) {
            v->a[i] = rstd[group] * factor_at(weight, i % C, 1);
            v->b[i] = -rstd[group] * rstd[group] * rstd[group] * product / k->elements;
            v->d[i] = -rstd[group] * sum / k->elements;
        }
    }
}

/* Adds up over the samples, into the first one's sums: those of dyx times rstd. */
static void add_samples(group_vectors *v, const double *rstd, const grouping *k)
{
    const int64_t C = k->groups * k->channels;
    for (int64_t c = 0; c < C; c++) {
        double sum = 0, product = 0;
        for (int64_t i = c; i < k->samples * C; i += C) {
            sum += v->sum_dy[i];
            product += v->sum_dyx[i] * rstd[i / k->channels];
        }
        v->sum_dy[c] = sum;
        v->sum_dyx[c] = product;
    }
}

static cd_status group_gradients(cd_gradient *g, group_vectors *v, const cd_tensor *dy, const cd_tensor *x,
                                 cd_error *err)
{
    const grouping k = grouping_of(x, g->attr);
    const double *mean = cd_tensor_data(g->saved[SAVED_MEAN]), *rstd = cd_tensor_data(g->saved[SAVED_RSTD]);
    for (int64_t i = 0; i < x->shape[0] * x->shape[1]; i++) {
        v->mean[i] = mean[i / k.channels];
    }
    CD_TRY(cdk_channel_gradient_sums[x->dtype](v->sum_dy, v->sum_dyx, cd_tensor_data(dy), cd_tensor_data(x),
                                               v->mean, samples_of(x), err));
    group_coefficients(v, g, &k);
    if (wanted(g, X)) {
        const cdk_channel_coefficients by = {v->mean, v->a, v->b, v->d};
        CD_TRY(cd_new_like(&g->dx[X], x, err));
        CD_TRY(cdk_channel_gradient[x->dtype](cd_tensor_data(g->dx[X]), cd_tensor_data(dy), cd_tensor_data(x),
                                              &by, samples_of(x), err));
    }
    add_samples(v, rstd, &k);
    if (wanted(g, WEIGHT)) {
        CD_TRY(vector_gradient(&g->dx[WEIGHT], g->in[WEIGHT], v->sum_dyx, NULL, err));
    }
    return wanted(g, BIAS) ? vector_gradient(&g->dx[BIAS], g->in[BIAS], v->sum_dy, NULL, err) : CD_OK;
}

static cd_status group_norm_backward(cd_gradient *g, cd_error *err)
{
    cd_tensor *x = NULL, *dy = NULL;
    double *block = NULL;
    if (g->saved[SAVED_MEAN] == NULL) {
        return CD_OK;
    }
    cd_status status = cd_tensor_as(&x, g->in[X], g->in[X]->dtype, cd_tensor_preferred_layout(g->in[X]), err);
    if (status == CD_OK) {
        status = cd_dense_like(&dy, g->dy[0], x, err);
    }
    if (status == CD_OK) {
        status = channel_vectors(&block, x, 6, err);
    }
    if (status == CD_OK) {
        const int64_t n = x->shape[0] * x->shape[1];
        group_vectors v = {block, block + n, block + 2 * n, block + 3 * n, block + 4 * n, block + 5 * n};
        status = group_gradients(g, &v, dy, x, err);
    }
    cd_memory_free(block);
    cd_tensor_release(x);
    cd_tensor_release(dy);
    return status;
}

static cd_status group_norm_second(cd_gradient *g, cd_error *err)
{
    const cd_tensor *x = g->in[X];
    const int64_t rows = x->shape[0] * cd_int_attr(g->attr, GROUPS);
    if (cd_tensor_numel(x) == 0) {
        return CD_OK;
    }
    normalising n = by_rows(rows, cd_tensor_numel(x) / rows, g->attr[GROUP_EPS]);
    by_channel(&n, x);
    return normalising_second(g, &n, err);
}

const cd_op cd_op_group_norm = {.name = "group_norm",
                                .backward_name = "NativeGroupNormBackward0",
                                .min_in = 1,
                                .max_in = 3,
                                .min_attr = 2,
                                .max_attr = 2,
                                .n_out = 1,
                                .keeps = CD_KEEP_IN(X) | CD_KEEP_IN(WEIGHT),
                                .shape = group_norm_shape,
                                .forward = group_norm_forward,
                                .backward = group_norm_backward,
                                .second = group_norm_second};

/* layer_norm, rms_norm: inputs x, weight, bias, the last two of LENGTH elements or absent. The elements of x
 * in row-major order, LENGTH at a time, are brought to variance 1, and to mean 0 by layer_norm (Ba, Kiros and
 * Hinton 2016; Zhang and Sennrich 2019). */

enum { LENGTH, ROW_EPS };

/* What has an offset takes the mean away. */
static bool is_centred(const cd_op *op)
{
    return op->max_in > BIAS;
}

static cd_status row_norm_shape(cd_call *call, cd_error *err)
{
    const cd_tensor *x = call->in[X];
    const int64_t length = cd_int_attr(call->attr, LENGTH);
    CD_TRY(cd_check_float(x, call->op->name, err));
    if (length < 1 || cd_tensor_numel(x) % length != 0) {
        return cd_fail(err, CD_ESHAPE, "%s: %lld elements cannot be cut into rows of %lld.", call->op->name,
                       (long long)cd_tensor_numel(x), (long long)length);
    }
    for (int i = WEIGHT; i < call->n_in; i++) {
        if (call->in[i] != NULL && cd_tensor_numel(call->in[i]) != length) {
            return cd_fail(err, CD_ESHAPE, "%s: %s should contain %lld elements, not %lld.", call->op->name,
                           i == WEIGHT ? "weight" : "bias", (long long)length,
                           (long long)cd_tensor_numel(call->in[i]));
        }
    }
    return cd_out(call, 0, x->dtype, x->ndim, x->shape, CD_CONTIGUOUS, err);
}

/* x, weight and bias as the kernels want them. */
typedef struct {
    cd_tensor *x, *weight, *bias;
} row_tensors;

static void row_tensors_clear(row_tensors *t)
{
    cd_tensor_release(t->x);
    cd_tensor_release(t->weight);
    cd_tensor_release(t->bias);
}

static cd_status row_tensors_of(row_tensors *t, int n_in, cd_tensor *const *in, cd_error *err)
{
    const cd_dtype dtype = in[X]->dtype;
    CD_TRY(cd_tensor_as(&t->x, in[X], dtype, CD_CONTIGUOUS, err));
    if (optional(n_in, in, WEIGHT) != NULL) {
        CD_TRY(cd_tensor_as(&t->weight, in[WEIGHT], dtype, CD_CONTIGUOUS, err));
    }
    if (optional(n_in, in, BIAS) != NULL && in[BIAS]->storage != NULL) {
        CD_TRY(cd_tensor_as(&t->bias, in[BIAS], dtype, CD_CONTIGUOUS, err));
    }
    return CD_OK;
}

static void *data_of(const cd_tensor *t)
{
    return t != NULL ? cd_tensor_data(t) : NULL;
}

static cdk_row_norm row_norm_of(const row_tensors *t, const double *attr, const cd_tensor *mean,
                                const cd_tensor *rstd)
{
    const int64_t length = cd_int_attr(attr, LENGTH);
    return (cdk_row_norm){.rows = cd_tensor_numel(t->x) / length,
                          .length = length,
                          .weight = data_of(t->weight),
                          .bias = data_of(t->bias),
                          .mean = data_of(mean),
                          .rstd = data_of(rstd),
                          .eps = attr[ROW_EPS]};
}

static cd_status row_norm_forward(cd_call *call, cd_error *err)
{
    row_tensors t = {0};
    const int64_t rows = cd_tensor_numel(call->in[X]) / cd_int_attr(call->attr, LENGTH);
    cd_status status = row_tensors_of(&t, call->n_in, call->in, err);
    if (status == CD_OK && is_centred(call->op)) {
        status = new_vector(&call->saved[SAVED_MEAN], rows, err);
    }
    if (status == CD_OK) {
        status = new_vector(&call->saved[SAVED_RSTD], rows, err);
    }
    if (status == CD_OK) {
        const cdk_row_norm s = row_norm_of(&t, call->attr, call->saved[SAVED_MEAN], call->saved[SAVED_RSTD]);
        cdk_row_normalise[t.x->dtype](cd_tensor_data(call->out[0]), cd_tensor_data(t.x), &s);
    }
    row_tensors_clear(&t);
    return status;
}

static cd_status row_gradients(cd_gradient *g, const row_tensors *t, const cd_tensor *dy, double *sums,
                               cd_error *err)
{
    const cdk_row_norm s = row_norm_of(t, g->attr, g->saved[SAVED_MEAN], g->saved[SAVED_RSTD]);
    cdk_row_gradients d = {.dweight = sums, .dbias = sums != NULL ? sums + s.length : NULL};
    if (wanted(g, X)) {
        CD_TRY(cd_tensor_new(&g->dx[X], t->x->dtype, t->x->ndim, t->x->shape, CD_CONTIGUOUS, err));
        d.dx = cd_tensor_data(g->dx[X]);
    }
    CD_TRY(cdk_row_gradient[t->x->dtype](&d, cd_tensor_data(dy), cd_tensor_data(t->x), &s, err));
    if (wanted(g, WEIGHT)) {
        CD_TRY(vector_gradient(&g->dx[WEIGHT], g->in[WEIGHT], d.dweight, NULL, err));
    }
    return wanted(g, BIAS) ? vector_gradient(&g->dx[BIAS], g->in[BIAS], d.dbias, NULL, err) : CD_OK;
}

static cd_status row_norm_backward(cd_gradient *g, cd_error *err)
{
    cd_tensor *dy = NULL;
    row_tensors t = {0};
    void *sums = NULL;
    cd_status status = row_tensors_of(&t, g->n_in, g->in, err);
    if (status == CD_OK) {
        status = cd_tensor_as(&dy, g->dy[0], t.x->dtype, CD_CONTIGUOUS, err);
    }
    if (status == CD_OK && (wanted(g, WEIGHT) || wanted(g, BIAS))) {
        status = cd_memory_alloc(&sums, 2 * (size_t)cd_int_attr(g->attr, LENGTH) * sizeof(double), err);
    }
    if (status == CD_OK) {
        status = row_gradients(g, &t, dy, sums, err);
    }
    cd_memory_free(sums);
    cd_tensor_release(dy);
    row_tensors_clear(&t);
    return status;
}

static cd_status row_norm_second(cd_gradient *g, cd_error *err)
{
    const cd_tensor *x = g->in[X];
    const int64_t length = cd_int_attr(g->attr, LENGTH);
    int64_t left = length;
    if (cd_tensor_numel(x) == 0) {
        return row_norm_backward(g, err);
    }
    normalising n = by_rows(cd_tensor_numel(x) / length, length, g->attr[ROW_EPS]);
    n.centred = g->op->max_in > WEIGHT + 1;
    for (int d = x->ndim - 1; d >= 0 && left > 1;
         d--) { /* the last dimensions of x, as many as make up a row */
        left /= x->shape[d];
        n.n_vector++;
    }
    memcpy(n.vector, x->shape + x->ndim - n.n_vector, (size_t)n.n_vector * sizeof *n.vector);
    return normalising_second(g, &n, err);
}

#define ROW_NORM(id, printed, inputs)                                      \
    const cd_op cd_op_##id = {.name = #id,                                 \
                              .backward_name = printed,                    \
                              .min_in = 1,                                 \
                              .max_in = inputs,                            \
                              .min_attr = 2,                               \
                              .max_attr = 2,                               \
                              .n_out = 1,                                  \
                              .keeps = CD_KEEP_IN(X) | CD_KEEP_IN(WEIGHT), \
                              .shape = row_norm_shape,                     \
                              .forward = row_norm_forward,                 \
                              .backward = row_norm_backward,               \
                              .second = row_norm_second}

ROW_NORM(layer_norm, "NativeLayerNormBackward0", 3);
ROW_NORM(rms_norm, "RmsNormBackward0", 2);
