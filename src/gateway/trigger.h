/*
 * gateway/trigger: which workflows an event starts.
 *
 * Purpose     The keys stand in the workflows' definitions. They are read once a tenant, and kept
 *             up to date as workflows are registered here.
 * Ownership   the gateway has the tables.
 */
#ifndef GATEWAY_TRIGGER_H
#define GATEWAY_TRIGGER_H

#include "api/alias.h"
#include "gateway/gateway_int.h"

/* In the metadata of a run that an event started. */
#define TRIGGER_EVENT_KEY "hatchet__event_key"
#define TRIGGER_EVENT_ID ALIAS_EVENT_PAIR

struct triggers; /* of one tenant */

/* NULL: they have not been read. */
struct triggers *trigger_table(struct gateway *gateway, struct uuid tenant);
/* Reads them, call by call; then `then`, if the call has not ended. */
void trigger_load(struct call *call, struct arena *arena, trigger_then *then);
/* A workflow has been registered. Nothing, if the tenant's have not been read. */
void trigger_put(struct gateway *gateway, struct uuid tenant, const char *workflow,
    char *const *keys, size_t count);
/* Calls `each` for the workflows that the event starts. */
void trigger_each(const struct triggers *triggers, const char *key,
    void (*each)(void *context, const char *workflow), void *context);
/* The workflow that trigger_each() names for the (index + 1)th time is there no more. False: it
 * names fewer. */
bool trigger_drop(struct triggers *triggers, const char *key, uint32_t index);
bool trigger_match(const char *pattern, const char *key);
void trigger_free(struct triggers *triggers); /* NULL is allowed */
void trigger_release_all(struct gateway *gateway);

#endif
