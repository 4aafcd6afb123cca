#include "kernels/outline.h"

#include <stdbool.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"

/* The side of a pixel that the way goes along: 0 towards the row above, 1 the column behind, 2 the row below,
 * 3 the column before. On side s the way goes in direction s, and the outside lies in direction s - 1. */
static const int go[4][2] = {{0, 1}, {1, 0}, {0, -1}, {-1, 0}};

/* The corner at the end of each side, from the pixel's first one. */
static const int corner_of[4][2] = {{0, 1}, {1, 1}, {1, 0}, {0, 0}};

typedef struct {
    int64_t row, column;
    int side;
} step;

typedef struct {
    cdk_rings *rings;
    const int32_t *label;
    uint8_t *seen; /* [H][W]: side 0 of the pixel has been passed */
    cdk_mask_shape s;
} tracing;

static bool has_label(const tracing *t, int64_t row, int64_t column, int32_t label)
{
    return row >= 0 && column >= 0 && row < t->s.H && column < t->s.W &&
           t->label[row * t->s.W + column] == label;
}

/* ---- growing arrays ---- */

static cd_status grow(void *field, int64_t used, int64_t room, size_t size, cd_error *err)
{
    void *old, *block;
    size_t bytes;
    memcpy(&old, field, sizeof old);
    CD_TRY(cd_memory_size(&bytes, (size_t)room, size, 1, err));
    CD_TRY(cd_memory_alloc(&block, bytes, err));
    if (used > 0) {
        memcpy(block, old, (size_t)used * size);
    }
    cd_memory_free(old);
    memcpy(field, &block, sizeof block);
    return CD_OK;
}

static cd_status add_corner(cdk_rings *r, const step *at, cd_error *err)
{
    if (r->corners == r->corners_room) {
        const int64_t room = r->corners_room * 2 + 1024;
        CD_TRY(grow(&r->corner, r->corners, room, 2 * sizeof *r->corner, err));
        r->corners_room = room;
    }
    r->corner[2 * r->corners] = (int32_t)(at->row + corner_of[at->side][0]);
    r->corner[2 * r->corners + 1] = (int32_t)(at->column + corner_of[at->side][1]);
    r->corners++;
    return CD_OK;
}

static cd_status begin_ring(cdk_rings *r, int32_t label, cd_error *err)
{
    if (r->rings == r->rings_room) {
        const int64_t room = r->rings_room * 2 + 64;
        CD_TRY(grow(&r->start, r->rings > 0 ? r->rings + 1 : 0, room + 1, sizeof *r->start, err));
        CD_TRY(grow(&r->label, r->rings, room, sizeof *r->label, err));
        CD_TRY(grow(&r->crossed, r->rings, room, sizeof *r->crossed, err));
        r->rings_room = room;
    }
    r->start[r->rings] = r->corners;
    r->label[r->rings] = label;
    r->crossed[r->rings] = 0;
    return CD_OK;
}

void cdk_rings_free(cdk_rings *rings)
{
    cd_memory_free(rings->corner);
    cd_memory_free(rings->start);
    cd_memory_free(rings->label);
    cd_memory_free(rings->crossed);
    *rings = (cdk_rings){0};
}

/* ---- tracing ---- */

/* The next side of the way; tells whether it turned. */
static bool advance(tracing *t, step *at, int32_t label)
{
    const int *ahead = go[at->side], *out = go[(at->side + 3) % 4];
    const int64_t row = at->row + ahead[0], column = at->column + ahead[1];
    const bool beyond = has_label(t, row + out[0], column + out[1], label);
    if (!has_label(t, row, column, label)) {
        t->rings->crossed[t->rings->rings] |= beyond;
        at->side = (at->side + 1) % 4;
        return true;
    }
    at->row = row + (beyond ? out[0] : 0);
    at->column = column + (beyond ? out[1] : 0);
    at->side = beyond ? (at->side + 3) % 4 : at->side;
    return beyond;
}

static cd_status trace_ring(tracing *t, int64_t row, int64_t column, cd_error *err)
{
    const int32_t label = t->label[row * t->s.W + column];
    step at = {row, column, 0};
    CD_TRY(begin_ring(t->rings, label, err));
    do {
        const step from = at;
        if (at.side == 0) {
            t->seen[at.row * t->s.W + at.column] = 1;
        }
        if (advance(t, &at, label)) {
            CD_TRY(add_corner(t->rings, &from, err));
        }
    } while (at.row != row || at.column != column || at.side != 0);
    t->rings->start[++t->rings->rings] = t->rings->corners;
    return CD_OK;
}

static cd_status trace_row(tracing *t, int64_t row, cd_error *err)
{
    for (int64_t column = 0; column < t->s.W; column++) {
        const int32_t label = t->label[row * t->s.W + column];
        const bool border = label > 0 && !has_label(t, row - 1, column, label);
        if (border && !t->seen[row * t->s.W + column]) {
            CD_TRY(trace_ring(t, row, column, err));
        }
    }
    return row % 256 == 0 ? cd_interrupt_check(err) : CD_OK;
}

cd_status cdk_outline(cdk_rings *rings, const int32_t *label, cdk_mask_shape s, cd_error *err)
{
    void *seen;
    size_t bytes;
    *rings = (cdk_rings){0};
    CD_TRY(cd_memory_size(&bytes, (size_t)s.H, (size_t)s.W, 1, err));
    CD_TRY(cd_memory_alloc(&seen, bytes, err));
    memset(seen, 0, bytes);
    tracing t = {rings, label, seen, s};
    cd_status status = CD_OK;
    for (int64_t row = 0; row < s.H && status == CD_OK; row++) {
        status = trace_row(&t, row, err);
    }
    cd_memory_free(seen);
    return status;
}
