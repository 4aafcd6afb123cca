/* The table of all operators, made from table.def.
 *
 * An operator is named by its id: CD_OP_add is the id of cd_op_add. Code that computes with operators (formulas,
 * the tape, the glue) names ids, and only this table names the operators themselves; so the files op_*.c do not
 * refer to each other, whatever formulas they contain.
 */
#ifndef CANDELA_AUTOGRAD_TABLE_H
#define CANDELA_AUTOGRAD_TABLE_H

typedef enum cd_op_id {
#define CD_OP(name) CD_OP_##name,
#include "autograd/table.def"
#undef CD_OP
    CD_OPS /* how many there are */
} cd_op_id;

struct cd_op;

/* The operator with this id; NULL where id is out of range. */
const struct cd_op *cd_op_at(int id);

#endif
