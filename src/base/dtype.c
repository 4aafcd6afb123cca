#include "base/dtype.h"

static const struct {
    size_t size;
    cd_kind kind;
    const char *name;
} dtypes[CD_DTYPES] = {
    [CD_BOOL] = {1, CD_KIND_BOOL, "Bool"},      [CD_UINT8] = {1, CD_KIND_INTEGER, "Byte"},
    [CD_INT32] = {4, CD_KIND_INTEGER, "Int"},   [CD_INT64] = {8, CD_KIND_INTEGER, "Long"},
    [CD_FLOAT32] = {4, CD_KIND_FLOAT, "Float"}, [CD_FLOAT64] = {8, CD_KIND_FLOAT, "Double"},
};

size_t cd_dtype_size(cd_dtype dtype)
{
    return dtypes[dtype].size;
}

cd_kind cd_dtype_kind(cd_dtype dtype)
{
    return dtypes[dtype].kind;
}

bool cd_dtype_is_float(cd_dtype dtype)
{
    return dtypes[dtype].kind == CD_KIND_FLOAT;
}

bool cd_dtype_has_kernels(cd_dtype dtype)
{
    return dtype == CD_FLOAT32 || dtype == CD_FLOAT64;
}

bool cd_dtype_is_integer(cd_dtype dtype)
{
    return dtypes[dtype].kind == CD_KIND_INTEGER;
}

const char *cd_dtype_name(cd_dtype dtype)
{
    return dtypes[dtype].name;
}

cd_dtype cd_dtype_promote(cd_dtype a, cd_dtype b)
{
    return a > b ? a : b;
}

cd_dtype cd_dtype_float(cd_dtype dtype)
{
    return cd_dtype_is_float(dtype) ? dtype : CD_FLOAT32;
}

cd_dtype cd_dtype_widest(cd_dtype dtype)
{
    return cd_dtype_is_float(dtype) ? CD_FLOAT64 : CD_INT64;
}
