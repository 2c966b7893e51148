/*
 * api/alias: froe's things by the ids and words that Hatchet's clients have for them.
 *
 * Purpose     A run's id is the run's. Workflows, their versions and steps have names and numbers
 *             here, and UUIDs there: these are made of the names, so that they are the same on
 *             every server and need no table.
 * A task      of a run that has one task has the run's own id, as with Hatchet; else its own.
 *             Whoever takes a task's id takes both.
 * Events      have an id that is their number, with a check that it is the tenant's own.
 * Threading   any thread; nothing here has state.
 */
#ifndef API_ALIAS_H
#define API_ALIAS_H

#include "base/bytes.h"
#include "base/uuid.h"
#include "engine/engine.h"

/* The pair of metadata of a run that an event started: the event's id. */
#define ALIAS_EVENT_PAIR "hatchet__event_id"

struct uuid alias_workflow(struct uuid tenant, struct bytes name);
struct uuid alias_version(struct uuid workflow, uint32_t version);
struct uuid alias_step(struct uuid version, struct bytes task);
/* An event has a number, which its id shows: the tenant's that pushed it. */
struct uuid alias_event(struct uuid tenant, uint64_t number);
bool alias_event_number(struct uuid tenant, struct uuid id, uint64_t *ret_number);
struct uuid alias_label(struct uuid of, struct bytes name); /* of what has no other id */

struct uuid alias_task(struct uuid run, uint32_t index, uint32_t task_count);
/* The run that it is, or is a task of. *ret_index: which; a run's own id: 0. */
struct uuid alias_run(struct uuid id, uint32_t *ret_index, bool *ret_is_run);

/* QUEUED, RUNNING, COMPLETED, CANCELLED, FAILED; what is evicted runs. */
const char *alias_status(enum eng_status status);
/* Bits 1 << enum eng_status of such a word; 0: it is none. */
uint32_t alias_statuses(struct bytes word);

#endif
