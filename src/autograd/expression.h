/* The expression builder: formulas whose terms are operators, for backward functions and for operators that
 * are made of others. dx = dy * cos(x) is
 *
 *     cd_expr e = cd_expr_begin(err);
 *     cd_expr_give(&e, g, 0, cd_expr_mul(&e, g->dy[0], cd_expr1(&e, CD_OP_cos, g->in[0])));
 *     return cd_expr_end(&e);
 *
 * A term is computed at once, without being recorded. Every tensor a function here returns belongs to the
 * expression, which releases it at its end. After a failure every further term is NULL, terms may be given
 * NULL, and the end returns the status of the first failure.
 */
#ifndef CANDELA_AUTOGRAD_EXPRESSION_H
#define CANDELA_AUTOGRAD_EXPRESSION_H

#include "autograd/op.h"

#define CD_EXPR_TERMS 48

typedef struct cd_expr {
    cd_tensor *held[CD_EXPR_TERMS];
    int count;
    cd_status status;
    cd_error *err;
} cd_expr;

cd_expr cd_expr_begin(cd_error *err);
cd_status cd_expr_end(cd_expr *e);

/* The expression takes over the reference; returns t, or NULL (CD_EINTERNAL) after CD_EXPR_TERMS terms. */
cd_tensor *cd_expr_hold(cd_expr *e, cd_tensor *t);

/* A plain number, which gives way in type promotion. */
cd_tensor *cd_expr_number(cd_expr *e, double value);

/* Any operator with one output; operators of one and of two tensors; of a tensor and a number. */
cd_tensor *cd_expr_op(cd_expr *e, cd_op_id op, int n_in, cd_tensor *const *in, int n_attr,
                      const double *attr);
cd_tensor *cd_expr1(cd_expr *e, cd_op_id op, cd_tensor *a);
cd_tensor *cd_expr2(cd_expr *e, cd_op_id op, cd_tensor *a, cd_tensor *b);
cd_tensor *cd_expr2n(cd_expr *e, cd_op_id op, cd_tensor *a, double b);

/* a + b, a - b, a * b, a / b, -a, broadcast; a * number, a + number. */
cd_tensor *cd_expr_add(cd_expr *e, cd_tensor *a, cd_tensor *b);
cd_tensor *cd_expr_sub(cd_expr *e, cd_tensor *a, cd_tensor *b);
cd_tensor *cd_expr_mul(cd_expr *e, cd_tensor *a, cd_tensor *b);
cd_tensor *cd_expr_div(cd_expr *e, cd_tensor *a, cd_tensor *b);
cd_tensor *cd_expr_neg(cd_expr *e, cd_tensor *a);
cd_tensor *cd_expr_times(cd_expr *e, cd_tensor *a, double number);
cd_tensor *cd_expr_plus(cd_expr *e, cd_tensor *a, double number);

/* t where the condition (bool) holds, elsewhere `other`. */
cd_tensor *cd_expr_where(cd_expr *e, cd_tensor *condition, cd_tensor *t, cd_tensor *other);

/* Dimensions a and b exchanged (a view). */
cd_tensor *cd_expr_transpose(cd_expr *e, cd_tensor *t, int a, int b);

/* t as a row-major tensor of the shape, which has as many elements. */
cd_tensor *cd_expr_reshape(cd_expr *e, cd_tensor *t, int ndim, const int64_t *shape);

/* t spread to the shape, by the rules of broadcasting; reduced dims are 1 in t (cd_expr_reshape). */
cd_tensor *cd_expr_expand(cd_expr *e, cd_tensor *t, int ndim, const int64_t *shape);

/* Reduction (sum, mean, amax, ...) over one dimension, which stays with size 1. */
cd_tensor *cd_expr_along(cd_expr *e, cd_op_id reduction, cd_tensor *t, int dim);

/* A tensor of the dtype and shape of t with one value everywhere. */
cd_tensor *cd_expr_full_like(cd_expr *e, const cd_tensor *t, double value);

/* g->dx[i] = t, summed to the shape and converted to the dtype of input i. */
void cd_expr_give(cd_expr *e, cd_gradient *g, int i, cd_tensor *t);

#endif
