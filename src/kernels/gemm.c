#include "kernels/gemm.h"
#include "kernels/dispatch.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/masking.h"
#include "kernels/mean_m2.h"
#include "kernels/normalisation.h"
#include "kernels/panels.h"
#include "kernels/sizes.h"
#include "kernels/transpose.h"

/* Steps of K done before moving on, at most: a panel of 32 columns is then 30 KB. Fewer steps cost time, as
 * every part reads and writes C; more cost accuracy, as rounding errors grow with the length of a sum in one
 * register. K is cut into equal parts. */
#define GEMM_KC 256
/* Rows of A taken together, a multiple of every tile height: so few that threads end together. */
#define GEMM_MC CDK_GEMM_BLOCK_ROWS
/* Blocks of a part whose mean and M2 are wanted: its sums are joined with those of the others on one
 * thread. */
#define GEMM_STATISTICS_BLOCKS 3
/* Elements a thread should have to pack. */
#define GEMM_PACK_GRAIN 8192
/* Below so many rows the panels of B are not used often enough to pay for packing them. */
#define GEMM_PACK_ROWS 16
/* Rows of A a multiple of 4 KB apart share the sets of the first cache; such blocks are copied. */
#define GEMM_BAD_STRIDE 1024
#define GEMM_COPY_STRIDE (GEMM_KC + 16)

typedef struct gemm {
    float *C;
    const float *A, *B;
    float *panels;       /* B packed, or NULL: read B as it lies */
    int packed;          /* panels are those of a call before */
    float *copies;       /* [threads][MC][COPY_STRIDE], or NULL */
    float *coefficients; /* [2][K]: scale and shift of options.input, or NULL */
    int64_t M, N, K, ldb;
    int transposed_b;
    ptrdiff_t a_row, a_step;
    cdk_gemm_options options;
    cdk_panels columns;
    int64_t kc; /* steps of K done before moving on */
    int64_t row_blocks, column_groups;
    int64_t part_blocks; /* row blocks of an item */
} gemm;

/* Rows of B are copied as they lie. */
static void pack_rows(const gemm *g, const cdk_panel *block, float *panel)
{
    cdk_panels_pack(panel, block, g->B + block->first, g->ldb, g->K);
}

/* Rows of stored B become columns. */
static void pack_columns(const gemm *g, const cdk_panel *block, float *panel)
{
    const int width = block->kind->width;
    cdk_transpose(panel, width, g->B + block->first * g->ldb, g->ldb, block->lanes, g->K);
    for (int64_t k = 0; block->lanes < width && k < g->K; k++) {
        memset(panel + k * width + block->lanes, 0, (size_t)(width - block->lanes) * sizeof(float));
    }
}

static void pack_panels(void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        const gemm *g = context;
        const cdk_panel block = cdk_panels_get(&g->columns, i);
        (g->transposed_b ? pack_columns : pack_rows)(g, &block, g->panels + block.panel * g->K);
    }
}

/* Rows of A at some steps of K, where the tiles are to read them. */
typedef struct strip_of_rows {
    const float *a;
    ptrdiff_t a_row;
    const float *ahead; /* the rows of A that come next, to be fetched meanwhile, or NULL */
} strip_of_rows;

static strip_of_rows copy_rows(const gemm *g, float *copy, const float *a, int64_t rows, int64_t kc)
{
    for (int64_t i = 0; i < rows; i++) {
        memcpy(copy + i * GEMM_COPY_STRIDE, a + i * g->a_row, (size_t)kc * sizeof(float));
    }
    return (strip_of_rows){copy, GEMM_COPY_STRIDE, NULL};
}

/* Rows that follow each other in memory. */
static int are_side_by_side(const gemm *g, int64_t kc)
{
    return g->a_step == 1 && g->a_row == kc;
}

static strip_of_rows transform_rows(const gemm *g, float *copy, const float *a, int64_t rows, int64_t k0,
                                    int64_t kc)
{
    const float *scale = g->coefficients + k0, *shift = scale + g->K;
    const cdk_activation activation = g->options.input->activation;
    if (are_side_by_side(g, kc)) {
        cdk_affine_rows(copy, a, scale, shift, activation, rows, kc);
        return (strip_of_rows){copy, kc, a + rows * kc};
    }
    for (int64_t i = 0; i < rows; i++) {
        cdk_affine_rows(copy + i * GEMM_COPY_STRIDE, a + i * g->a_row, scale, shift, activation, 1, kc);
    }
    return (strip_of_rows){copy, GEMM_COPY_STRIDE, NULL};
}

static strip_of_rows rows_of_a(const gemm *g, float *copy, int64_t first_row, int64_t rows, int64_t k0,
                               int64_t kc)
{
    const float *a = g->A + first_row * g->a_row + k0 * g->a_step;
    if (g->coefficients) {
        return transform_rows(g, copy, a, rows, k0, kc);
    }
    if (copy) {
        return copy_rows(g, copy, a, rows, kc);
    }
    /* The rows behind lie one after the other: with every part of K its share of them is fetched. */
    const float *next = g->A + (first_row + rows) * g->a_row + k0 * rows;
    return (strip_of_rows){a, g->a_row, g->a_step == 1 && g->a_row == g->K ? next : NULL};
}

/* Rows of one block of columns of c for steps k0 .. k0 + kc of K. */
static void multiply_block(const gemm *g, const cdk_panel *block, float *c, int64_t rows, int64_t k0,
                           int64_t kc, strip_of_rows x)
{
    const ptrdiff_t start = 0;
    cdk_tile tile = {
        .y = c + block->first,
        .x = x.a,
        .w = g->panels ? g->panels + block->panel * g->K + k0 * block->kind->width
                       : g->B + k0 * g->ldb + block->first,
        .bias = k0 == 0 && g->options.bias ? g->options.bias + block->first : NULL,
        .x_run = &start,
        .w_run = &start,
        .runs = 1,
        .length = kc,
        .y_row = g->N,
        .x_row = x.a_row,
        .x_step = g->a_step,
        .ahead = block->first == 0 ? x.ahead : NULL,
        .ahead_step = block->kind->rows,
        .w_step = g->panels ? block->kind->width : g->ldb,
        .activation = k0 + kc == g->K ? g->options.activation : CDK_ACTIVATION_NONE,
        .lanes = block->lanes,
        .accumulate = k0 > 0 || g->options.accumulate,
        .w_bounded = g->panels == NULL,
        .stream = kc == g->K && !g->options.accumulate && !g->options.statistics && !g->options.masking &&
                  g->M * g->N * (int64_t)sizeof(float) > CDK_STREAM_BYTES,
    };
    cdk_tile_strip(block, &tile, rows);
}

/* Rows of C from first_row on, columns of blocks first_block .. last_block; c is where they go. */
static void multiply_rows(const gemm *g, float *c, int64_t first_row, int64_t rows, int64_t first_block,
                          int64_t last_block, float *copy)
{
    int64_t k0 = 0;
    do {
        const int64_t kc = cdk_min(g->kc, g->K - k0);
        const strip_of_rows x = rows_of_a(g, copy, first_row, rows, k0, kc);
        for (int64_t b = first_block; b < last_block; b++) {
            const cdk_panel block = cdk_panels_get(&g->columns, b);
            multiply_block(g, &block, c, rows, k0, kc, x);
        }
        k0 += g->kc;
    } while (k0 < g->K);
}

static int64_t first_column(const gemm *g, int64_t block)
{
    return block < g->columns.count ? cdk_panels_get(&g->columns, block).first : g->N;
}

/* Where a thread computes rows that belong at y: whole rows may go through a block of its own. */
static float *place_of_rows(const gemm *g, float *y, int thread)
{
    const cdk_gemm_options *o = &g->options;
    return o->statistics ? cdk_mean_m2_block(o->statistics, thread, y)
                         : (o->masking ? cdk_masking_block(o->masking, thread, y) : y);
}

/* Rows of a part that have been computed for y. */
typedef struct finished {
    int64_t part;
    int starts_part, thread;
    float *y;
    int64_t rows;
} finished;

static void finish_rows(const gemm *g, const finished *f, const float *c)
{
    if (g->options.statistics) {
        cdk_mean_m2_finish(g->options.statistics, f->part, f->starts_part, f->thread, f->y, c, f->rows);
    } else if (g->options.masking) {
        cdk_masking_finish(g->options.masking, f->y, c, f->rows * g->N);
    }
}

/* The same for columns first .. last - 1 alone. With N a multiple of 8 so are they: no tile is narrower but
 * where it is the last. */
static void finish_columns(const gemm *g, const finished *f, int64_t first, int64_t last)
{
    if (g->options.statistics) {
        cdk_mean_m2_add(g->options.statistics, f->part, f->starts_part, f->thread, f->y + first, f->rows,
                        first, last - first);
    }
    for (int64_t i = 0; g->options.masking && i < f->rows; i++) {
        float *y = f->y + i * g->N + first;
        cdk_masking_finish(g->options.masking, y, y, last - first);
    }
}

static void multiply_item(const gemm *g, int64_t item, int thread, float *copy)
{
    const int64_t part = item / g->column_groups, group = item % g->column_groups;
    const int64_t first_block = group * g->columns.count / g->column_groups;
    const int64_t last_block = (group + 1) * g->columns.count / g->column_groups;
    const int64_t part_rows = g->part_blocks * GEMM_MC;
    const int64_t end = cdk_min(g->M, (part + 1) * part_rows);
    const int whole = g->column_groups == 1;
    for (int64_t row = part * part_rows, i = 0; row < end; row += GEMM_MC, i++) {
        const int64_t rows = cdk_min(GEMM_MC, end - row);
        float *y = g->C + row * g->N, *c = whole ? place_of_rows(g, y, thread) : y;
        multiply_rows(g, c, row, rows, first_block, last_block, copy);
        const finished f = {part, i == 0, thread, y, rows};
        if (whole) {
            finish_rows(g, &f, c);
        } else {
            finish_columns(g, &f, first_column(g, first_block), first_column(g, last_block));
        }
    }
}

static void multiply_items(void *context, int64_t begin, int64_t end, int thread)
{
    const gemm *g = context;
    float *copy = g->copies ? g->copies + (ptrdiff_t)thread * GEMM_MC * GEMM_COPY_STRIDE : NULL;
    for (int64_t i = begin; i < end; i++) {
        multiply_item(g, i, thread, copy);
    }
}

/* Row blocks one thread computes one after the other: at least `least`, and of many rows so many that each
 * thread reads long pieces of A. */
static int64_t blocks_of_part(int64_t M, int64_t least)
{
    return cdk_min(cdk_max(cdk_ceil_div(M, GEMM_MC) / 64, least), 24);
}

int64_t cdk_gemm_part_rows(int64_t M)
{
    return blocks_of_part(M, GEMM_STATISTICS_BLOCKS) * GEMM_MC;
}

/* Few row blocks: cut the columns too, so that every thread has work. */
static void plan_items(gemm *g)
{
    const int64_t wanted = 4 * (int64_t)cd_threads();
    g->kc = cdk_ceil_div(g->K, cdk_max(1, cdk_ceil_div(g->K, GEMM_KC)));
    g->row_blocks = cdk_ceil_div(g->M, GEMM_MC);
    g->column_groups = 1;
    g->part_blocks = blocks_of_part(g->M, g->options.statistics ? GEMM_STATISTICS_BLOCKS : 1);
    if (g->row_blocks < wanted) {
        g->column_groups = cdk_min(g->columns.count, cdk_ceil_div(wanted, g->row_blocks));
    }
}

/* Floats that B packed takes; 0 where it is read as it lies. */
static cd_status panel_floats(size_t *floats, const gemm *g, cd_error *err)
{
    *floats = 0;
    if (g->transposed_b || g->M > GEMM_PACK_ROWS) {
        CD_TRY(cd_memory_size(floats, (size_t)g->columns.width, (size_t)g->K, 1, err));
        *floats = (*floats + CDK_LINE_FLOATS - 1) / CDK_LINE_FLOATS * CDK_LINE_FLOATS;
    }
    return CD_OK;
}

static cd_status alloc_floats(float **floats, size_t each, size_t count, cd_error *err)
{
    void *block = NULL;
    size_t bytes;
    CD_TRY(cd_memory_size(&bytes, each, count, sizeof(float), err));
    if (bytes > 0) {
        CD_TRY(cd_memory_alloc(&block, bytes, err));
    }
    *floats = block;
    return CD_OK;
}

/* Panels for so many products at a time, and rows of A for every thread. */
static cd_status alloc_scratch(gemm *g, size_t at_a_time, cd_error *err)
{
    size_t floats;
    if (!g->packed) {
        CD_TRY(panel_floats(&floats, g, err));
        CD_TRY(alloc_floats(&g->panels, floats, at_a_time, err));
    }
    if (g->options.input) {
        CD_TRY(cd_memory_floats(&g->coefficients, 2, g->K, 1, err));
        cdk_affine_coefficients(g->coefficients, g->options.input, g->K);
    }
    if (g->options.input || (g->a_step == 1 && g->a_row % GEMM_BAD_STRIDE == 0 && g->M > 1)) {
        CD_TRY(alloc_floats(&g->copies, GEMM_MC * GEMM_COPY_STRIDE, (size_t)cd_threads(), err));
    }
    return CD_OK;
}

static void free_scratch(gemm *g)
{
    if (g->options.panels) {
        *g->options.panels = g->panels;
    } else {
        cd_memory_free(g->panels);
    }
    cd_memory_free(g->copies);
    cd_memory_free(g->coefficients);
}

static void run_gemm(gemm *g)
{
    const int64_t items = cdk_ceil_div(g->row_blocks, g->part_blocks) * g->column_groups;
    const int serial = g->M * g->N <= CDK_SERIAL_WORK && g->M * g->N * g->K <= CDK_SERIAL_WORK;
    if (g->panels && !g->packed) {
        cd_parallel_for(g->columns.count,
                        serial ? g->columns.count
                               : 1 + GEMM_PACK_GRAIN / (g->columns.widest->width * g->K + 1),
                        pack_panels, g);
    }
    if (serial) {
        multiply_items(g, 0, items, 0);
    } else {
        cd_parallel_chunks(items, 1, multiply_items, g);
    }
}

static gemm gemm_of(float *C, const cdk_matrix *A, const cdk_matrix *B, int64_t M, int64_t N, int64_t K,
                    const cdk_gemm_options *options)
{
    static const cdk_gemm_options none = {.activation = CDK_ACTIVATION_NONE};
    gemm g = {.C = C,
              .A = A->data,
              .B = B->data,
              .M = M,
              .N = N,
              .K = K,
              .ldb = B->step,
              .transposed_b = B->transposed,
              .options = options != NULL ? *options : none};
    g.a_row = A->transposed ? 1 : A->step;
    g.a_step = A->transposed ? A->step : 1;
    g.panels = g.options.panels ? *g.options.panels : NULL;
    g.packed = g.panels != NULL;
    g.columns = cdk_panels_make(cdk_isa_current(), N);
    plan_items(&g);
    return g;
}

cd_status cdk_gemm(float *C, const cdk_matrix *A, const cdk_matrix *B, int64_t M, int64_t N, int64_t K,
                   const cdk_gemm_options *options, cd_error *err)
{
    if (M <= 0 || N <= 0) {
        return CD_OK;
    }
    gemm g = gemm_of(C, A, B, M, N, K, options);
    const cd_status status = alloc_scratch(&g, 1, err);
    if (status == CD_OK) {
        run_gemm(&g);
    }
    free_scratch(&g);
    return status;
}

/* ---- many products ---- */

typedef struct {
    gemm first;
    size_t panel_floats; /* of one product */
    const cdk_batch *batch;
} gemm_batch;

static gemm product_of(const gemm_batch *b, int64_t i)
{
    gemm g = b->first;
    g.C += i * g.M * g.N;
    g.A += b->batch->a[i];
    g.B += b->batch->b[i];
    return g;
}

/* Products begin .. end on one thread; what is packed serves the next one too where B is the same. */
static void multiply_products(void *context, int64_t begin, int64_t end, int thread)
{
    const gemm_batch *b = context;
    for (int64_t i = begin; i < end; i++) {
        gemm g = product_of(b, i);
        const int64_t items = cdk_ceil_div(g.row_blocks, g.part_blocks) * g.column_groups;
        if (g.panels) {
            g.panels += (size_t)thread * b->panel_floats;
            if (i == begin || b->batch->b[i] != b->batch->b[i - 1]) {
                pack_panels(&g, 0, g.columns.count, thread);
            }
        }
        multiply_items(&g, 0, items, thread);
    }
}

/* From so many products for each thread on, none waits long for the last. */
#define GEMM_PRODUCTS_OF_THREAD 4

cd_status cdk_gemm_batch(float *C, const cdk_matrix *A, const cdk_matrix *B, const cdk_batch *batch,
                         int64_t M, int64_t N, int64_t K, cd_error *err)
{
    if (M <= 0 || N <= 0 || batch->count <= 0) {
        return CD_OK;
    }
    gemm_batch b = {gemm_of(C, A, B, M, N, K, NULL), 0, batch};
    const bool apart = batch->count >= GEMM_PRODUCTS_OF_THREAD * cd_threads();
    cd_status status = panel_floats(&b.panel_floats, &b.first, err);
    if (status == CD_OK) {
        status = alloc_scratch(&b.first, apart ? (size_t)cd_threads() : 1, err);
    }
    if (status == CD_OK && apart) {
        cd_parallel_for(batch->count, CDK_SERIAL_WORK / (M * N * cdk_max(K, 1)) + 1, multiply_products, &b);
    }
    for (int64_t i = 0; status == CD_OK && !apart && i < batch->count; i++) {
        gemm g = product_of(&b, i);
        run_gemm(&g);
    }
    free_scratch(&b.first);
    return status;
}
