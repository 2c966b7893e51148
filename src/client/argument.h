/*
 * client/argument: what a caller must give.
 *
 * Purpose     a public function that is called with NULL where that says nothing answers with
 *             FROE_INVALID_ARGUMENT and the argument's name, instead of dying of it.
 */
#ifndef CLIENT_ARGUMENT_H
#define CLIENT_ARGUMENT_H

#include "froe/froe.h"

/* Names and pointers by turns, then NULL. True: one of the pointers is NULL; *error says which. */
bool argument_missing(struct froe_error *error, ...) __attribute__((sentinel));

/* The same for bytes or rows: NULL is fine where there are none of them. */
bool argument_short(struct froe_error *error, const char *name, const void *data, size_t count);

#endif
