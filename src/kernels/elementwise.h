/* Loading and storing for loops over n elements: included by a template once for each level.
 *
 *     for (int64_t i = 0; i < n; i += VEC_WIDTH) {
 *         VEC x = CDK_AT(load_run)(in, i, n);
 *         CDK_AT(store_run)(out, i, n, f(x));
 *     }
 *
 * The last vector may be short; f is computed once, in the same instructions for all. */

VEC_INLINE VEC CDK_AT(load_run)(const VEC_T *p, int64_t i, int64_t n)
{
    return VEC_WIDTH == 1 || n - i >= VEC_WIDTH ? VEC_LOAD(p + i)
                                                : VEC_LOAD_MASK(p + i, VEC_MAKE_MASK((int)(n - i)));
}

VEC_INLINE void CDK_AT(store_run)(VEC_T *p, int64_t i, int64_t n, VEC v)
{
    if (VEC_WIDTH == 1 || n - i >= VEC_WIDTH) {
        VEC_STORE(p + i, v);
    } else {
        VEC_STORE_MASK(p + i, VEC_MAKE_MASK((int)(n - i)), v);
    }
}
