/* What a user should hear of although nothing failed, from any thread: the glue makes R warnings of it. */
#ifndef CANDELA_BASE_NOTE_H
#define CANDELA_BASE_NOTE_H

#include "base/status.h"

#define CD_NOTE_LENGTH 512

/* Keeps the text until it is taken. Of many only the first few are kept. Any thread may call. */
void cd_note(const char *format, ...) CD_PRINTF(1, 2);

/* Takes the oldest note into text; 0 when there is none. */
int cd_note_take(char text[CD_NOTE_LENGTH]);

#endif
