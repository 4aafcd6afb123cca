/* Element types: size, kind, names, and which type a computation has. */
#ifndef CANDELA_BASE_DTYPE_H
#define CANDELA_BASE_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The numbers are those in files of R: new types come last. */
typedef enum {
    CD_BOOL = 0, /* one byte, 0 or 1 */
    CD_UINT8,
    CD_INT32,
    CD_INT64,
    CD_FLOAT32,
    CD_FLOAT64,
    CD_INT8, /* the rest are only stored: what is computed with them is computed in int32 or float32 */
    CD_INT16,
    CD_FLOAT16,  /* 1 bit of sign, 5 of exponent, 10 of mantissa */
    CD_BFLOAT16, /* the upper half of a float32 */
    CD_DTYPES
} cd_dtype;

/* Ordered by which wins where two meet. */
typedef enum { CD_KIND_BOOL, CD_KIND_INTEGER, CD_KIND_FLOAT } cd_kind;

size_t cd_dtype_size(cd_dtype dtype);
cd_kind cd_dtype_kind(cd_dtype dtype);
bool cd_dtype_is_float(cd_dtype dtype);
bool cd_dtype_has_kernels(cd_dtype dtype); /* of the float types: those that computations have kernels for */
bool cd_dtype_is_integer(cd_dtype dtype);  /* of any size; not bool */

/* The type that computations with it have: int32 for int8 and int16, float32 for 16-bit floats, else
 * itself. */
cd_dtype cd_dtype_computed(cd_dtype dtype);

/* "Float", "Double", "Long", "Int", "Byte", "Bool", "Char", "Short", "Half", "BFloat16": as printed. */
const char *cd_dtype_name(cd_dtype dtype);

/* The type that holds both: float beats integer beats bool, then the wider one; of two of one width the next
 * wider. */
cd_dtype cd_dtype_promote(cd_dtype a, cd_dtype b);

/* The type of functions without integer values, such as a quotient or a logarithm: a float type is itself,
 * the others become float32. */
cd_dtype cd_dtype_float(cd_dtype dtype);

/* The widest type of the kind, in which sums are accumulated and elements are ordered: float64 or int64. */
cd_dtype cd_dtype_widest(cd_dtype dtype);

#endif
