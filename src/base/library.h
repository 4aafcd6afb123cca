/* The shared library itself. */
#ifndef CANDELA_BASE_LIBRARY_H
#define CANDELA_BASE_LIBRARY_H

/* Keeps the code in memory until the process ends, also when R unloads the package: what R frees later
 * (handles of tensors, threads that wait) calls functions of it. Loading the package again loads another copy
 * beside it, if the file has changed. Does nothing where the system has no such request. */
void cd_library_pin(void);

#endif
