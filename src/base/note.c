#include "base/note.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define KEPT 16

static char notes[KEPT][CD_NOTE_LENGTH];
static int count = 0;
static atomic_flag taken = ATOMIC_FLAG_INIT;

static void enter(void)
{
    while (atomic_flag_test_and_set(&taken)) {
        ;
    }
}

static void leave(void)
{
    atomic_flag_clear(&taken);
}

void cd_note(const char *format, ...)
{
    char text[CD_NOTE_LENGTH];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    enter();
    if (count < KEPT) {
        memcpy(notes[count++], text, sizeof text);
    }
    leave();
}

int cd_note_take(char text[CD_NOTE_LENGTH])
{
    enter();
    const int found = count > 0;
    if (found) {
        memcpy(text, notes[0], CD_NOTE_LENGTH);
        count--;
        memmove(notes[0], notes[1], (size_t)count * CD_NOTE_LENGTH);
    }
    leave();
    return found;
}
