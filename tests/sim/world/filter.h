/*
 * sim/world/filter: which runs a job is about, as the world draws and reads it.
 *
 * The server keeps a filter as the RunList that it came as; here the same bytes are read by a
 * hand of our own, for the model.
 */
#ifndef SIM_WORLD_FILTER_H
#define SIM_WORLD_FILTER_H

#include "base/arena.h"
#include "engine/engine.h"

#include "proto/native.pb-c.h"

#define FILTER_STATUSES 6u

struct filter {
	uint32_t statuses; /* bits 1 << enum eng_status; 0: all */
	int workflow;      /* number of its name; -1: all */
	uint8_t key;       /* of metadata: this pair; 0: all */
	uint8_t value;
	uint64_t since_ns; /* created at or after; 0: no bound */
	uint64_t until_ns; /* created before; 0: no bound */
	bool scheduled;    /* those that begin at a time */
};

/* As a client says it; everything lies in the arena. */
Froe__RunList *filter_say(const struct filter *filter, struct arena *arena);
/* False: these are no such bytes. */
bool filter_read(struct bytes packed, struct filter *ret_filter);

#endif
