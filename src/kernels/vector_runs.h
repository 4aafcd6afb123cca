/* Runs of elements cut into vectors: included by a template once for each level, after the vectors.
 *
 *     VEC_RUN(n, call)       call(vectors, part, mask) for elements i of 0 .. n - 1: VEC_RUN_VECTORS vectors
 *                            from i
 *                            on, then one, then the first of one (part, mask); vectors and part are constants
 *     VEC_PART_LOAD(p, part, mask), VEC_PART_STORE(p, v, part, mask)
 *
 * The constants are to be inlined: registers then hold what an array of VEC_RUN_VECTORS vectors says.
 */
#ifndef CANDELA_KERNELS_VECTOR_RUNS_H
#define CANDELA_KERNELS_VECTOR_RUNS_H

#define VEC_RUN_VECTORS 4

#define VEC_RUN(n, call)                                                                   \
    {                                                                                      \
        const VEC_MASK all = VEC_MAKE_MASK(VEC_WIDTH);                                     \
        int64_t i = 0;                                                                     \
        for (; i + VEC_RUN_VECTORS * VEC_WIDTH <= (n); i += VEC_RUN_VECTORS * VEC_WIDTH) { \
            call(VEC_RUN_VECTORS, 0, all);                                                 \
        }                                                                                  \
        for (; i + VEC_WIDTH <= (n); i += VEC_WIDTH) {                                     \
            call(1, 0, all);                                                               \
        }                                                                                  \
        if (i < (n)) {                                                                     \
            const VEC_MASK rest = VEC_MAKE_MASK((int)((n)-i));                             \
            call(1, 1, rest);                                                              \
        }                                                                                  \
    }

#define VEC_PART_LOAD CDK_AT(vec_part_load)
#define VEC_PART_STORE CDK_AT(vec_part_store)

#endif

VEC_INLINE VEC CDK_AT(vec_part_load)(const VEC_T *p, const int part, VEC_MASK mask)
{
    return part ? VEC_LOAD_MASK(p, mask) : VEC_LOAD(p);
}

VEC_INLINE void CDK_AT(vec_part_store)(VEC_T *p, VEC v, const int part, VEC_MASK mask)
{
    if (part) {
        VEC_STORE_MASK(p, mask, v);
    } else {
        VEC_STORE(p, v);
    }
}
