#include "kernels/panels.h"

#include <string.h>

/* A narrower kind must save time: one that would leave a quarter of its columns empty or less is taken. */
static const cdk_tile_kind *kind_for_rest(const cdk_isa *isa, int64_t rest)
{
    for (int i = 0; i < isa->kinds; i++) {
        const cdk_tile_kind *kind = &isa->kind[i];
        if (i == isa->kinds - 1 || rest * 4 > (int64_t)kind->width * 3) {
            return kind;
        }
    }
    return &isa->kind[0];
}

cdk_panels cdk_panels_make(const cdk_isa *isa, int64_t n)
{
    cdk_panels columns = {.widest = &isa->kind[0], .full = n / isa->kind[0].width};
    int64_t first = columns.full * columns.widest->width;
    columns.count = columns.full;
    columns.width = first;
    while (first < n) {
        const cdk_tile_kind *kind = kind_for_rest(isa, n - first);
        const int64_t lanes = n - first < kind->width ? n - first : kind->width;
        cdk_panel *block = &columns.tail[columns.count++ - columns.full];
        block->kind = kind;
        block->first = first;
        block->panel = columns.width;
        block->lanes = (int)lanes;
        columns.width += kind->width;
        first += lanes;
    }
    return columns;
}

cdk_panel cdk_panels_get(const cdk_panels *columns, int64_t block)
{
    if (block >= columns->full) {
        return columns->tail[block - columns->full];
    }
    const int64_t first = block * columns->widest->width;
    const cdk_panel full = {columns->widest, first, first, columns->widest->width};
    return full;
}

int cdk_tile_rows(const cdk_tile_kind *kind, int64_t n, int64_t i)
{
    const int64_t tiles_left = (n - i + kind->rows - 1) / kind->rows;
    return (int)((n - i + tiles_left - 1) / tiles_left);
}

void cdk_panels_pack(float *panel, const cdk_panel *block, const float *from, int64_t row, int64_t reduction)
{
    const int width = block->kind->width;
    for (int64_t k = 0; k < reduction; k++, panel += width, from += row) {
        memcpy(panel, from, (size_t)block->lanes * sizeof(float));
        memset(panel + block->lanes, 0, (size_t)(width - block->lanes) * sizeof(float));
    }
}

static void run_tile(const cdk_panel *block, cdk_tile *tile, int rows)
{
    block->kind->kernel[rows - 1](tile);
    tile->y += rows * tile->y_row;
    tile->x += rows * tile->x_row;
}

void cdk_tile_strip(const cdk_panel *block, cdk_tile *tile, int64_t n)
{
    const ptrdiff_t fetched = tile->ahead ? tile->runs * tile->length * tile->ahead_step : 0;
    for (int64_t i = 0; i < n;) {
        const int rows = cdk_tile_rows(block->kind, n, i);
        run_tile(block, tile, rows);
        tile->ahead = tile->ahead ? tile->ahead + fetched : NULL;
        i += rows;
    }
}

void cdk_tile_stream(const cdk_panel *block, cdk_tile *tile, int64_t n)
{
    for (int64_t i = 0; i < n;) {
        const int rows = cdk_tile_rows(block->kind, n, i);
        tile->ahead = tile->x + rows * tile->x_row;
        tile->ahead_step = rows;
        run_tile(block, tile, rows);
        i += rows;
    }
}
