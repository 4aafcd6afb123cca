/* Pending tensors: results that are known but not computed yet.
 *
 * A memory-bound operator may postpone its work: the tensor it returns has dtype, shape and strides, and a
 * recipe instead of storage. An operator that understands the recipe (an activation behind a convolution or a
 * batch norm) does both in one pass over memory; anything else that wants the data has the recipe carried out
 * first. Nobody can tell the difference, except by time and memory:
 * - whatever reads a tensor's data calls cd_tensor_force() first (cd_call_run and the glue do so for
 * everybody);
 * - whatever changes a tensor in place calls cd_tensor_will_change() first, which carries out the recipes
 * that read it.
 */
#ifndef CANDELA_TENSOR_PENDING_H
#define CANDELA_TENSOR_PENDING_H

#include "base/status.h"
#include "kernels/epilogue.h"
#include "tensor/tensor.h"

#define CD_PENDING_SOURCES 5
#define CD_PENDING_ATTRS 16

typedef struct cd_pending cd_pending;

/* Fills t, which has storage, with activation(result): every recipe can end in one. */
typedef cd_status (*cd_recipe)(cd_tensor *t, const cd_pending *pending, cdk_activation activation,
                               cd_error *err);

struct cd_pending {
    cd_recipe recipe;                      /* also tells what kind of result this is */
    cd_tensor *source[CD_PENDING_SOURCES]; /* owned; NULL where unused */
    double attr[CD_PENDING_ATTRS];
    cd_pending *previous, *next; /* all pending tensors, so that a writer finds its readers */
    cd_tensor *tensor;
    cdk_activation activation; /* applied to the result: t is activation(recipe) */
    bool taken;                /* somebody computes it for themselves, who will not do so twice */
};

/* Gives t, which has no storage, a recipe. Sources are retained and must have storage. */
cd_status cd_tensor_postpone(cd_tensor *t, cd_recipe recipe, int n_source, cd_tensor *const *source,
                             int n_attr, const double *attr, cd_error *err);

/* Gives t, which has no storage, what `of` is waiting to be, with one more activation behind it. */
cd_status cd_tensor_postpone_activation(cd_tensor *t, const cd_pending *of, cdk_activation activation,
                                        cd_error *err);

/* Makes t, which is pending, wait to be its present result with one more activation behind it. */
void cd_pending_join_activation(cd_tensor *t, cdk_activation activation);

/* Gives t's memory up for `same`, a tensor of the same values in other memory: t becomes pending, to be
 * copied from there if anybody asks for it again. Only where t alone uses its storage and nothing but a
 * variable holds t. */
cd_status cd_tensor_stand_in(cd_tensor *t, cd_tensor *same, cd_error *err);

/* What t is waiting to be if that is the bare result of `recipe`, else NULL. */
const cd_pending *cd_pending_result(const cd_tensor *t, cd_recipe recipe);

/* Fills y, which has storage and the shape of the pending tensor, with activation(tensor). */
cd_status cd_pending_fill(cd_tensor *y, const cd_pending *pending, cdk_activation activation, cd_error *err);

/* Computes t if it is pending. Afterwards t has storage, or an error is returned and t is as before. NULL is
 * allowed. */
cd_status cd_tensor_compute(cd_tensor *t, cd_error *err);

/* The same, and its elements are there (tensor/widen.h). */
cd_status cd_tensor_force(cd_tensor *t, cd_error *err);

/* To be called before the storage of t is written to: computes the pending tensors that read it. */
cd_status cd_tensor_will_change(const cd_tensor *t, cd_error *err);

/* Registers how to have unreachable tensors freed, so that will_change does not compute what nobody wants. */
void cd_pending_register_collector(void (*collect)(void));

/* Postponing can be switched off, to compare results; the environment variable CANDELA_FUSE=0 does so at
 * load. */
bool cd_postponing(void);
void cd_set_postponing(bool on);

#endif
