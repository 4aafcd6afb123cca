#include "autograd/table.h"

#include <stddef.h>

#include "autograd/op.h"

#define CD_OP(name) extern const cd_op cd_op_##name;
#include "autograd/table.def"
#undef CD_OP

static const cd_op *const table[CD_OPS] = {
#define CD_OP(name) [CD_OP_##name] = &cd_op_##name,
#include "autograd/table.def"
#undef CD_OP
};

const cd_op *cd_op_at(int id)
{
    return id >= 0 && id < CD_OPS ? table[id] : NULL;
}
