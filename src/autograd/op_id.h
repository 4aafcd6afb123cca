/* The ids of the operators: CD_OP_add is that of the operator cd_op_add, and so on for each line of table.def.
 *
 * Code that computes with operators (formulas, the tape, the glue) names ids; cd_op_at() (op.h) gives the operator.
 * Thus the files op_*.c do not refer to each other, whatever formulas they contain.
 */
#ifndef CANDELA_AUTOGRAD_OP_ID_H
#define CANDELA_AUTOGRAD_OP_ID_H

typedef enum cd_op_id {
#define CD_OP(name) CD_OP_##name,
#include "autograd/table.def"
#undef CD_OP
    CD_OPS /* how many there are */
} cd_op_id;

#endif
