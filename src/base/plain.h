/* For builds that look for errors of memory: every block is one of malloc's, as large as was asked for, and
 * is freed at once, so that a tool that watches malloc sees each access. AddressSanitizer asks for it by
 * itself; CPPFLAGS =
 * -DCD_PLAIN_MEMORY does for valgrind, or to see what happens when an allocation fails. */
#ifndef CANDELA_BASE_PLAIN_H
#define CANDELA_BASE_PLAIN_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CD_PLAIN_MEMORY
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(CD_PLAIN_MEMORY)
#define CD_PLAIN_MEMORY
#endif

#endif
