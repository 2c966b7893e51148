/*
 * gateway/legacy: PutWorkflow of before v1: a workflow with jobs and steps.
 *
 * Purpose     Its one job becomes a workflow of tasks, judged as any other; what it says beside
 *             that is refused by name, as gateway/definition does.
 * Ownership   what is returned lies in the arena and in the request.
 * Failure     FROE_INVALID_ARGUMENT with the request's field.
 */
#ifndef GATEWAY_LEGACY_H
#define GATEWAY_LEGACY_H

#include "base/arena.h"
#include "base/fault.h"

#include "hatchet/workflow.pb-c.h"
#include "proto/native.pb-c.h"

enum froe_err legacy_definition_of(const Hatchet__PutWorkflowRequest *request,
    struct arena *arena, Froe__WorkflowDefinition **ret_definition, struct froe_fault *fault)
    FROE_CHECKED;

#endif
