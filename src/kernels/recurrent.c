#include "kernels/levels.h"
CDK_EXACT

#include <stdbool.h>
#include <stddef.h>

#include "base/parallel.h"
#include "kernels/recurrent.h"

int64_t cdk_cell_gates(cdk_cell cell)
{
    return cell == CDK_CELL_LSTM ? 4 : cell == CDK_CELL_GRU ? 3 : 1;
}

int64_t cdk_cell_kept(cdk_cell cell)
{
    return cell == CDK_CELL_LSTM || cell == CDK_CELL_GRU ? 4 : 0;
}

#define CDK_TEMPLATE "kernels/recurrent_template.h"
#include "kernels/each_level.h"
#include "kernels/vec_double.h"

#include "kernels/recurrent_template.h"

/* Units a thread should at least get. */
#define GRAIN 2048

typedef struct {
    const cdk_cell_step *step;
    cdk_cell cell;
    bool backward, single;
} task;

static void range(void *context, int64_t begin, int64_t end, int thread)
{
    const task *t = context;
    (void)thread;
    if (t->single) {
        CDK_FOR_CPU(cell_rows)(t->cell, t->backward, t->step, begin, end);
    } else {
        cell_rows_f64(t->cell, t->backward, t->step, begin, end);
    }
}

static void run(cdk_cell cell, const cdk_cell_step *step, bool backward, bool single)
{
    task t = {.step = step, .cell = cell, .backward = backward, .single = single};
    cd_parallel_for(step->rows, GRAIN / (step->H + 1) + 1, range, &t);
}

static void forward_f32(cdk_cell cell, const cdk_cell_step *step)
{
    run(cell, step, false, true);
}

static void backward_f32(cdk_cell cell, const cdk_cell_step *step)
{
    run(cell, step, true, true);
}

static void forward_f64(cdk_cell cell, const cdk_cell_step *step)
{
    run(cell, step, false, false);
}

static void backward_f64(cdk_cell cell, const cdk_cell_step *step)
{
    run(cell, step, true, false);
}

cdk_cell_run *const cdk_cell_forward[CD_DTYPES] = CDK_FLOATS(forward);
cdk_cell_run *const cdk_cell_backward[CD_DTYPES] = CDK_FLOATS(backward);
