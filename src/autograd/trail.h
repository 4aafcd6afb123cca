/* Backward that is recorded itself, for gradients of gradients.
 *
 * Backward functions compute with tensors, which have no history. While a trail is open, the tensors that
 * have one are known with their variables (cd_tensor.history), and cd_run() records what is computed from
 * them as cd_apply() does. So a backward function that consists of operators needs nothing else to be
 * differentiable.
 */
#ifndef CANDELA_AUTOGRAD_TRAIL_H
#define CANDELA_AUTOGRAD_TRAIL_H

#include "autograd/variable.h"

typedef struct cd_trail {
    struct cd_trail *outer; /* the one that was open before */
    int64_t count, capacity;
    cd_tensor **tensor; /* borrowed */
    cd_variable **variable;
} cd_trail;

/* From open to close cd_run() is recorded; close forgets all that is known. */
void cd_trail_open(cd_trail *trail);
void cd_trail_close(cd_trail *trail);

/* While computing without being recorded, or while code of the user's runs: NULL where no trail is open. */
cd_trail *cd_trail_pause(void);
void cd_trail_resume(cd_trail *trail);

/* The history of a tensor is that of the variable, whose reference the trail takes over, also on failure.
 * What is known already, or has no history, is left. */
cd_status cd_trail_know(cd_trail *trail, cd_tensor *t, cd_variable *v, cd_error *err);

/* The variable of a tensor: the one that is known, retained, or a new one without history. */
cd_status cd_trail_variable(cd_variable **v, cd_tensor *t, cd_error *err);

/* Forgets what is known of t, from position `from` on. */
void cd_trail_forget_tensor(cd_trail *trail, cd_tensor *t, int64_t from);

/* Forgets what was made known from position `from` on: up to `upto` all of it, behind that what nobody else
 * holds. */
void cd_trail_forget(cd_trail *trail, int64_t from, int64_t upto);

#endif
