/* How the n columns of a product are cut into blocks that tiles can compute, and panels packed for them.
 *
 * A block is one tile kind wide: as many of the widest kind as fit, then narrower ones for the rest. The
 * panel of a block holds its columns for every step of the reduction, [reduction][width], padded with zeros;
 * the panels of all blocks follow one another.
 */
#ifndef CANDELA_KERNELS_PANELS_H
#define CANDELA_KERNELS_PANELS_H

#include "kernels/isa.h"

typedef struct cdk_panel {
    const cdk_tile_kind *kind;
    int64_t first; /* first column */
    int64_t panel; /* columns of the panels before this one: its panel starts at panel * reduction */
    int lanes;     /* columns that exist, 1 .. kind->width */
} cdk_panel;

typedef struct cdk_panels {
    cdk_panel tail[2 * CDK_TILE_KINDS];
    const cdk_tile_kind *widest;
    int64_t full;  /* blocks of the widest kind */
    int64_t count; /* blocks */
    int64_t width; /* columns of all panels */
} cdk_panels;

cdk_panels cdk_panels_make(const cdk_isa *isa, int64_t n);
cdk_panel cdk_panels_get(const cdk_panels *columns, int64_t block);

/* The panel of a block from `reduction` rows that lie `row` elements apart; from: the first one's first
 * column of the block. */
void cdk_panels_pack(float *panel, const cdk_panel *block, const float *from, int64_t row, int64_t reduction);

/* Cuts n rows into tiles of nearly equal height of at most kind->rows: rows of the tile that starts at i. */
int cdk_tile_rows(const cdk_tile_kind *kind, int64_t n, int64_t i);

/* Computes n rows with tiles of `block`, moving y by y_row and x by x_row from row to row, and ahead by what
 * the tiles fetch. */
void cdk_tile_strip(const cdk_panel *block, cdk_tile *tile, int64_t n);

/* The same for one run of rows that lie side by side: every tile fetches the rows behind its own. */
void cdk_tile_stream(const cdk_panel *block, cdk_tile *tile, int64_t n);

#endif
