/* Reading Python pickles without executing anything.
 *
 * The interpreter knows a fixed list of opcodes (protocols 0 to 5 as far as torch.save uses them) and a fixed
 * list of names: OrderedDict, torch.Size, the storage types, the functions that rebuild tensors and
 * parameters. A file that asks for any other name is refused. Sizes come from the file and are checked
 * against what is left of it.
 */
#ifndef CANDELA_IO_PICKLE_H
#define CANDELA_IO_PICKLE_H

#include "io/file.h"
#include "io/value.h"

/* Reads one pickle, up to and including its STOP; the reader is then at the byte after it. *v belongs to d.
 * Tensors come without data: their `storage` says where these are. Errors: CD_EFORMAT, CD_EALLOC, CD_EIO. */
cd_status cd_pickle_read(cd_value **v, cd_document *d, cd_reader *r, cd_error *err);

#endif
