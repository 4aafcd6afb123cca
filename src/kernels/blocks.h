/* Blocks of elements that follow each other in memory, moved to and from positions.
 *
 * y is dense, [outer][count][length]. Block i of outer part o belongs to the block of x that starts at
 * element outer_at[o] + at[i] step.
 */
#ifndef CANDELA_KERNELS_BLOCKS_H
#define CANDELA_KERNELS_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/by_dtype.h"

typedef struct cdk_blocks {
    int64_t outer, count, length;
    const int64_t *outer_at, *at;
    int64_t step;
} cdk_blocks;

/* to[i] = the position from 0 of index[i], which counts from 1, or backwards from -1; to may be index. Gives
 * whether all of them are positions below size. */
bool cdk_resolve_positions(int64_t *to, const int64_t *index, int64_t n, int64_t size);

/* y = the blocks of x; size: bytes of an element. */
void cdk_read_blocks(void *y, const void *x, const cdk_blocks *b, size_t size);

/* The blocks of x = y; of several blocks for one place the last stays. */
void cdk_write_blocks(void *x, const void *y, const cdk_blocks *b, size_t size);

/* The blocks of x += y, in the order of y. With rows > 0, the memory of x is uninitialised, dense, and as
 * many blocks that are step = length elements apart, in one outer part: they become zero first. */
typedef void cdk_add_blocks_run(void *x, const void *y, const cdk_blocks *b, int64_t rows);
extern cdk_add_blocks_run *const cdk_add_blocks[CD_DTYPES];

#endif
