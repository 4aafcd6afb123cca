/* Whether operations are being recorded: on the thread of R, where all of them run. */
#ifndef CANDELA_AUTOGRAD_RECORDING_H
#define CANDELA_AUTOGRAD_RECORDING_H

#include <stdbool.h>

bool cd_grad_enabled(void);

/* Returns what was before. */
bool cd_set_grad_enabled(bool enabled);

#endif
