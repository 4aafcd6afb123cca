/* The table of all operators, made from table.def: the one place that names them all. */
#ifndef CANDELA_AUTOGRAD_TABLE_H
#define CANDELA_AUTOGRAD_TABLE_H

/* Makes the operators known to cd_op_at() (op.h). To be called once, before any operator is run. */
void cd_table_install(void);

#endif
