/* Formulas of operators, for backward functions: dx = dy * cos(x) reads
 *
 *     cd_chain c = cd_chain_begin(err);
 *     cd_chain_give(&c, g, 0, cd_chain2(&c, "mul", g->dy[0], cd_chain1(&c, "cos", g->in[0])));
 *     return cd_chain_end(&c);
 *
 * Intermediate tensors belong to the chain. After a failure every step gives NULL and the end its status.
 */
#ifndef CANDELA_AUTOGRAD_CHAIN_H
#define CANDELA_AUTOGRAD_CHAIN_H

#include "autograd/op.h"

#define CD_CHAIN_LENGTH 48

typedef struct cd_chain {
    cd_tensor *held[CD_CHAIN_LENGTH];
    int count;
    cd_status status;
    cd_error *err;
} cd_chain;

cd_chain cd_chain_begin(cd_error *err);
cd_status cd_chain_end(cd_chain *c);

/* The chain takes over the reference; returns t. */
cd_tensor *cd_chain_hold(cd_chain *c, cd_tensor *t);

cd_tensor *cd_chain_number(cd_chain *c, double value);
cd_tensor *cd_chain_op(cd_chain *c, const char *op, int n_in, cd_tensor *const *in, int n_attr,
                       const double *attr);
cd_tensor *cd_chain1(cd_chain *c, const char *op, cd_tensor *a);
cd_tensor *cd_chain2(cd_chain *c, const char *op, cd_tensor *a, cd_tensor *b);
cd_tensor *cd_chain2n(cd_chain *c, const char *op, cd_tensor *a, double b); /* b is a number */

/* Dimensions a and b exchanged (a view). */
cd_tensor *cd_chain_transpose(cd_chain *c, cd_tensor *t, int a, int b);

/* Dense in the shape. */
cd_tensor *cd_chain_reshape(cd_chain *c, cd_tensor *t, int ndim, const int64_t *shape);

/* g->dx[i] = t, summed to the shape and converted to the dtype of input i. */
void cd_chain_give(cd_chain *c, cd_gradient *g, int i, cd_tensor *t);

#endif
