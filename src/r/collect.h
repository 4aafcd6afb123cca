/* When R is asked for a garbage collection, and of which generation.
 *
 * A tensor's memory is freed when R collects its handle. R sees a handle of a few bytes, not the tensor
 * behind it, so it collects far too seldom; but a collection costs a millisecond (the youngest generation) to
 * a hundred (all of them), and one at the wrong moment takes what is alive then for old, which later
 * collections of the young pass by. So R is asked at the moments below, if the pool's counter of bytes in use
 * (base/memory.h) says that it pays. All other code only says which moment it is.
 *
 * What a collection would find later is freed at once where that is known (r/release.h).
 *
 * Every function here may run R code: call it in phase 1 only (r/glue.h), with every R object protected.
 */
#ifndef CANDELA_R_COLLECT_H
#define CANDELA_R_COLLECT_H

/* Makes the engine able to ask for a collection of the young (tensor/lazy.h), which then jumps nowhere. Once,
 * at load. */
void cdr_collect_init(void);

/* A handle is about to be made: the young are collected when the memory in use has grown much since the last
 * time, unless the pass that is going on needs no more than the one before. */
void cdr_collect_before_handle(void);

/* A forward pass has just ended: its temporaries are young and unreachable, the graph is at its largest.
 * Collects the young, and older ones where more is left than a graph usually needs. */
void cdr_collect_before_backward(void);

/* R code looks at a result, which is how a pass without recording ends. */
void cdr_collect_after_pass(void);

#endif
