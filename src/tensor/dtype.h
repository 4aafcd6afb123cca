/* Element types: size, names, and which type results when two meet. */
#ifndef CANDELA_TENSOR_DTYPE_H
#define CANDELA_TENSOR_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ordered so that a later type of the same kind holds the earlier one's values. */
typedef enum {
    CD_BOOL = 0, /* one byte, 0 or 1 */
    CD_UINT8,
    CD_INT32,
    CD_INT64,
    CD_FLOAT32,
    CD_FLOAT64,
    CD_DTYPES
} cd_dtype;

size_t cd_dtype_size(cd_dtype dtype);
bool cd_dtype_is_float(cd_dtype dtype);
bool cd_dtype_is_integer(cd_dtype dtype); /* uint8, int32, int64; not bool */

/* "Float", "Double", "Long", "Int", "Byte", "Bool": as printed. */
const char *cd_dtype_name(cd_dtype dtype);

/* The type that holds both: float beats integer beats bool, then the wider one. */
cd_dtype cd_dtype_promote(cd_dtype a, cd_dtype b);

#endif
