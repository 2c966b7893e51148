/*
 * server/names: names of workflows and workers by their numbers, for whoever has no engine to ask.
 *
 * Purpose     Records name workflows and workers by number. A workflow keeps its name for ever, a
 *             worker until it has left, and then as one of the last NAMES_LEFT_MAX.
 * Ownership   owns copies.
 * Threading   its owner only.
 */
#ifndef SERVER_NAMES_H
#define SERVER_NAMES_H

#include "base/bytes.h"
#include "base/list.h"
#include "base/map.h"

/* As many as the engine knows. */
#define NAMES_LEFT_MAX 43200u

enum names_kind {
	NAMES_WORKFLOW,
	NAMES_WORKER,
};

struct names {
	struct map entries; /* (kind, number) -> struct name */
	struct list left;
	size_t left_count;
};

void names_init(struct names *names);
void names_release(struct names *names);
/* The first name of a number stays; an empty one is none. */
void names_put(struct names *names, enum names_kind kind, uint64_t number, struct bytes name);
/* It gets no new records; what the older ones say may be asked for a while. */
void names_left(struct names *names, enum names_kind kind, uint64_t number);
struct bytes names_get(const struct names *names, enum names_kind kind, uint64_t number);

#endif
