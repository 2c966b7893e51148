/*
 * server/names: names of workflows and workers by their numbers, for whoever has no engine to ask.
 *
 * Purpose     Records name workflows and workers by number. What has a name keeps it for ever.
 * Ownership   owns copies.
 * Threading   its owner only.
 */
#ifndef SERVER_NAMES_H
#define SERVER_NAMES_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/map.h"

enum names_kind {
	NAMES_WORKFLOW,
	NAMES_WORKER,
};

struct names {
	struct map entries; /* (kind, number) -> struct bytes in the arena */
	struct arena arena;
};

void names_init(struct names *names);
void names_release(struct names *names);
void names_put(struct names *names, enum names_kind kind, uint64_t number, struct bytes name);
struct bytes names_get(const struct names *names, enum names_kind kind, uint64_t number);

#endif
