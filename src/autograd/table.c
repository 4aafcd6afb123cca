#include "autograd/table.h"

static const cd_op *const table[CD_OPS] = {
#define CD_OP(name) [CD_OP_##name] = &cd_op_##name,
#include "autograd/table.def"
#undef CD_OP
};

void cd_table_install(void)
{
    cd_ops_install(table);
}
