/* Files of PyTorch's torch.save(): the zip format and the older stream format. */
#ifndef CANDELA_IO_CHECKPOINT_H
#define CANDELA_IO_CHECKPOINT_H

#include "io/value.h"

/* Reads the file into d, whose root is then what was saved. Tensors that shared a storage share it again.
 * Errors: CD_EIO, CD_EFORMAT (damaged, unknown Python objects), CD_EALLOC, CD_EINTERRUPT. */
cd_status cd_checkpoint_read(cd_document *d, const char *path, cd_error *err);

#endif
