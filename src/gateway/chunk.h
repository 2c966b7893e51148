/*
 * gateway/chunk: chunks of tasks' streams, in the order of their index.
 *
 * Purpose     SDKs put chunks without waiting for each other: they come in any order, and are
 *             given to the shard in the right one. A chunk whose predecessor does not come is
 *             given all the same, a little later, or when the task's result comes.
 */
#ifndef GATEWAY_CHUNK_H
#define GATEWAY_CHUNK_H

#include "gateway/gateway_int.h"

/* The task's result is about to be told: all that is held goes before it. */
void chunk_flush(struct gateway *gateway, struct uuid task);
void chunk_turn(struct gateway *gateway, uint64_t now_ns);
uint64_t chunk_due_ns(const struct gateway *gateway); /* UINT64_MAX: nothing is held */
void chunk_release_all(struct gateway *gateway);

#endif
