#include "tensor/dtype.h"

static const struct {
    size_t size;
    const char *name;
} dtypes[CD_DTYPES] = {
    [CD_BOOL] = {1, "Bool"},  [CD_UINT8] = {1, "Byte"},    [CD_INT32] = {4, "Int"},
    [CD_INT64] = {8, "Long"}, [CD_FLOAT32] = {4, "Float"}, [CD_FLOAT64] = {8, "Double"},
};

size_t cd_dtype_size(cd_dtype dtype)
{
    return dtypes[dtype].size;
}

bool cd_dtype_is_float(cd_dtype dtype)
{
    return dtype == CD_FLOAT32 || dtype == CD_FLOAT64;
}

bool cd_dtype_is_integer(cd_dtype dtype)
{
    return dtype == CD_UINT8 || dtype == CD_INT32 || dtype == CD_INT64;
}

const char *cd_dtype_name(cd_dtype dtype)
{
    return dtypes[dtype].name;
}

cd_dtype cd_dtype_promote(cd_dtype a, cd_dtype b)
{
    return a > b ? a : b;
}
