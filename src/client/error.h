/*
 * client/error: filling a struct froe_error; NULL is allowed everywhere.
 */
#ifndef CLIENT_ERROR_H
#define CLIENT_ERROR_H

#include "base/fault.h"
#include "froe/froe.h"
#include "proto/native.pb-c.h"

enum froe_err error_set(struct froe_error *error, enum froe_err code, const char *format, ...)
    FROE_PRINTF(3, 4);
enum froe_err error_set_field(struct froe_error *error, enum froe_err code, const char *field,
    const char *format, ...) FROE_PRINTF(4, 5);
enum froe_err error_from_fault(struct froe_error *error, const struct froe_fault *fault);

/* The server's answer, with every fault that fits. */
enum froe_err error_from_wire(struct froe_error *error, const Froe__Error *wire);

enum froe_err error_copy(struct froe_error *error, const struct froe_error *from);

#endif
