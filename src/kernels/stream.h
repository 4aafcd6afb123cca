/* Results too large for the caches are written past them: memory is then not read before it is written.
 *
 * A kernel computes a piece into a buffer, which stays in the first cache, and moves that out.
 */
#ifndef CANDELA_KERNELS_STREAM_H
#define CANDELA_KERNELS_STREAM_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes of a piece: a quarter of the first cache. */
#define CDK_STREAM_PIECE 8192
#define CDK_STREAM_FLOATS (CDK_STREAM_PIECE / (int64_t)sizeof(float))

/* Is a result of so many bytes too large? */
bool cdk_streams(int64_t bytes);

/* to = from, past the caches, on the calling thread; the bytes are a multiple of 4 and to is aligned to 4. */
void cdk_move_out(void *to, const void *from, int64_t bytes);

/* to[i] = value, i < n, the same way. */
void cdk_fill_out(float *to, float value, int64_t n);

#endif
