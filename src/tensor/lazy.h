/* Lazy tensors: results that are deferred, not computed yet.
 *
 * A memory-bound operator may leave its work for later: the tensor it returns has dtype, shape and strides,
 * and a deferred computation instead of storage. Whoever uses it next may do both in one pass over memory (an
 * activation behind a convolution or a batch norm); anything else that wants the data has the tensor
 * materialised first. Nobody can tell the difference, except by time and memory:
 *
 * - whatever reads a tensor's data calls cd_tensor_materialise() first (cd_call_run and the glue do so for
 *   everybody);
 * - whatever changes a tensor in place calls cd_tensor_will_change() first, which materialises the lazy
 *   tensors that are to be computed from it.
 */
#ifndef CANDELA_TENSOR_LAZY_H
#define CANDELA_TENSOR_LAZY_H

#include "base/status.h"
#include "kernels/epilogue.h"
#include "tensor/tensor.h"

#define CD_LAZY_SOURCES 5
#define CD_LAZY_ATTRS 16

typedef struct cd_lazy cd_lazy;

/* Fills t, which has storage, with end->activation(result) and writes the mask `end` asks for: every deferred
 * computation can end so. */
typedef cd_status (*cd_lazy_compute)(cd_tensor *t, const cd_lazy *lazy, const cdk_epilogue *end,
                                     cd_error *err);

struct cd_lazy {
    cd_lazy_compute compute;            /* also tells what kind of result this is */
    cd_tensor *source[CD_LAZY_SOURCES]; /* owned, with storage; NULL where unused */
    int n_attr;
    double attr[CD_LAZY_ATTRS];
    cd_lazy *previous, *next; /* all deferred computations, so that a writer finds its readers */
    cd_tensor *tensor;
    cdk_activation activation; /* applied to the result: t is activation(compute) */
    bool used;                 /* an operator did the computation as part of its own; it is not to be
                                * repeated by a second one: t is materialised for that */
};

/* Gives t, which has no storage, a deferred computation. Sources are retained and must have storage.
 * Errors: CD_EALLOC, and t is as before. */
cd_status cd_tensor_defer(cd_tensor *t, cd_lazy_compute compute, int n_source, cd_tensor *const *source,
                          int n_attr, const double *attr, cd_error *err);

/* Gives t, which has no storage, the computation of `of` with one more activation behind it. */
cd_status cd_tensor_defer_activation(cd_tensor *t, const cd_lazy *of, cdk_activation activation,
                                     cd_error *err);

/* Adds an activation at the end of the computation of t, which is lazy. */
void cd_lazy_add_activation(cd_tensor *t, cdk_activation activation);

/* Releases t's memory where `same` has the same values in other memory: t becomes lazy, to be copied from
 * there if anybody asks for it again. Nothing happens to tensors that are lazy already or not float32. Only
 * where t alone uses its storage and nothing but a variable holds t. */
cd_status cd_tensor_defer_copy(cd_tensor *t, cd_tensor *same, cd_error *err);

/* The deferred computation of t if that is `compute` without an activation behind it, else NULL. */
const cd_lazy *cd_lazy_result(const cd_tensor *t, cd_lazy_compute compute);

/* Fills y, which has storage and the shape of the lazy tensor, with end->activation(tensor), and the mask. */
cd_status cd_lazy_fill(cd_tensor *y, const cd_lazy *lazy, const cdk_epilogue *end, cd_error *err);

/* For computations that cannot do so on the way: ends them as `end` says. t is float32 and dense. */
void cd_lazy_finish(cd_tensor *t, const cdk_epilogue *end);

/* Drops the deferred computation of t, which has got its data another way; none is allowed. */
void cd_lazy_discard(cd_tensor *t);

/* Computes t if that is deferred. Afterwards t has storage, or an error is returned and t is as before. NULL
 * is allowed. For views; whoever reads elements calls cd_tensor_materialise(). */
cd_status cd_tensor_compute(cd_tensor *t, cd_error *err);

/* The same, and elements that are still bytes (tensor/lazy_bytes.h) are converted: t can be read. */
cd_status cd_tensor_materialise(cd_tensor *t, cd_error *err);

/* To be called before the storage of t is written to: materialises the lazy tensors that read it. */
cd_status cd_tensor_will_change(const cd_tensor *t, cd_error *err);

/* Registers how to have unreachable tensors freed, so that will_change does not compute what nobody wants. It
 * is called with memory held, and must return: it may not jump. */
void cd_lazy_register_collector(void (*collect)(void));

/* Deferring can be switched off, to compare results; the environment variable CANDELA_FUSE=0 does so at
 * load. */
bool cd_deferring(void);
void cd_set_deferring(bool on);

#endif
