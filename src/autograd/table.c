#include <string.h>

#include "autograd/op.h"

#define CD_OP(op) extern const cd_op op;
#include "autograd/table.def"
#undef CD_OP

static const cd_op *const table[] = {
#define CD_OP(op) &op,
#include "autograd/table.def"
#undef CD_OP
};

int cd_op_count(void)
{
    return (int)(sizeof table / sizeof table[0]);
}

const cd_op *cd_op_at(int id)
{
    return id >= 0 && id < cd_op_count() ? table[id] : NULL;
}

const cd_op *cd_op_find(const char *name)
{
    for (int i = 0; i < cd_op_count(); i++) {
        if (strcmp(table[i]->name, name) == 0) {
            return table[i];
        }
    }
    return NULL;
}
