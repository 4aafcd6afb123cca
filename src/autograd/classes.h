/* Predictions and what they should have been: shared by losses and metrics of classes.
 *
 * Predictions are N x C x d1 x ..., or just C, one vector of C numbers for each place. The truth is an
 * integer tensor of classes from 1 to C, of their shape without C; or labels from 0 to 1, of their shape.
 */
#ifndef CANDELA_AUTOGRAD_CLASSES_H
#define CANDELA_AUTOGRAD_CLASSES_H

#include "autograd/op.h"
#include "kernels/labelled.h"
#include "kernels/vectors.h"

/* Which dimension of predictions the classes are. */
int cd_class_dim(const cd_tensor *x);

/* The memory of t (dense) seen from dimension dim; channels last only where dim is the channels. */
cdk_vectors cd_vectors_of(const cd_tensor *t, int dim);

/* shape[CD_MAX_DIMS]: that of x without its classes, which target must have, as integers. `loss` names who
 * asks. Errors: CD_EDTYPE, CD_ESHAPE. */
cd_status cd_check_class_target(int64_t *shape, const cd_tensor *x, const cd_tensor *target, const char *loss,
                                cd_error *err);

/* What labels may be. */
typedef enum { CD_CLASSES, CD_LABELS, CD_HARD_LABELS /* 0 or 1 */ } cd_truth_kind;

typedef struct cd_truth {
    cd_tensor *target; /* owned: contiguous int64, or like the predictions */
    cdk_labelled labelled;
} cd_truth;

/* Shape and dtype of a truth for predictions x, which have at least 2 dimensions. Errors: CD_EDTYPE,
 * CD_ESHAPE. */
cd_status cd_check_truth(const cd_tensor *x, const cd_tensor *target, cd_truth_kind kind, const char *loss,
                         cd_error *err);

/* The truth in the memory order of x (dense; its elements are not read). Its values are checked. Free with
 * cd_truth_clear, also on failure. Errors: CD_EINDEX for a class, CD_EVALUE for a label out of range,
 * CD_EALLOC. */
cd_status cd_truth_of(cd_truth *truth, const cd_tensor *x, cd_tensor *target, cd_truth_kind kind,
                      int64_t ignore, const char *loss, cd_error *err);
void cd_truth_clear(cd_truth *truth);

#endif
