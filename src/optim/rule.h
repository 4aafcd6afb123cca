/* Update rules of the optimisers: p is changed by its gradient g, element by element.
 *
 * A rule is plain arithmetic on arrays; step.h applies it to lists of tensors. Numbers of a rule (`hyper`)
 * are given in the order of its enum; `step` counts a parameter's updates from 1. State arrays start at zero
 * unless said otherwise.
 *
 *   sgd       g += decay p; b = momentum b + (1 - dampening) g (b = g at step 1);
 *             p -= lr (nesterov ? g + momentum b : b)
 *   adam      g += decay p (or, decoupled, p *= 1 - lr decay);
 *             m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
 *             p -= lr / (1 - b1^step) m / (sqrt(v) / sqrt(1 - b2^step) + eps);
 *             amsgrad: with the largest value that v has had
 *   rmsprop   v = alpha v + (1 - alpha) g^2;
 *             p -= lr g / (sqrt(v - mean^2 if centred) + eps), with momentum
 *   adagrad   s += g^2; p -= lr / (1 + (step - 1) lr_decay) g / (sqrt(s) + eps)
 *   adadelta  v = rho v + (1 - rho) g^2; d = sqrt(u + eps) / sqrt(v + eps) g;
 *             u = rho u + (1 - rho) d^2; p -= lr d
 *   rprop     step sizes grow by etas[2] while the sign of g stays and shrink by etas[1] when it turns
 *             (there is no step then)
 *   asgd      p -= eta g after shrinking p by 1 - lambda eta; the average a follows p from step t0 on
 */
#ifndef CANDELA_OPTIM_RULE_H
#define CANDELA_OPTIM_RULE_H

#include <stdint.h>

#include "base/dtype.h"

#define CD_MAX_RULE_STATES 3
#define CD_MAX_RULE_NUMBERS 10

enum { CD_SGD_LR, CD_SGD_MOMENTUM, CD_SGD_DAMPENING, CD_SGD_DECAY, CD_SGD_NESTEROV };
enum {
    CD_ADAM_LR,
    CD_ADAM_BETA1,
    CD_ADAM_BETA2,
    CD_ADAM_EPS,
    CD_ADAM_DECAY,
    CD_ADAM_AMSGRAD,
    CD_ADAM_DECOUPLED
};
enum {
    CD_RMSPROP_LR,
    CD_RMSPROP_ALPHA,
    CD_RMSPROP_EPS,
    CD_RMSPROP_DECAY,
    CD_RMSPROP_MOMENTUM,
    CD_RMSPROP_CENTERED
};
enum { CD_ADAGRAD_LR, CD_ADAGRAD_LR_DECAY, CD_ADAGRAD_DECAY, CD_ADAGRAD_EPS };
enum { CD_ADADELTA_LR, CD_ADADELTA_RHO, CD_ADADELTA_EPS, CD_ADADELTA_DECAY };
enum { CD_RPROP_ETA_MINUS, CD_RPROP_ETA_PLUS, CD_RPROP_SMALLEST, CD_RPROP_LARGEST };
enum { CD_ASGD_LR, CD_ASGD_LAMBDA, CD_ASGD_ALPHA, CD_ASGD_T0, CD_ASGD_DECAY };

/* Elements begin .. end - 1. k are the numbers prepared for this step; p, g and
 * s[] are of the rule's type. */
typedef void (*cd_rule_body)(void *p, const void *g, void *const *s, int64_t begin, int64_t end,
                             const double *k);

typedef struct cd_rule {
    const char *name;
    int n_hyper;
    /* k[CD_MAX_RULE_NUMBERS] from the numbers given and the step. */
    void (*prepare)(double *k, const double *hyper, double step);
    cd_rule_body body[CD_DTYPES]; /* NULL for types that are no floats */
} cd_rule;

/* By name, or NULL. */
const cd_rule *cd_rule_find(const char *name);

#endif
