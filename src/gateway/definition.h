/*
 * gateway/definition: CreateWorkflowVersionRequest as a definition of froe's.
 *
 * Purpose     What froe has, under its own name; what it has not yet is refused by name, never
 *             left out. The same request gives the same definition, byte for byte.
 * Ownership   what is returned lies in the arena and in the request.
 * Failure     FROE_INVALID_ARGUMENT with the request's field.
 */
#ifndef GATEWAY_DEFINITION_H
#define GATEWAY_DEFINITION_H

#include "base/arena.h"
#include "base/fault.h"

#include "hatchet/admin.pb-c.h"
#include "proto/native.pb-c.h"

enum froe_err definition_of(const Hatchet__CreateWorkflowVersionRequest *request,
    struct arena *arena, Froe__WorkflowDefinition **ret_definition, struct froe_fault *fault)
    FROE_CHECKED;

#endif
