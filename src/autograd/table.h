/* The operators themselves, made from table.def, for the table and for what names some of them (fuse.c). Code
 * that computes with operators names their ids (operators.h). */
#ifndef CANDELA_AUTOGRAD_TABLE_H
#define CANDELA_AUTOGRAD_TABLE_H

#include "autograd/op.h"

#define CD_OP(name) extern const cd_op cd_op_##name;
#include "autograd/table.def"
#undef CD_OP

/* Makes the operators known to cd_op_at() (op.h). To be called once, before any operator is run. */
void cd_table_install(void);

#endif
