/* The ids of all operators, made from table.def: CD_OP_add is that of cd_op_add.
 *
 * Code that computes with operators (formulas, the tape, the glue) names ids. Only the table (table.c) names
 * the operators themselves, so the files op_*.c do not refer to each other, whatever formulas they contain.
 */
#ifndef CANDELA_AUTOGRAD_OPERATORS_H
#define CANDELA_AUTOGRAD_OPERATORS_H

typedef enum cd_op_id {
#define CD_OP(name) CD_OP_##name,
#include "autograd/table.def"
#undef CD_OP
    CD_OPS /* how many there are */
} cd_op_id;

#endif
