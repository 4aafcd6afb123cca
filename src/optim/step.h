/* One step of an optimiser over a list of parameters, in one parallel pass. */
#ifndef CANDELA_OPTIM_STEP_H
#define CANDELA_OPTIM_STEP_H

#include "base/status.h"
#include "optim/rule.h"
#include "tensor/tensor.h"

typedef struct cd_step_item {
    cd_tensor *param;
    cd_tensor *grad;
    cd_tensor *state[CD_MAX_RULE_STATES]; /* of the shape and dtype of param; NULL where the rule has none */
    double step;                          /* this update's number, from 1 */
} cd_step_item;

/* Applies the rule to every item: param and states change in place (their versions go up), gradients do not.
 * Errors: CD_EDTYPE (float32 and float64 only), CD_ESHAPE, CD_EALLOC; the items before the one that failed
 * are updated then. */
cd_status cd_step(const cd_rule *rule, const double *hyper, int n, cd_step_item *item, cd_error *err);

/* (sum over all gradients of |g|^p)^(1/p), in double precision; p = INFINITY: the largest |g|. */
cd_status cd_grad_norm(double *norm, int n, cd_tensor *const *grad, double p, cd_error *err);

/* Multiplies every gradient by factor, then limits its values to -limit .. limit (INFINITY: no limit). */
cd_status cd_grad_scale(int n, cd_tensor *const *grad, double factor, double limit, cd_error *err);

#endif
