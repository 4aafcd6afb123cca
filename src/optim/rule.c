#include "optim/rule.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "kernels/by_dtype.h"

/* Positions in k of what `prepare` adds behind the numbers given. */
enum { SGD_FIRST = 5 };
enum { ADAM_RATE = 7, ADAM_ROOT, ADAM_KEEP };
enum { ASGD_ETA = 5, ASGD_MU };

/* gcc vectorises a square root only when it need not set errno. */
#if defined(__GNUC__) && !defined(__clang__)
#define BODY_ATTRIBUTES __attribute__((optimize("O3", "no-math-errno", "no-trapping-math")))
#else
#define BODY_ATTRIBUTES
#endif

#define REAL float
#define SQRT sqrtf
#define NAME(rule) rule##_f32
#include "optim/rule_body.inc"
#undef REAL
#undef SQRT
#undef NAME

#define REAL double
#define SQRT sqrt
#define NAME(rule) rule##_f64
#include "optim/rule_body.inc"
#undef REAL
#undef SQRT
#undef NAME

static void sgd_prepare(double *k, const double *hyper, double step)
{
    k[CD_SGD_DAMPENING] = 1 - hyper[CD_SGD_DAMPENING];
    k[SGD_FIRST] = step <= 1;
}

static void adam_prepare(double *k, const double *hyper, double step)
{
    double lr = hyper[CD_ADAM_LR], decay = hyper[CD_ADAM_DECAY];
    k[ADAM_RATE] = lr / (1 - pow(hyper[CD_ADAM_BETA1], step));
    k[ADAM_ROOT] = 1 / sqrt(1 - pow(hyper[CD_ADAM_BETA2], step));
    k[ADAM_KEEP] = hyper[CD_ADAM_DECOUPLED] != 0 ? 1 - lr * decay : 1;
    k[CD_ADAM_DECAY] = hyper[CD_ADAM_DECOUPLED] != 0 ? 0 : decay;
}

static void nothing_to_prepare(double *k, const double *hyper, double step)
{
    (void)k;
    (void)hyper;
    (void)step;
}

static void adagrad_prepare(double *k, const double *hyper, double step)
{
    k[CD_ADAGRAD_LR] = hyper[CD_ADAGRAD_LR] / (1 + (step - 1) * hyper[CD_ADAGRAD_LR_DECAY]);
}

static void asgd_prepare(double *k, const double *hyper, double step)
{
    double lr = hyper[CD_ASGD_LR], before = step - 1;
    k[ASGD_ETA] = lr / pow(1 + hyper[CD_ASGD_LAMBDA] * lr * before, hyper[CD_ASGD_ALPHA]);
    k[ASGD_MU] = 1 / fmax(1, before - hyper[CD_ASGD_T0]);
}

static const cd_rule rules[] = {
    {"sgd", 5, sgd_prepare, CDK_FLOATS(sgd)},
    {"adam", 7, adam_prepare, CDK_FLOATS(adam)},
    {"rmsprop", 6, nothing_to_prepare, CDK_FLOATS(rmsprop)},
    {"adagrad", 4, adagrad_prepare, CDK_FLOATS(adagrad)},
    {"adadelta", 4, nothing_to_prepare, CDK_FLOATS(adadelta)},
    {"rprop", 4, nothing_to_prepare, CDK_FLOATS(rprop)},
    {"asgd", 5, asgd_prepare, CDK_FLOATS(asgd)},
};

const cd_rule *cd_rule_find(const char *name)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (strcmp(name, rules[i].name) == 0) {
            return &rules[i];
        }
    }
    return NULL;
}
