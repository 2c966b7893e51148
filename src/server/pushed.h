/*
 * server/pushed: an event that was pushed, as a row of the index.
 *
 * Purpose     Events are listed and found by the same tables as runs (INDEX_EVENTS): the key stands
 *             where a run's workflow does, the one place is that of the event's record. What it
 *             says besides, its payload first of all, is in that record alone.
 * Ownership   the row points into the event and the two buffers.
 */
#ifndef SERVER_PUSHED_H
#define SERVER_PUSHED_H

#include "engine/engine.h"
#include "index/index.h"
#include "log/log.h"

/* By which the index knows it; nobody else does. */
struct uuid pushed_id(uint32_t tenant, uint64_t number);
/* Of an EVENT_PUSHED. */
struct index_run pushed_row(const struct eng_event *event, const struct log_place *place,
    struct buf *texts, struct buf *places);

#endif
