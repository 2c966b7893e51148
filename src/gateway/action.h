/*
 * gateway/action: what a worker is told to do, as Hatchet's AssignedAction.
 *
 * Ownership   what is returned lies in the arena, and in what it was made from.
 */
#ifndef GATEWAY_ACTION_H
#define GATEWAY_ACTION_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/uuid.h"

#include "hatchet/dispatcher.pb-c.h"
#include "proto/native.pb-c.h"

/* NULL: a parent's output is too large to travel along. */
Hatchet__AssignedAction *action_start(
    const Froe__Dispatch *dispatch, struct uuid tenant, struct arena *arena);

struct action_cancel {
	struct uuid tenant;
	struct uuid task;
	uint32_t attempt;
	uint32_t invocation; /* 0: it is not durable */
	char *workflow;
	char *name;
	char *action;
};
Hatchet__AssignedAction *action_cancel(const struct action_cancel *from, struct arena *arena);

#endif
