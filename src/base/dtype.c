#include "base/dtype.h"

static const struct {
    size_t size;
    cd_kind kind;
    cd_dtype computed;
    const char *name;
} dtypes[CD_DTYPES] = {
    [CD_BOOL] = {1, CD_KIND_BOOL, CD_BOOL, "Bool"},
    [CD_UINT8] = {1, CD_KIND_INTEGER, CD_UINT8, "Byte"},
    [CD_INT32] = {4, CD_KIND_INTEGER, CD_INT32, "Int"},
    [CD_INT64] = {8, CD_KIND_INTEGER, CD_INT64, "Long"},
    [CD_FLOAT32] = {4, CD_KIND_FLOAT, CD_FLOAT32, "Float"},
    [CD_FLOAT64] = {8, CD_KIND_FLOAT, CD_FLOAT64, "Double"},
    [CD_INT8] = {1, CD_KIND_INTEGER, CD_INT32, "Char"},
    [CD_INT16] = {2, CD_KIND_INTEGER, CD_INT32, "Short"},
    [CD_FLOAT16] = {2, CD_KIND_FLOAT, CD_FLOAT32, "Half"},
    [CD_BFLOAT16] = {2, CD_KIND_FLOAT, CD_FLOAT32, "BFloat16"},
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

cd_dtype cd_dtype_computed(cd_dtype dtype)
{
    return dtypes[dtype].computed;
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
    if (dtypes[a].kind != dtypes[b].kind) {
        return dtypes[a].kind > dtypes[b].kind ? a : b;
    }
    if (a == b || dtypes[a].size != dtypes[b].size) {
        return dtypes[a].size >= dtypes[b].size ? a : b;
    }
    return dtypes[a].kind == CD_KIND_FLOAT ? CD_FLOAT32 : CD_INT16;
}

cd_dtype cd_dtype_float(cd_dtype dtype)
{
    return cd_dtype_is_float(dtype) ? dtype : CD_FLOAT32;
}

cd_dtype cd_dtype_widest(cd_dtype dtype)
{
    return cd_dtype_is_float(dtype) ? CD_FLOAT64 : CD_INT64;
}
