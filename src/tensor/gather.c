#include "tensor/gather.h"

typedef struct {
    int64_t at[CD_MAX_DIMS];
} odometer;

/* Offset in t (strides of t, dim left out) of the next position of an index of the given shape. */
static int64_t turn(odometer *o, const cd_tensor *t, const cd_tensor *index, int dim)
{
    int64_t offset = 0;
    for (int d = 0; d < index->ndim; d++) {
        offset += d == dim ? 0 : o->at[d] * t->stride[d];
    }
    for (int d = index->ndim - 1; d >= 0; d--) {
        if (++o->at[d] < index->shape[d]) {
            break;
        }
        o->at[d] = 0;
    }
    return offset;
}

#define DEFINE_ALONG(name, type, statement)                                                           \
    static void name(void *x_data, void *y_data, const cd_tensor *x, const cd_tensor *index, int dim) \
    {                                                                                                 \
        const int64_t *position = cd_tensor_data(index);                                              \
        int64_t n = cd_tensor_numel(index), step = x->ndim > 0 ? x->stride[dim] : 0;                  \
        type *y = y_data;                                                                             \
        odometer o = {0};                                                                             \
        for (int64_t i = 0; i < n; i++) {                                                             \
            type *at = (type *)x_data + turn(&o, x, index, dim) + position[i] * step;                 \
            statement;                                                                                \
        }                                                                                             \
    }

DEFINE_ALONG(gather_1, uint8_t, y[i] = *at)
DEFINE_ALONG(gather_4, uint32_t, y[i] = *at)
DEFINE_ALONG(gather_8, uint64_t, y[i] = *at)
DEFINE_ALONG(scatter_1, uint8_t, *at = y[i])
DEFINE_ALONG(scatter_4, uint32_t, *at = y[i])
DEFINE_ALONG(scatter_8, uint64_t, *at = y[i])
DEFINE_ALONG(scatter_add_u8, uint8_t, *at = (uint8_t)(*at + y[i]))
DEFINE_ALONG(scatter_add_i32, int32_t, *at += y[i])
DEFINE_ALONG(scatter_add_i64, int64_t, *at += y[i])
DEFINE_ALONG(scatter_add_f32, float, *at += y[i])
DEFINE_ALONG(scatter_add_f64, double, *at += y[i])

typedef void (*along_run)(void *x, void *y, const cd_tensor *shape, const cd_tensor *index, int dim);

/* Types that are only moved, by size. */
static along_run of_size(size_t size, along_run one, along_run four, along_run eight)
{
    return size == 1 ? one : size == 4 ? four : eight;
}

void cd_gather(cd_tensor *y, const cd_tensor *x, const cd_tensor *positions, int dim)
{
    along_run run = of_size(cd_dtype_size(x->dtype), gather_1, gather_4, gather_8);
    run(cd_tensor_data(x), cd_tensor_data(y), x, positions, dim);
}

void cd_scatter(cd_tensor *x, const cd_tensor *y, const cd_tensor *positions, int dim, bool adding)
{
    static const along_run add[CD_DTYPES] = {
        [CD_BOOL] = scatter_1,        [CD_UINT8] = scatter_add_u8,    [CD_INT32] = scatter_add_i32,
        [CD_INT64] = scatter_add_i64, [CD_FLOAT32] = scatter_add_f32, [CD_FLOAT64] = scatter_add_f64};
    along_run move = of_size(cd_dtype_size(x->dtype), scatter_1, scatter_4, scatter_8);
    (adding ? add[x->dtype] : move)(cd_tensor_data(x), cd_tensor_data(y), x, positions, dim);
}
