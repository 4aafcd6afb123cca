/* JSON into values: objects become dictionaries, whole numbers integers. */
#ifndef CANDELA_IO_JSON_H
#define CANDELA_IO_JSON_H

#include "io/value.h"

/* Parses length bytes of text, which must be one JSON value and white space. `what` names the text in
 * messages. Errors: CD_EFORMAT with the position, CD_EALLOC. */
cd_status cd_json_read(cd_value **v, cd_document *d, const char *text, int64_t length, const char *what,
                       cd_error *err);

#endif
