/*
 * gateway/step: steps of durable tasks: from Hatchet's messages, and what came of them.
 *
 * Ownership   what is made lies in the arena, and in what it was made from.
 */
#ifndef GATEWAY_STEP_H
#define GATEWAY_STEP_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/uuid.h"

#include "hatchet/durable.pb-c.h"
#include "proto/native.pb-c.h"

#define STEP_KEY_SIZE 33 /* the hash of a key, as text */
void step_key(struct bytes key, char name[STEP_KEY_SIZE]);

/* The conditions cannot be waited for: why not. NULL: they can. */
const char *step_refused(const Hatchet__DurableEventListenerConditions *conditions);
/* Sleeps first, as in the message. */
void step_conditions(const Hatchet__DurableEventListenerConditions *from, Froe__DurableStep *step,
    struct arena *arena);
/* A value that the task's worker gives later. */
void step_value(char *name, Froe__DurableStep *step, struct arena *arena);
/* Of the lease that is held now, unless the caller names another. */
void step_envelope(Froe__Envelope *envelope, Froe__DurableStep *step, struct uuid task,
    uint32_t node, Froe__NodeKind kind, struct arena *arena);
/* What came first, under its key: {"CREATE":{"KEY":[{...}]}}. */
void step_json(const Hatchet__DurableEventListenerConditions *conditions,
    const Froe__NodeDone *done, struct buf *json);

#endif
