/* Derivatives of backward, for operators that do not spell them out: see the traits in op.h. */
#ifndef CANDELA_AUTOGRAD_SECOND_H
#define CANDELA_AUTOGRAD_SECOND_H

#include "autograd/expression.h"

/* What backward computes, made of operators: `second`, or what the traits promise. Where there is nothing,
 * backward computes the gradients, and going backward through them is an error (CD_EAUTOGRAD) that names the
 * operator. */
cd_status cd_second(cd_gradient *g, cd_error *err);

/* `second` for y = f(x): dx = dy f'(x), the slope as slopes.c has it. */
cd_status cd_second_by_slope(cd_gradient *g, cd_error *err);

/* `second` of an operator with the trait CD_SCALES, and of one without a second derivative. */
cd_status cd_second_scaled(cd_gradient *g, cd_error *err);
cd_status cd_second_once(cd_gradient *g, cd_error *err);

/* `second` for losses of single elements, inputs x and target, attributes reduction (0 none, 1 mean, 2 sum)
 * and the parameter a. */
cd_status cd_second_of_loss(cd_gradient *g, cd_error *err);

/* Attributes of the operator gradient_of: the id of f, the input that it is the gradient of, that one's
 * dtype, number of dimensions and shape; then the attributes of f. */
enum { CD_GRADIENT_FUNCTION, CD_GRADIENT_WHICH, CD_GRADIENT_DTYPE, CD_GRADIENT_NDIM, CD_GRADIENT_SHAPE };
#define CD_GRADIENT_MOST_INPUTS 8

/* gradient_of(f, which) of dy and the inputs of f, n_in of them, whose gradient has the dtype and shape of
 * `like`. */
cd_tensor *cd_expr_gradient_term(cd_expr *e, const cd_op *f, int which, const cd_tensor *like, int n_in,
                                 cd_tensor *const *dy_and_in, int n_attr, const double *attr);

/* The gradient of input `which` of an operator that is linear in every one of its inputs by itself, as an
 * operator that is differentiable as often as you like. */
cd_tensor *cd_expr_gradient_of(cd_expr *e, const cd_gradient *g, int which, int n_in);

#endif
