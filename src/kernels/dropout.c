#include "kernels/levels.h"

#include "base/parallel.h"
#include "kernels/dropout.h"
#include "kernels/sizes.h"

/* Elements that are decided together, and that a thread should at least get. */
enum { BLOCK = 64, ROUNDS = 7, GRAIN = 8192 };

typedef struct {
    uint32_t key, high, limit; /* an element is kept where its number is below the limit */
} dropout_rule;

#define CDK_TEMPLATE "kernels/dropout_template.h"
#define CDK_WITH_AVX512
#include "kernels/each_level.h"

typedef void (*multiply)(void *to, const void *from, const uint32_t *keeps, double scale, int64_t n);

typedef struct {
    char *y;
    const char *x;
    const cdk_dropout *d;
    dropout_rule rule;
    double scale;
    multiply multiply;
    int64_t size;
} work;

static void run_elements(void *context, int64_t begin, int64_t end, int thread)
{
    const work *w = context;
    const cdk_dropout *d = w->d;
    uint32_t keeps[BLOCK];
    (void)thread;
    for (int64_t i = begin, n; i < end; i += n) {
        const int64_t row = i / d->length, column = i % d->length;
        const int64_t first = row / d->rows_per_image * d->image_step + row % d->rows_per_image * d->row_step;
        n = cdk_min(cdk_min(BLOCK, end - i), d->length - column);
        CDK_FOR_CPU_512(decide)(keeps, &w->rule, first + column * d->step, d->step);
        w->multiply(w->y + i * w->size, w->x + i * w->size, keeps, w->scale, n);
    }
}

/* The number of 32 bits below which a part `share` of them lies; all are kept where nothing is dropped. */
static uint32_t limit_of(double share)
{
    const double limit = share * 4294967296.0;
    return limit >= 4294967295.0 ? UINT32_MAX : (uint32_t)limit;
}

static void run(work w, const cdk_dropout *d)
{
    w.d = d;
    w.rule = (dropout_rule){(uint32_t)d->seed, (uint32_t)(d->seed >> 32), limit_of(1 - d->p)};
    w.scale = d->p < 1 ? 1 / (1 - d->p) : 0;
    cd_parallel_for(d->rows * d->length, GRAIN, run_elements, &w);
}

static void drop_out_f32(void *y, const void *x, const cdk_dropout *d)
{
    run((work){.y = y, .x = x, .multiply = CDK_FOR_CPU_512(multiply_f32), .size = sizeof(float)}, d);
}

static void drop_out_f64(void *y, const void *x, const cdk_dropout *d)
{
    run((work){.y = y, .x = x, .multiply = CDK_FOR_CPU_512(multiply_f64), .size = sizeof(double)}, d);
}

cdk_dropout_run *const cdk_drop_out[CD_DTYPES] = CDK_FLOATS(drop_out);
