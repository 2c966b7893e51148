/*
 * io/private: what only its owner may read or change.
 *
 * Purpose     The data directory's permissions, and a key file in it.
 * Threading   any thread; nothing is kept between calls. Blocking.
 * Failure     FROE_DENIED with what is wrong and the command that mends it.
 */
#ifndef IO_PRIVATE_H
#define IO_PRIVATE_H

#include "base/fault.h"

#include <stdbool.h>
#include <stddef.h>

/* Refuses a directory that others may write to, or that belongs to somebody else (root's are fine).
 * One that is not there is fine: whoever makes it makes it private. */
enum froe_err private_dir_check(const char *path, struct froe_fault *fault) FROE_CHECKED;

/* Reads the key of `size` bytes (at most 64), with a hash of it, from the file `name` in `dir`;
 * makes it of random bytes, durable and of mode 0600, if it is not there. Refuses one that others
 * may read, or that is damaged. */
enum froe_err private_key(const char *dir, const char *name, void *key, size_t size,
    bool *ret_created, struct froe_fault *fault) FROE_CHECKED;

#endif
