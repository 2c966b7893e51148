/*
 * client/definition: a workflow definition from the public structs to the wire's.
 *
 * Ownership   what is built lives in the arena and borrows the caller's strings.
 */
#ifndef CLIENT_DEFINITION_H
#define CLIENT_DEFINITION_H

#include "base/arena.h"
#include "froe/froe.h"
#include "proto/native.pb-c.h"

enum froe_err definition_encode(struct arena *arena, const struct froe_workflow *workflow,
    Froe__WorkflowPut *ret_put, struct froe_error *error);

#endif
