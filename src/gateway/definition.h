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

/* How the request's fields are called: before a workflow's, before a task's number, and before
 * those of the on-failure task. */
struct definition_paths {
	const char *workflow;
	const char *task_begin;
	const char *on_failure;
};
extern const struct definition_paths DEFINITION_PATHS; /* of the message itself */

enum froe_err definition_of(const Hatchet__CreateWorkflowVersionRequest *request,
    const struct definition_paths *paths, struct arena *arena,
    Froe__WorkflowDefinition **ret_definition, struct froe_fault *fault) FROE_CHECKED;

#endif
