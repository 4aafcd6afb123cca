/* What vectors of one number have in common, float or double. See kernels/vec.h, which the level's own header
 * includes first. */
#define VEC_TARGET
#define VEC_WIDTH 1
#define VEC_MASK int
#define VEC_MAKE_MASK(n) (n)
#define VEC_LOAD(p) (*(p))
#define VEC_STORE(p, v) ((void)(*(p) = (v)))
#define VEC_STORE_MASK(p, mask, v) ((void)((mask) && (*(p) = (v), 1)))
#define VEC_ADD(a, b) ((a) + (b))
#define VEC_SUB(a, b) ((a) - (b))
#define VEC_MUL(a, b) ((a) * (b))
#define VEC_FMA(a, b, c) ((a) * (b) + (c))
#define VEC_MAX(a, b) ((a) > (b) ? (a) : (b))
#define VEC_MIN(a, b) ((a) < (b) ? (a) : (b))
#define VEC_GREATER(a, b) ((a) > (b))
#define VEC_EQUAL(a, b) ((a) == (b))
#define VEC_IS_NAN(v) ((v) != (v))
#define VEC_SELECT(choice, a, b) ((choice) ? (a) : (b))
#define VEC_ANY(choice) (choice)
